"""``drorch recovery-sheet``: the page for the safe; it holds no secret."""

from __future__ import annotations

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import local_time
from drorch.format.custody import RecoverySheet
from drorch.format.keyfile import KeyOrigin
from drorch.ids import grouped


@click.command(epilog="Example: drorch recovery-sheet > recovery-sheet.txt")
@click.option("--title", help="What the sheet is for; by default the owner of drorch.yaml's defaults.")
@common_options
def command(title: str | None, invocation: Invocation) -> int:
    """Print the page that goes into the safe: trust root, stores, who can read, how to restore on a bare machine."""
    with invocation.wiring() as wiring:
        trust = wiring.repository().trust
        sheet = RecoverySheet(
            title=title or "drorch",
            origin=KeyOrigin(repository=trust.repository, trust_root=trust.root_digest),
            stores=[store.address for store in wiring.settings.stores.values()],
            recipients=[(recipient.label, recipient.recipient_id) for recipient in trust.recipients],
            printed_on=local_time(wiring.clock.now(), str(wiring.settings.time_zone))[:10],
        )
    if invocation.output.as_json:
        invocation.output.document(
            "drorch.recovery-sheet/1",
            {
                "ok": True,
                "repository": str(sheet.origin.repository),
                "trust": grouped(sheet.origin.trust_root.raw[:16]),
                "stores": list(sheet.stores),
                "recipients": [{"label": label, "id": str(identity)} for label, identity in sheet.recipients],
                "text": sheet.text(),
            },
        )
    else:
        invocation.output.lines(sheet.text().splitlines())
    return 0

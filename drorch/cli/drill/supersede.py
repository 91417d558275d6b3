"""``drorch drill supersede``: a drill no longer stands; both stay."""

from __future__ import annotations

import click

from drorch.catalog.interface import SUPERSEDED, DrillSignature
from drorch.cli.evidence.trust import trusted_keys
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import printable, wrapped
from drorch.errors import UsageInvalid
from drorch.operations.proof import signing


@click.command(
    epilog='Example: drorch drill supersede 01KB3W0T --by 01KB3X9M --reason "wrong server"',
    short_help="Say that a drill no longer stands.",
)
@click.argument("wanted", metavar="ID")
@click.option("--by", default="", metavar="ID", help="The drill that stands in its place.")
@click.option("--reason", required=True, metavar="TEXT", help="Stays in the ledger for ever.")
@click.option("--as", "person", required=True, metavar="PERSON", help="Who says so, by the name in `people:`.")
@common_options
def command(wanted: str, by: str, reason: str, person: str, invocation: Invocation) -> int:
    """Enter into the ledger that a drill is superseded. Nothing is edited: the drill and its verdict stay where they are."""
    settings = invocation.settings()
    if person not in settings.people:
        raise UsageInvalid(f"nobody is called {person}", expected=", ".join(settings.people) or "people:", found=person)
    with invocation.wiring(settings) as wiring:
        superseded = signing.supersede(
            wanted,
            by,
            reason=reason,
            person=person,
            trusted=trusted_keys(settings, None),
            writer=wiring.ledger_writer(),
        )
        wiring.catalog().record_drill_signature(
            DrillSignature(drill=superseded.drill, person=person, role=SUPERSEDED, signed_at=superseded.at)
        )
    appended = superseded.appended
    if invocation.output.as_json:
        content = {"ok": True, "entry": appended.numbers[0], "stores": list(appended.stores)}
        invocation.output.document("drorch.drill-supersede/1", content)
    elif not invocation.output.quiet:
        where = f"ledger entry {appended.numbers[0]:,} in {', '.join(appended.stores)}"
        invocation.output.lines(wrapped(printable(f"OK  drill {wanted} is superseded: {where}"), 4))
    return 0

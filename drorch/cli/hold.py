"""``drorch hold``: keep a snapshot because somebody has a duty to."""

from __future__ import annotations

import click

from drorch.cli.holds import say
from drorch.cli.invocation import Invocation, common_options
from drorch.format.retire_list import HoldKind


@click.command(epilog='Example: drorch hold 7kq2m9xd --reason "case 12/2026, district court"')
@click.argument("wanted", metavar="SNAPSHOT|latest:POLICY[/NAME]")
@click.option("--reason", required=True, metavar="TEXT", help="On whose order; stays in the record for ever.")
@click.option("--release", is_flag=True, help="Take the hold back; the reason says on whose order.")
@common_options
def command(wanted: str, reason: str, release: bool, invocation: Invocation) -> int:
    """Hold a snapshot for a court, an audit or an inquiry: it stays until somebody takes the hold back, with a reason of his own.

    A pin and a hold are apart: taking the one back leaves the other. Both are put, signed, into every store.
    """
    return say(HoldKind.HOLD, wanted, reason=reason, until=None, release=release, invocation=invocation)

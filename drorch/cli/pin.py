"""``drorch pin``: keep a snapshot, whatever the policy says."""

from __future__ import annotations

import click

from drorch.cli.holds import say
from drorch.cli.invocation import Invocation, common_options
from drorch.format.retire_list import HoldKind


@click.command(epilog='Example: drorch pin 7kq2m9xd --until 31/12/2026 --reason "before the cut-over"')
@click.argument("wanted", metavar="SNAPSHOT|latest:POLICY[/NAME]")
@click.option("--until", metavar="TIME", help="The pin ends then; without it, when it is taken back.")
@click.option("--reason", default="", metavar="TEXT", help="Why; shown by `drorch prune --plan`.")
@click.option("--release", is_flag=True, help="Take the pin back.")
@common_options
def command(wanted: str, until: str | None, reason: str, release: bool, invocation: Invocation) -> int:
    """Keep a snapshot whatever `retention` says. The pin is put, signed, into every store, and a lost catalog loses no pin."""
    return say(HoldKind.PIN, wanted, reason=reason, until=until, release=release, invocation=invocation)

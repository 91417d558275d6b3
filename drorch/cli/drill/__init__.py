"""``drorch drill``: restore drills; each subcommand stands in a file of its own."""

from __future__ import annotations

import click

from drorch.cli.drill import coverage, due, listing, run, show, sign, supersede


@click.group(epilog="Example: drorch drill run lamdong-land --operator operator1 --verifier verifier1")
def command() -> None:
    """Prove by restore drills that what is backed up comes back."""


command.add_command(run.command, "run")
command.add_command(due.command, "due")
command.add_command(listing.command, "list")
command.add_command(show.command, "show")
command.add_command(coverage.command, "coverage")
command.add_command(sign.command, "sign")
command.add_command(supersede.command, "supersede")

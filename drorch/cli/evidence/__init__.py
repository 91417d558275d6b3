"""``drorch evidence``: what auditors ask."""

from __future__ import annotations

import click

from drorch.cli.evidence import export, log, report, stamp, verify


@click.group(epilog="Example: drorch evidence log")
def command() -> None:
    """Read the ledger of drills, and check and hand over what they proved."""


command.add_command(verify.command, "verify")
command.add_command(export.command, "export")
command.add_command(report.command, "report")
command.add_command(log.command, "log")
command.add_command(stamp.command, "stamp")

"""``drorch evidence report``: a drill on paper, in Vietnamese and English."""

from __future__ import annotations

from pathlib import Path

import click

from drorch.cli.evidence.places import dossier_of
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import wrapped
from drorch.operations.proof import reporting
from drorch.operations.proof.printed import write_file


@click.command(epilog="Example: drorch evidence report 01KB3W0T --to reports", short_help="Print a drill as PDF.")
@click.argument("wanted", metavar="ID|YYYY-MM")
@click.option(
    "--to",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Where the files go; the current directory by default.",
)
@click.option("--store", metavar="URL|NAME", help="Read the evidence from this store.")
@common_options
def command(wanted: str, directory: Path, store: str | None, invocation: Invocation) -> int:
    """Write the reports of a drill, or of all of a month, as PDF: the answer on page 1, with the digest of the signed original.

    They are made out of the signed statements in the stores; the same statement makes the same bytes.
    """
    settings = invocation.settings_or_bare()
    with invocation.wiring(settings) as wiring:
        papers = reporting.run(dossier_of(wiring, store), wanted, settings.time_zone)
    written = [write_file(directory / name, content) for name, content in papers.items()]
    if invocation.output.as_json:
        content = {"ok": True, "files": [str(path) for path in written]}
        invocation.output.document("drorch.evidence-report/1", content)
    elif not invocation.output.quiet:
        invocation.output.lines(line for path in written for line in wrapped(f"OK  {path}", 4))
    return 0

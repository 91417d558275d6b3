"""``drorch report``: the page for whoever answers for a month."""

from __future__ import annotations

from pathlib import Path

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import wrapped
from drorch.errors import TargetRefused
from drorch.operations.watch.decide import alerts
from drorch.operations.watch.month import month_of, period_of
from drorch.operations.watch.month_paper import Language, month_page
from drorch.operations.watch.month_proof import keep_month, month_document
from drorch.settings import load_policies
from drorch.wiring.watching import look


@click.command(epilog="Example: drorch report --month 2026-10 --to reports")
@click.option("--month", metavar="YYYY-MM", required=True, help="The month, in the zone of drorch.yaml.")
@click.option("--lang", "language", type=click.Choice(["vi", "en"]), default="vi", show_default=True, help="Language.")
@click.option(
    "--to",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Where the file goes; the current directory by default.",
)
@click.option("--draft", is_flag=True, help="Neither sign the figures nor enter them into the ledger.")
@common_options
def command(month: str, language: Language, directory: Path, draft: bool, invocation: Invocation) -> int:
    """Write a month on one page, as PDF: sources covered, RPO kept, drills passed, worst RTO, copies, exceptions.

    The figures are signed by this machine and entered into the ledger of every store; the page bears their digest.
    """
    settings = invocation.settings()
    loaded = load_policies(settings)
    with invocation.wiring(settings) as wiring:
        found, facts = look(wiring, loaded)
        period = period_of(month, settings.time_zone, facts.now)
        present = alerts(found, loaded.policies, facts)
        made = month_of(period, found, loaded.policies, present, facts, wiring.catalog())
        digest = "" if draft else str(keep_month(made, wiring.ledger_writer()))
        content = wiring.typeset(month_page(made, language, settings.time_zone, digest))
    path = directory / f"{period.month}.{language}.pdf"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise TargetRefused(f"{path} cannot be written", found=error.strerror or "") from error
    if invocation.output.as_json:
        document = {"ok": True, "file": str(path), "signed": digest or None, **month_document(made)}
        invocation.output.document("drorch.report/1", document)
    elif not invocation.output.quiet:
        verdict = "every promise was kept" if made.is_kept else "not every promise was kept"
        invocation.output.lines(wrapped(f"OK  {path}: {verdict}", 4))
    return 0

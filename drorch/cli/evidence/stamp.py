"""``drorch evidence stamp``: ask the time-stamping authority for all drills that have no stamp."""

from __future__ import annotations

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import printable, wrapped
from drorch.errors import DrorchError, TimestampPending, UsageInvalid
from drorch.operations.proof import stamping
from drorch.operations.proof.printed import FOLDER, print_again
from drorch.operations.proof.stamping import StampReport
from drorch.quantities import counted
from drorch.wiring import Wiring


@click.command(epilog="Example: drorch evidence stamp", short_help="Get time-stamps for drills without one.")
@common_options
def command(invocation: Invocation) -> int:
    """Ask the authority of `evidence: {timestamp: ...}` for a time-stamp (RFC 3161) of every drill that has none.

    Only a digest leaves the house. An authority that does not answer is asked again the next time; nothing else waits for it.
    """
    settings = invocation.settings()
    authority = settings.timestamp_authority
    if authority is None:
        raise UsageInvalid(
            "no time-stamping authority is configured",
            expected="`evidence: {timestamp: https://...}` in drorch.yaml",
            found="timestamp: none",
        )
    with invocation.wiring(settings) as wiring:
        report = stamping.ask_again(wiring.ledger_writer(), authority, wiring.authority_asker(), wiring.owed_stamps)
        _print_again(wiring, report, invocation)
    if invocation.output.as_json:
        content = {"ok": not report.waiting, "stamped": list(report.stamped), "waiting": list(report.waiting)}
        invocation.output.document("drorch.evidence-stamp/1", content)
    elif not invocation.output.quiet or report.waiting:
        word = "PARTIAL" if report.waiting else "OK"
        lines = [f"{word}  {counted(len(report.stamped), 'drill')} stamped, {len(report.waiting):,} waiting"]
        lines += [
            line
            for drill, error in report.problems.items()
            for line in wrapped(printable(f"  {drill}: {error.message} ({error.found})"), 4)
        ]
        invocation.output.lines(lines)
    return TimestampPending.exit_code if report.waiting else 0


def _print_again(wiring: Wiring, report: StampReport, invocation: Invocation) -> None:
    """Print again what lies here and says that its stamp is pending; what keeps it from that is a note: the stamps are there."""
    settings = wiring.settings
    try:
        print_again(settings.state_directory / FOLDER, report.stamps, wiring.repository(), settings.time_zone)
    except DrorchError as error:
        invocation.output.message(f"note  a report on paper says that its time-stamp is pending: {error.message}")

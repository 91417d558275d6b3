"""Ask for the time-stamps of drills that have just ended, and say so when none came: nothing waits for it longer than the time-out."""

from __future__ import annotations

from collections.abc import Sequence

from drorch.cli.output import Output
from drorch.errors import Bug, DrorchError
from drorch.operations.drills.session import Drilled
from drorch.operations.proof import stamping
from drorch.wiring import Wiring

_AGAIN = "the next drill, or `drorch evidence stamp`, asks again"


def stamp_drills(wiring: Wiring, output: Output, drilled: Sequence[Drilled]) -> None:
    """Stamp those that were recorded where an authority is configured; what keeps it from that is told and changes no exit code."""
    authority = wiring.settings.timestamp_authority
    drills = {one.report.drill: one.recorded.name for one in drilled if one.recorded is not None}
    if authority is None or not drills:
        return
    try:
        ask = wiring.authority_asker()
        report = stamping.after_drills(wiring.ledger_writer(), authority, ask, drills, wiring.owed_stamps)
    except Bug:
        raise
    except DrorchError as error:
        output.message(f"note  no time-stamp: {error.message}; {_AGAIN}")
        return
    for problem in report.problems.values():
        output.message(f"note  {len(report.waiting)} drills without a time-stamp: {problem.message}; {_AGAIN}")

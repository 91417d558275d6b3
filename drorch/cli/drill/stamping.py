"""Ask for the time-stamps of drills that have just ended, and say so when none came: nothing waits for it longer than the time-out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drorch.cli.drill.printing import print_stamped
from drorch.cli.output import Output
from drorch.errors import Bug, DrorchError
from drorch.operations.drills.session import Drilled
from drorch.operations.proof import stamping
from drorch.quantities import counted
from drorch.wiring import Wiring

_AGAIN = "the daemon, the next drill or `drorch evidence stamp` asks again"


def stamp_drills(
    wiring: Wiring, output: Output, drilled: Sequence[Drilled], papers: Mapping[str, Sequence[str]]
) -> None:
    """Stamp those that were recorded, and whatever is owed from before, where an authority is configured; print their ``papers`` again.

    What keeps it from that is told and changes no exit code.
    """
    authority = wiring.settings.timestamp_authority
    drills = {one.report.drill: one.recorded.name for one in drilled if one.recorded is not None}
    if authority is None or not (drills or wiring.owed_stamps.exists()):
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
        output.message(
            f"note  {counted(len(report.waiting), 'drill')} without a time-stamp: {problem.message}; {_AGAIN}"
        )
    trouble = print_stamped(wiring, report.stamps, [one for one in drilled if papers.get(one.report.drill)])
    if trouble is not None:
        output.message(f"note  a report on paper says that its time-stamp is pending: {trouble.message}")

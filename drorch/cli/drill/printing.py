"""A drill on paper as soon as its evidence is kept: Vietnamese and English, out of what was signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from drorch.errors import DrorchError
from drorch.operations.drills.session import Drilled
from drorch.operations.proof.drill_paper import DrillPaper
from drorch.operations.proof.printed import FOLDER, print_again, write_papers
from drorch.settings import Settings
from drorch.wiring import Wiring


def print_drill(
    drilled: Drilled, settings: Settings, timestamp: str = ""
) -> tuple[tuple[Path, ...], DrorchError | None]:
    """Write the report below the state directory and return where, or why not: paper is a rendering, and its want no fault of the drill."""
    recorded = drilled.recorded
    if recorded is None:
        return (), None
    paper = DrillPaper(
        report=drilled.report,
        digest=recorded.digest,
        entry=recorded.number,
        head=recorded.head.digest,
        signed=(),
        timestamp=timestamp or ("none" if settings.timestamp_authority is None else "pending"),
    )
    try:
        return write_papers(settings.state_directory / FOLDER, paper, settings.time_zone), None
    except DrorchError as error:
        return (), error


def print_stamped(wiring: Wiring, stamped: Mapping[str, str], printed: Sequence[Drilled] = ()) -> DrorchError | None:
    """Print again what says that its time-stamp is pending, and return why that failed: ``printed`` just now, and older ones that lie here.

    ``stamped`` says by drill what their stamps are.
    """
    settings, trouble = wiring.settings, None
    for one in printed:
        if one.report.drill in stamped:
            trouble = print_drill(one, settings, stamped[one.report.drill])[1] or trouble
    older = sorted(stamped.keys() - {one.report.drill for one in printed})
    try:
        print_again(settings.state_directory / FOLDER, older, wiring.repository(), settings.time_zone)
    except DrorchError as error:
        return error
    return trouble

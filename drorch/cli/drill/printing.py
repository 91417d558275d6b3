"""A drill on paper as soon as its evidence is kept: Vietnamese and English, out of what was signed."""

from __future__ import annotations

from pathlib import Path

from drorch.cli.evidence.report import write_file
from drorch.errors import DrorchError
from drorch.operations.drills.session import Drilled
from drorch.operations.proof.drill_paper import DrillPaper
from drorch.operations.proof.reporting import papers_of
from drorch.settings import Settings

FOLDER = "reports"


def print_drill(drilled: Drilled, settings: Settings) -> tuple[tuple[Path, ...], DrorchError | None]:
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
        timestamp="none" if settings.timestamp_authority is None else "pending",
    )
    folder = settings.state_directory / FOLDER
    try:
        return tuple(write_file(folder / name, content) for name, content in papers_of(paper, settings.time_zone)), None
    except DrorchError as error:
        return (), error

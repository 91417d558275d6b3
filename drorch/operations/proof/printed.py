"""Reports of drills that lie on this machine as PDF: written when a drill ends, and again when its time-stamp has come."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from pathlib import Path

from drorch.errors import TargetRefused
from drorch.evidence.dossier import open_dossier
from drorch.operations.proof.drill_paper import DrillPaper
from drorch.operations.proof.gathering import gather
from drorch.operations.proof.reporting import LANGUAGES, paper_of, papers_of
from drorch.operations.proof.verifying import wanted_drills
from drorch.repository.opening import Repository

FOLDER = "reports"


def write_papers(folder: Path, paper: DrillPaper, zone: tzinfo) -> tuple[Path, ...]:
    """Write a drill's report in each language below ``folder``; raise ``TargetRefused`` or what typesetting raises."""
    return tuple(write_file(folder / name, content) for name, content in papers_of(paper, zone))


def print_again(folder: Path, drills: Iterable[str], repository: Repository, zone: tzinfo) -> tuple[Path, ...]:
    """Write anew, out of the ledger, what lies in ``folder`` of these drills; raises what reading evidence and writing raise."""
    there = [drill for drill in drills if any((folder / f"{drill}.{one}.pdf").exists() for one in LANGUAGES)]
    if not there:
        return ()
    opened = open_dossier(gather(repository), None)
    entries = [entry for drill in there for entry in wanted_drills(opened, drill)]
    return tuple(path for entry in entries for path in write_papers(folder, paper_of(opened, entry), zone))


def write_file(path: Path, content: bytes) -> Path:
    """Write a file and the directories above it; return its path, or raise ``TargetRefused``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise TargetRefused(f"{path} cannot be written", found=error.strerror or "") from error
    return path

"""Restore one snapshot, or some of its tables, into a target; or only say what stands in the way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from drorch.clock import Clock
from drorch.errors import DecisionNeeded
from drorch.format.manifest import Result
from drorch.operations.content import SnapshotContent
from drorch.repository.copies import Fault
from drorch.repository.reader import SnapshotReader
from drorch.sources.interface import (
    Content,
    Finding,
    Level,
    Observer,
    RestoreChoices,
    RestoreOutcome,
    StreamKind,
    Target,
    table_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan:
    """What a restore would do and what stands in its way; nothing was changed to find out. ``tables`` counts ``things``."""

    tables: int
    rows: int
    bytes: int
    findings: tuple[Finding, ...]
    things: str = "tables"

    @property
    def stops(self) -> tuple[Finding, ...]:
        """The findings that need a decision."""
        return tuple(finding for finding in self.findings if finding.level in (Level.STOP, Level.FAIL))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What a restore did. ``faults`` are copies that could not be used and were replaced by others; ``size_bytes`` is of what came back."""

    outcome: RestoreOutcome
    plan: RestorePlan
    duration_seconds: float
    faults: tuple[Fault, ...]
    size_bytes: int = 0


def plan(reader: SnapshotReader, target: Target, choices: RestoreChoices) -> tuple[Content, RestorePlan]:
    """Return the content that a restore would use and the plan; reads the snapshot's entries and the target's catalog."""
    content = SnapshotContent(reader)
    tables = [stream for stream in content.streams() if stream.spec.kind is StreamKind.TABLE]
    names = {table_of(stream.spec) for stream in tables}
    findings = (*target.preflight(content, choices), *_finding_about_completeness(reader))
    if content.facts.get("engine") == "files":
        return content, _plan_of_files(content, findings)
    return content, RestorePlan(
        tables=len(names),
        rows=sum(stream.rows or 0 for stream in tables),
        bytes=sum(stream.size_bytes for stream in content.streams()),
        findings=findings,
    )


def _finding_about_completeness(reader: SnapshotReader) -> tuple[Finding, ...]:
    if reader.link.manifest.result is Result.COMPLETE:
        return ()
    text = "the snapshot is partial: what could not be read when it was made is not in it"
    return (Finding(level=Level.NOTE, text=text),)


def _plan_of_files(content: Content, findings: tuple[Finding, ...]) -> RestorePlan:
    """Return the plan for a tree of files: its streams also hold bytes that no file uses any more."""
    files, size = (content.facts.get(fact) for fact in ("files", "file_bytes"))
    return RestorePlan(
        tables=files if isinstance(files, int) else 0,
        rows=0,
        bytes=size if isinstance(size, int) else 0,
        findings=findings,
        things="files",
    )


def run(
    reader: SnapshotReader, target: Target, choices: RestoreChoices, *, observer: Observer, clock: Clock
) -> RestoreReport:
    """Restore; raises ``DecisionNeeded`` with everything that stands in the way before a byte is written."""
    started = clock.monotonic_seconds()
    content, found = plan(reader, target, choices)
    if found.stops:
        raise DecisionNeeded(
            f"{len(found.stops)} point{'s' if len(found.stops) > 1 else ''} in the way of the restore",
            found=_list(found.stops),
            hint="`--plan` shows the whole list; nothing was changed",
        )
    outcome = target.restore(content, choices, observer)
    return RestoreReport(
        outcome=outcome,
        plan=found,
        duration_seconds=clock.monotonic_seconds() - started,
        faults=reader.faults,
        size_bytes=_restored_bytes(content, choices, outcome, found),
    )


def _restored_bytes(content: Content, choices: RestoreChoices, outcome: RestoreOutcome, found: RestorePlan) -> int:
    if outcome.size_bytes is not None:
        return outcome.size_bytes
    if not choices.tables:
        return found.bytes
    tables = [stream for stream in content.streams() if stream.spec.kind is StreamKind.TABLE]
    return sum(stream.size_bytes for stream in tables if _is_wanted(table_of(stream.spec), choices.tables))


def _is_wanted(table: tuple[str, str], wanted: Collection[str]) -> bool:
    """Say whether a table was named, with or without its schema; SQLite's and MariaDB's streams know none."""
    schema, name = table
    return name in wanted or any(
        one == f"{schema}.{name}" or (not schema and one.partition(".")[2] == name) for one in wanted
    )


def _list(findings: Sequence[Finding]) -> str:
    return "\n".join(f"{finding.text}: {finding.remedy}" if finding.remedy else finding.text for finding in findings)

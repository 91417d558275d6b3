"""A SQLite file as the place where a snapshot goes."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import DecisionNeeded, ObjectCorrupt
from drorch.quantities import format_size
from drorch.sources.interface import Content, Finding, Level, Observer, RestoreChoices, RestoreOutcome, StreamKind
from drorch.sources.sqlite.database_file import OLDEST_LIBRARY
from drorch.sources.sqlite.definitions import Kind, decode_schema
from drorch.sources.sqlite.exclusion import told
from drorch.sources.sqlite.faults import FOREIGN, writing
from drorch.sources.sqlite.loading import Loaded, load
from drorch.sources.sqlite.replacement import has_bytes, put_new, replace_old, side_directory
from drorch.sources.sqlite.selection import Selection, module_of, select

_ROOM_FACTOR = 1.2
"""A new file is packed as tightly as the old one or tighter; indexes are sorted on the side."""


class SqliteTarget:
    """See ``Target``. ``RestoreChoices`` about roles, sessions, locales and jobs mean nothing here."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._file = Path(os.path.realpath(path))  # a link stays a link; what it points to is replaced
        self._clock = clock

    @property
    def address(self) -> str:
        """See ``Target``."""
        return f"sqlite://{self._file}"

    def preflight(self, content: Content, choices: RestoreChoices) -> Sequence[Finding]:
        """See ``Target``."""
        if content.facts.get("engine") != "sqlite":
            found = content.facts.get("engine")
            return [
                Finding(
                    level=Level.STOP,
                    text=f"the snapshot is of {found}, not of SQLite",
                    remedy="choose a target of that kind",
                )
            ]
        selection = _selection(content, choices)
        with writing(self.address):
            return [
                *self._findings_about_directory(content, selection),
                *self._findings_about_file(choices),
                *_findings_about_selection(selection),
                *_findings_about_left_out(content, selection),
            ]

    def restore(self, content: Content, choices: RestoreChoices, observer: Observer) -> RestoreOutcome:
        """See ``Target``."""
        stops = [finding for finding in self.preflight(content, choices) if finding.level is Level.STOP]
        if stops:
            raise DecisionNeeded(
                f"{self.address}: {'; '.join(finding.text for finding in stops)}",
                hint="; ".join(finding.remedy for finding in stops),
                still_good="nothing was changed",
            )
        selection = _selection(content, choices)
        with side_directory(self._file, content.short_id) as built:
            loaded = load(built, content, selection, observer)
            built.chmod(0o600)  # personal data; a file that is replaced gives its own mode
            if self._holds_something():
                kept = replace_old(built, self._file, choices.started_at or self._clock.now())
                lines = [f"the old file is {kept}; to go back:", f"  mv {kept.name} {self._file.name}"]
            else:
                put_new(built, self._file)
                lines = []
        return self._outcome(loaded, lines)

    def _outcome(self, loaded: Loaded, lines: list[str]) -> RestoreOutcome:
        return RestoreOutcome(
            place=str(self._file),
            tables=loaded.tables,
            rows=loaded.rows,
            statements=loaded.statements,
            lines=(*lines, *loaded.notes),
            by_hand=tuple(loaded.by_hand),
        )

    def _holds_something(self) -> bool:
        return self._file.exists() and self._file.stat().st_size > 0

    def _findings_about_file(self, choices: RestoreChoices) -> list[Finding]:
        file = self._file
        if file.exists() and not file.is_file():
            return [Finding(level=Level.STOP, text=f"{file} is not a regular file", remedy="name a file")]
        findings = []
        if self._holds_something():
            findings.append(_finding_about_old_file(file, choices))
        else:
            orphans = [suffix for suffix in ("-wal", "-journal") if has_bytes(Path(f"{file}{suffix}"))]
            if orphans:
                text = f"{file}{orphans[0]} lies there without a database and would be taken for part of the new one"
                findings.append(Finding(level=Level.STOP, text=text, remedy="move it away"))
        if file.exists() and os.geteuid() not in {0, file.stat().st_uid}:
            text = f"{file} belongs to another account, and only root can give it back its owner"
            findings.append(Finding(level=Level.STOP, text=text, remedy="run as its owner or as root"))
        return findings

    def _findings_about_directory(self, content: Content, selection: Selection) -> list[Finding]:
        directory = self._file.parent
        if not directory.is_dir():
            return [
                Finding(level=Level.STOP, text=f"there is no directory {directory}", remedy=f"mkdir -p {directory}")
            ]
        if not os.access(directory, os.W_OK | os.X_OK):
            return [
                Finding(level=Level.STOP, text=f"this account may not write to {directory}", remedy="run as its owner")
            ]
        whole = content.facts.get("database_bytes")
        size = max(selection.size_bytes, whole if selection.is_whole and isinstance(whole, int) else 0)
        free = shutil.disk_usage(directory).free
        if size * _ROOM_FACTOR > free:
            text = f"{format_size(free)} free in {directory}, about {format_size(size * _ROOM_FACTOR)} needed"
            return [Finding(level=Level.STOP, text=text, remedy="make room, or restore somewhere else")]
        return [Finding(level=Level.OK, text=f"{directory} can be written and has {format_size(free)} free")]


def _selection(content: Content, choices: RestoreChoices) -> Selection:
    streams = content.streams()
    schema = next((stream for stream in streams if stream.spec.kind is StreamKind.SCHEMA), None)
    if schema is None:
        raise ObjectCorrupt("the snapshot has no schema stream")
    return select(decode_schema(content.open(schema)), streams, choices.tables)


def _finding_about_old_file(file: Path, choices: RestoreChoices) -> Finding:
    size = format_size(file.stat().st_size)
    if choices.replace:
        return Finding(level=Level.NOTE, text=f"{file} ({size}) is kept beside it; stop the programs that use it")
    moment = f"{choices.started_at:%Y%m%d_%H%M}" if choices.started_at else "YYYYMMDD_HHMM"
    return Finding(
        level=Level.STOP,
        text=f"{file} exists and holds {size}",
        remedy=f"--replace restores beside it, checks, then swaps; the old one stays as {file.name}__before_{moment}",
    )


def _findings_about_selection(selection: Selection) -> list[Finding]:
    findings = [
        Finding(
            level=Level.STOP,
            text=f"the snapshot has no table {name}",
            remedy=hint,
        )
        for name, hint in selection.unknown
    ]
    if sqlite3.sqlite_version_info < OLDEST_LIBRARY:
        oldest = ".".join(map(str, OLDEST_LIBRARY))
        text = f"the SQLite library of this Python is {sqlite3.sqlite_version}, older than {oldest}"
        findings.append(Finding(level=Level.STOP, text=text, remedy="use a newer Python"))
    modules = {module_of(definition) for definition in selection.schema.of(Kind.VIRTUAL_TABLE)}
    findings += [
        Finding(level=Level.NOTE, text=f"module {module} is not in this SQLite library: its tables come back unread")
        for module in sorted(modules - _known_modules())
    ]
    return findings


def _findings_about_left_out(content: Content, selection: Selection) -> list[Finding]:
    chosen = {definition.name for definition in selection.schema.of(Kind.TABLE)}
    return [
        Finding(level=Level.NOTE, text=f"comes without rows (exclude_data): {name}")
        for name in told(content.facts)
        if name in chosen
    ]


def _known_modules() -> set[str]:
    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            return {str(name).lower() for (name,) in connection.execute("SELECT name FROM pragma_module_list")}
    except FOREIGN:
        return set()

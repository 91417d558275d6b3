"""A SQLite file as a source."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import CaptureFailed, SourceError, SourceUnsupported
from drorch.quantities import counted, format_size
from drorch.sources.interface import Finding, Level
from drorch.sources.sqlite.capture import SqliteCapture
from drorch.sources.sqlite.database_file import (
    OLDEST_LIBRARY,
    Header,
    connect_read_only,
    read_header,
    refuse_foreign_companions,
)
from drorch.sources.sqlite.exclusion import UNUSED, told
from drorch.sources.sqlite.faults import reading


class IntegrityCheck(Enum):
    """What is asked of the database before it is captured: a damaged file gives rows too, only not the right ones."""

    NONE = "none"
    QUICK = "quick_check"  # pages and rows, in one pass
    FULL = "integrity_check"  # every index against its table as well


class SqliteSource:
    """See ``Source``. Nothing is written; in rollback-journal mode writers wait for the length of the capture.

    ``exclude_data`` are patterns of tables whose definition is captured and whose rows are not.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        busy_timeout_seconds: float = 30.0,
        check: IntegrityCheck = IntegrityCheck.NONE,
        exclude_data: Sequence[str] = (),
    ) -> None:
        self._path = Path(os.path.realpath(path))  # companions lie beside the file, not beside a link to it
        self._clock = clock
        self._busy_timeout_seconds = busy_timeout_seconds
        self._check = check
        self._exclude_data = tuple(exclude_data)

    @property
    def address(self) -> str:
        """See ``Source``."""
        return f"sqlite://{self._path}"

    @contextmanager
    def capture(self) -> Iterator[SqliteCapture]:
        """See ``Source``."""
        _refuse_old_library()
        with reading(self.address):
            refuse_foreign_companions(self._path, self._header())
            connection = connect_read_only(self._path, busy_timeout_seconds=self._busy_timeout_seconds)
        try:
            yield self._begin(connection)
        finally:
            connection.close()

    def examine(self) -> Sequence[Finding]:
        """See ``Source``."""
        try:
            header = self._header_or_error()
            with self.capture() as capture:
                tables = capture.facts["tables"]
                unused = told(capture.facts, UNUSED)
                size = format_size(self._path.stat().st_size)
        except SourceError as error:
            return [Finding(level=Level.FAIL, text=error.message, remedy=error.hint)]
        findings = [
            Finding(
                level=Level.OK,
                text=f"{self._path} can be read: {size}, {counted(int(str(tables)), 'table')}, SQLite {sqlite3.sqlite_version}",
            )
        ]
        if header.is_empty:
            findings.append(
                Finding(level=Level.NOTE, text=f"{self._path} holds nothing at all", remedy="is it the right file?")
            )
        if unused:
            findings.append(
                Finding(
                    level=Level.NOTE,
                    text=f"exclude_data fits no table: {', '.join(unused)}",
                    remedy="is the name right? the rows that are meant would be stored",
                )
            )
        if not header.is_empty and not header.is_wal:
            findings.append(
                Finding(
                    level=Level.NOTE,
                    text="the file is in rollback-journal mode: programs that write to it wait while it is captured",
                    remedy="back up in a quiet hour, or let its application use PRAGMA journal_mode=WAL",
                )
            )
        return findings

    def _header(self) -> Header:
        return read_header(self._path)

    def _header_or_error(self) -> Header:
        with reading(self.address):
            return self._header()

    def _begin(self, connection: sqlite3.Connection) -> SqliteCapture:
        with reading(self.address):
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the lock is taken by the first read
            restore_point = self._clock.now()
            if self._check is not IntegrityCheck.NONE:
                self._refuse_damage(connection)
        facts = {"engine": "sqlite", "library_version": sqlite3.sqlite_version, "file": str(self._path)}
        return SqliteCapture(
            connection,
            address=self.address,
            restore_point=restore_point,
            facts=facts,
            exclude_data=self._exclude_data,
        )

    def _refuse_damage(self, connection: sqlite3.Connection) -> None:
        complaint = connection.execute(f"PRAGMA {self._check.value}(1)").fetchone()[0].decode(errors="replace")
        if complaint != "ok":
            raise CaptureFailed(
                f"{self.address}: {self._check.value} found damage",
                found=complaint[:200],
                hint="`sqlite3 FILE .recover` saves what is readable; `REINDEX` cures damaged indexes",
                still_good="every earlier snapshot",
            )


def _refuse_old_library() -> None:
    if sqlite3.sqlite_version_info < OLDEST_LIBRARY:
        raise SourceUnsupported(
            "the SQLite library of this Python is too old",
            expected=".".join(map(str, OLDEST_LIBRARY)) + " or newer",
            found=sqlite3.sqlite_version,
        )

"""A PostgreSQL database as a source of captures."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import SourceError, SourceStalled, SourceUnsupported
from drorch.quantities import format_duration
from drorch.sources.interface import Capture, Finding, Json
from drorch.sources.postgresql import checks, facts
from drorch.sources.postgresql.account import account_facts
from drorch.sources.postgresql.border import mapped
from drorch.sources.postgresql.capture import Opened, PostgresqlCapture
from drorch.sources.postgresql.connecting import connect
from drorch.sources.postgresql.examine import examine
from drorch.sources.postgresql.failures import LOCK_NOT_AVAILABLE, StatementRefused
from drorch.sources.postgresql.inventory import is_excluded, tables, unused_patterns
from drorch.sources.postgresql.lifeline import Lifeline
from drorch.sources.postgresql.location import PostgresqlLocation
from drorch.sources.postgresql.options import CaptureOptions, session_settings
from drorch.sources.postgresql.server_load import over_limit
from drorch.sources.postgresql.session import Session
from drorch.sources.postgresql.snapshot import Readers, Snapshot, take_snapshot
from drorch.sources.postgresql.tools import PostgresqlTools, find_pg_dump

OLDEST_VERSION = 110_000
_READER_LOCK_SECONDS = 2


class PostgresqlSource:
    """See ``Source``."""

    def __init__(
        self,
        location: PostgresqlLocation,
        options: CaptureOptions,
        tools: PostgresqlTools,
        clock: Clock,
    ) -> None:
        self._location = location.with_one_question()
        self._options = options
        self._tools = tools
        self._clock = clock

    @property
    def address(self) -> str:
        """See ``Source``."""
        return self._location.address

    def capture(self) -> AbstractContextManager[Capture]:
        """See ``Source``."""
        return self._capture()

    def examine(self) -> Sequence[Finding]:
        """See ``Source``."""
        with mapped(f"examining {self.address}"), contextlib.closing(self._connect(Lifeline())) as session:
            return examine(session, self._options, self._tools)

    def account_facts(self, account: str | None = None) -> Mapping[str, Json]:
        """Return what ``policy grants`` needs to know of the server, as far as the login can see it, for ``account``."""
        with mapped(f"examining {self.address}"), contextlib.closing(self._connect(Lifeline())) as session:
            return account_facts(session, account)

    def too_busy(self) -> str:
        """See ``SaysWhenBusy``."""
        options = self._options
        if options.max_active_sessions is None and options.max_replication_lag_seconds is None:
            return ""
        with mapped(f"asking {self.address} for its load"), contextlib.closing(self._connect(Lifeline())) as session:
            return over_limit(session, options.max_active_sessions, options.max_replication_lag_seconds)

    @contextlib.contextmanager
    def _capture(self) -> Iterator[Capture]:
        lifeline = Lifeline()
        with contextlib.ExitStack() as stack:
            with mapped(f"opening {self.address}"):
                began = self._clock.monotonic_seconds()
                exporter = self._connect(lifeline)
                stack.callback(exporter.close)
                opened, program = self._open(exporter, lifeline, began)
            stack.callback(opened.readers.close)
            timer = threading.Timer(self._options.max_snapshot_age_seconds, lifeline.end, [self._too_old()])
            timer.daemon = True
            timer.start()
            stack.callback(timer.cancel)
            yield PostgresqlCapture(
                opened,
                location=self._location,
                options=self._options,
                program=program,
                clock=self._clock,
                lifeline=lifeline,
            )

    def _connect(self, lifeline: Lifeline) -> Session:
        session = connect(
            self._location,
            application=self._options.application,
            connect_timeout_seconds=self._options.connect_timeout_seconds,
            clock=self._clock,
            lifeline=lifeline,
            stall_seconds=self._options.stall_timeout_seconds,
        )
        try:
            require_version(session.server_version)
            session.run(
                session_settings(session.server_version, lock_timeout_seconds=self._options.lock_timeout_seconds)
            )
        except BaseException:
            session.close()
            raise
        return session

    def _open(self, exporter: Session, lifeline: Lifeline, began: float) -> tuple[Opened, Path]:
        program = find_pg_dump(self._tools, exporter.server_version)
        checks.require_locks(exporter)
        checks.require_rights(exporter)
        standby = checks.standby_state(exporter)
        checks.require_fresh(standby, self._options.max_lag_seconds)
        snapshot = self._take(exporter, lifeline)
        found = tables(exporter)
        excluded = [table for table in found if is_excluded(table, self._options)]
        unlogged = [table for table in found if table.is_unlogged] if standby else []
        taken = [table for table in found if table not in excluded and table not in unlogged]
        size = exporter.value("select pg_catalog.count(*) from pg_catalog.pg_largeobject_metadata")
        opened = Opened(
            exporter=exporter,
            readers=Readers(self._reader(lifeline), snapshot.identifier, self._options.jobs),
            snapshot=snapshot,
            restore_point=standby.replayed_at if standby else snapshot.taken_at,
            tables=taken,
            large_object_bytes=_large_object_bytes(exporter) if size != "0" else None,
            facts=facts.database_facts(exporter)
            | facts.table_facts(found, excluded, unlogged)
            | {"exclude_data_unused": [*unused_patterns(found, self._options)]}
            | {"standby": standby is not None, "left_out": facts.left_out(exporter)},
            began_seconds=began,
        )
        return opened, program

    def _reader(self, lifeline: Lifeline) -> Callable[[], Session]:
        """Return a maker of reading sessions; they wait shortly for locks, since the exporter can step in."""

        def make() -> Session:
            session = self._connect(lifeline)
            session.run(f"set lock_timeout = '{min(_READER_LOCK_SECONDS, self._options.lock_timeout_seconds)}s'")
            return session

        return make

    def _take(self, exporter: Session, lifeline: Lifeline) -> Snapshot:
        """Take the snapshot; if a lock was not granted in time, say who holds it."""
        try:
            return take_snapshot(exporter)
        except StatementRefused as error:
            if error.state != LOCK_NOT_AVAILABLE:
                raise
            holders = self._blockers(lifeline)
            if not holders:
                raise
            raise StatementRefused(error.state, f"{error.message}; locked: {holders}") from error

    def _blockers(self, lifeline: Lifeline) -> str:
        with contextlib.closing(self._connect(lifeline)) as session:
            return checks.blockers(session)

    def _too_old(self) -> SourceError:
        return SourceStalled(
            "the capture is older than it may become",
            expected=f"at most {format_duration(self._options.max_snapshot_age_seconds)} (max_snapshot_age)",
            hint="it would keep the server from vacuuming; raise max_snapshot_age or find what slows the run",
        )


def require_version(version: int) -> None:
    """Raise ``SourceUnsupported`` for a server older than 11."""
    if version < OLDEST_VERSION:
        raise SourceUnsupported(
            "the server is too old", expected="PostgreSQL 11 or newer", found=str(version // 10_000)
        )


def _large_object_bytes(session: Session) -> int:
    return int(session.value("select pg_catalog.pg_relation_size('pg_catalog.pg_largeobject')") or 0)

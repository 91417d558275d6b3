"""One consistent snapshot of a database, offered as streams."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import Bug, CaptureFailed, Interrupted, SourceError
from drorch.quantities import counted
from drorch.sources.contract.definitions import storable
from drorch.sources.interface import Bytes, Json, RowFormat, StreamKind, StreamSpec
from drorch.sources.postgresql import left_out
from drorch.sources.postgresql.border import mapped
from drorch.sources.postgresql.dump_schema import DumpedSchema, pg_dump, schema_entries
from drorch.sources.postgresql.entries import Entry, encode_entry
from drorch.sources.postgresql.failures import LOCK_NOT_AVAILABLE, StatementRefused
from drorch.sources.postgresql.inventory import Table, can_be_divided, copy_out_sql, range_statements, stream_specs
from drorch.sources.postgresql.large_objects import read_large_objects
from drorch.sources.postgresql.lifeline import Lifeline
from drorch.sources.postgresql.location import PostgresqlLocation
from drorch.sources.postgresql.options import CaptureOptions, RolesChoice
from drorch.sources.postgresql.oversize import TOO_LARGE, oversize_error
from drorch.sources.postgresql.page_ranges import RangedRows
from drorch.sources.postgresql.roles import read_roles
from drorch.sources.postgresql.session import PIECE_BYTES, Session
from drorch.sources.postgresql.snapshot import Readers, Snapshot

SCHEMA = StreamSpec(name="schema", kind=StreamKind.SCHEMA)
ROLES = StreamSpec(name="roles", kind=StreamKind.ROLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What ``source`` has prepared: logged in, checked, locked, exported."""

    exporter: Session
    readers: Readers
    snapshot: Snapshot
    restore_point: datetime
    tables: Sequence[Table]
    large_object_bytes: int | None
    facts: Mapping[str, Json]
    began_seconds: float


class PostgresqlCapture:
    """See ``Capture``. Each stream has its own session (the schema its own pg_dump too), all in one snapshot."""

    def __init__(
        self,
        opened: Opened,
        *,
        location: PostgresqlLocation,
        options: CaptureOptions,
        program: Path,
        clock: Clock,
        lifeline: Lifeline,
    ) -> None:
        self._opened = opened
        self._location = location
        self._options = options
        self._program = program
        self._clock = clock
        self._lifeline = lifeline
        self._learned = DumpedSchema()
        self._asking = threading.Lock()
        self._tables = {table.stream_name: table for table in opened.tables}
        self._unread = {stream.name for stream in self.streams()}

    @property
    def facts(self) -> Mapping[str, Json]:
        """See ``Capture``."""
        return self._opened.facts

    @property
    def restore_point(self) -> datetime:
        """See ``Capture``; on a standby the last commit that it had replayed, on the primary's clock."""
        return self._opened.restore_point

    @property
    def parallel(self) -> int:
        """See ``Capture``."""
        return self._options.jobs

    def streams(self) -> Sequence[StreamSpec]:
        """See ``Capture``: schema, roles, large objects, then the tables by name."""
        found = [SCHEMA]
        if self._options.roles is not RolesChoice.NONE:
            found.append(ROLES)
        if self._opened.large_object_bytes is not None:
            found.append(
                StreamSpec(
                    name="large-objects",
                    kind=StreamKind.LARGE_OBJECTS,
                    estimated_bytes=self._opened.large_object_bytes,
                    row_format=RowFormat.PREFIXED,
                )
            )
        version = self._opened.exporter.server_version
        for table in self._opened.tables:
            found.extend(stream_specs(table, version, self._options.split_size_bytes))
        return found

    def open(self, stream: StreamSpec) -> AbstractContextManager[Iterator[Bytes]]:
        """See ``Capture``."""
        return contextlib.closing(self._bytes_of(stream))

    def ask(self, sql: str) -> str:
        """See ``Capture``; names are found as the account finds them, and nothing a probe sets stays."""
        with self._asking, mapped("a probe"):
            session = self._opened.exporter
            session.run("savepoint probe; set local search_path to default")
            try:
                rows = session.run_raw(sql, single=True)
                if len(rows) != 1 or len(rows[0]) != 1:
                    raise CaptureFailed(
                        "a probe must yield one value", expected="1 row of 1 column", found=counted(len(rows), "row")
                    )
                value = rows[0][0]
            finally:
                if session.is_idle:  # else it fell silent or was cut, and cannot be used again
                    session.run("rollback to savepoint probe; release savepoint probe")
            return "" if value is None else session.encoding.decode(value)

    def closing_facts(self) -> Mapping[str, Json]:
        """See ``Capture``."""
        held = self._clock.monotonic_seconds() - self._opened.began_seconds
        return {
            "snapshot_held_seconds": round(held),
            "blanked_secrets": list(self._learned.blanked),
            "definitions": self._learned.count,
        }

    def abort(self) -> None:
        """See ``Capture``."""
        self._lifeline.end(Interrupted("the capture was stopped"))

    def _bytes_of(self, stream: StreamSpec) -> Generator[Bytes, None, None]:
        yield from self._read(stream)
        self._unread.discard(stream.name)

    def _read(self, stream: StreamSpec) -> Iterator[Bytes]:
        with self._ended(), mapped(f"reading {stream.name}"):
            if stream.kind is StreamKind.SCHEMA:
                yield from storable(self._schema())
                return
            if stream.kind is StreamKind.TABLE:
                yield from self._rows(stream)
                return
            with self._opened.readers.lend() as session:
                if stream.kind is StreamKind.LARGE_OBJECTS:
                    yield from read_large_objects(session)
                elif stream.kind is StreamKind.ROLES:
                    yield from storable(read_roles(session, self._options.roles))
                else:
                    raise Bug(f"no stream of kind {stream.kind.name} in PostgreSQL")

    def _rows(self, stream: StreamSpec) -> Iterator[Bytes]:
        table = self._table(stream)
        sql = copy_out_sql(table, stream)
        try:
            if self._options.jobs > 1 and can_be_divided(table, self._opened.exporter.server_version):
                statements = range_statements(table, stream)
                rows = RangedRows(self._opened.readers, table.sql_name, statements, self._has_session_to_spare)
                yield from rows.pieces()
                return
            with self._opened.readers.lend() as session:
                yield from session.copy_out(sql)
        except StatementRefused as refused:
            if refused.state == LOCK_NOT_AVAILABLE:
                yield from self._rows_by_exporter(sql)
                return
            if refused.state not in TOO_LARGE:
                raise
            with self._opened.readers.lend() as session:
                told = oversize_error(session, table, refused)
            raise told or refused from refused

    def _has_session_to_spare(self) -> bool:
        """Whether there are fewer streams left than sessions: each of them has its own then, or needs none any more."""
        return len(self._unread) < self._options.jobs and self._opened.readers.has_spare

    def _rows_by_exporter(self, sql: str) -> Iterator[Bytes]:
        """Read a table for which somebody's DDL waits: a reader would wait behind it, and it waits for the exporter's lock.

        The exporter holds the lock already, so it need not queue.
        """
        with self._asking:
            session = self._opened.exporter
            session.run("savepoint table_rows")
            yield from session.copy_out(sql)
            session.run("release savepoint table_rows")

    @contextlib.contextmanager
    def _ended(self) -> Iterator[None]:
        """Say why everything was ended, instead of how that looked from here."""
        try:
            yield
        except SourceError as error:
            if self._lifeline.reason is not None and self._lifeline.reason is not error:
                raise self._lifeline.reason from error
            raise

    def _table(self, stream: StreamSpec) -> Table:
        name = stream.name
        if "part" in stream.attributes:
            name = name.rpartition("#")[0]
        return self._tables[name]

    def _schema(self) -> Iterator[bytes]:
        piece = bytearray()
        for entry in self._definitions():
            piece += encode_entry(entry)
            if len(piece) >= PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece)

    def _definitions(self) -> Iterator[Entry]:
        self._learned = learned = DumpedSchema()
        with self._opened.readers.lend() as session:
            number = 0
            for entry in left_out.database_entries(session, number):
                yield entry
                number += 1
            options = self._options
            with pg_dump(
                self._program,
                self._location,
                snapshot=self._opened.snapshot.identifier,
                encoding=session.encoding,
                application=options.application,
                lock_timeout_seconds=options.lock_timeout_seconds,
                connect_timeout_seconds=options.connect_timeout_seconds,
                stall_timeout_seconds=options.stall_timeout_seconds,
                lifeline=self._lifeline,
            ) as child:
                yield from schema_entries(child, session.encoding, learned, number)
            number += learned.count
            for more in (left_out.sequence_entries, left_out.large_object_entries):
                for entry in more(session, number):
                    yield entry
                    number += 1
            yield from left_out.refresh_entries(session, learned.materialized_views, number)

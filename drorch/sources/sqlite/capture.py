"""One read transaction of one connection, offered as streams."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from drorch.errors import Bug, CaptureFailed
from drorch.sources.contract.definitions import storable
from drorch.sources.interface import Bytes, Json, RowFormat, StreamKind, StreamSpec
from drorch.sources.sqlite.database_file import identifier
from drorch.sources.sqlite.definitions import Schema, TableRows, encode_schema, read_schema, read_tables
from drorch.sources.sqlite.exclusion import EXCLUDED, UNUSED, exclude
from drorch.sources.sqlite.faults import FOREIGN, primary_code, reading, what_sqlite_said
from drorch.sources.sqlite.rows import FetchedValue
from drorch.sources.sqlite.table_reader import encoded_rows

SCHEMA_STREAM = "schema"


class SqliteCapture:
    """See ``Capture``. Made by ``SqliteSource.capture`` with the transaction open."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        address: str,
        restore_point: datetime,
        facts: Mapping[str, Json],
        exclude_data: Sequence[str] = (),
    ) -> None:
        self._connection = connection
        self._address = address
        self._restore_point = restore_point
        self._is_aborted = threading.Event()
        with reading(address):
            self._schema: Schema = read_schema(connection)
            found = read_tables(connection)
            exclusion = exclude(connection, found, exclude_data)
            self._tables = {f"table/{rows.table}": rows for rows in exclusion.kept}
            self._file_bytes = self._pragma("page_count") * self._schema.settings.page_size
            self._weights = {name: self._estimated_rows(rows) for name, rows in self._tables.items()}
        self._facts = {
            **facts,
            "encoding": self._schema.settings.encoding,
            "journal_mode": self._schema.settings.journal_mode,
            "page_size": self._schema.settings.page_size,
            "database_bytes": self._file_bytes,
            "tables": len(found),
            EXCLUDED: list(exclusion.excluded),
            UNUSED: list(exclusion.unused),
        }

    @property
    def facts(self) -> Mapping[str, Json]:
        """See ``Capture``."""
        return self._facts

    @property
    def restore_point(self) -> datetime:
        """The host's clock when the read lock was granted: SQLite has none of its own."""
        return self._restore_point

    @property
    def parallel(self) -> int:
        """One: a transaction of SQLite belongs to one connection."""
        return 1

    def streams(self) -> Sequence[StreamSpec]:
        """See ``Capture``: ``schema``, then ``table/NAME`` in the order of creation."""
        schema = StreamSpec(
            name=SCHEMA_STREAM, kind=StreamKind.SCHEMA, estimated_bytes=len(encode_schema(self._schema))
        )
        total = sum(self._weights.values()) or 1
        return [
            schema,
            *(
                StreamSpec(
                    name=name,
                    kind=StreamKind.TABLE,
                    estimated_bytes=self._file_bytes * self._weights[name] // total,
                    row_format=RowFormat.PREFIXED,
                    attributes=rows.attributes(),
                )
                for name, rows in self._tables.items()
            ),
        ]

    @contextmanager
    def open(self, stream: StreamSpec) -> Iterator[Iterator[Bytes]]:
        """See ``Capture``."""
        if stream.name == SCHEMA_STREAM:
            yield storable([encode_schema(self._schema)])
            return
        if stream.name not in self._tables:
            raise Bug(f"no stream {stream.name} in this capture")
        pieces = self._pieces(self._tables[stream.name])
        try:
            yield pieces
        finally:
            pieces.close()

    def ask(self, sql: str) -> str:
        """See ``Capture``; BLOB comes as hexadecimal digits."""
        self._refuse_if_aborted()
        with reading(self._address):
            try:
                rows = self._connection.execute(sql).fetchmany(2)
            except FOREIGN as error:
                if primary_code(error) not in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY):
                    raise  # not the probe's fault
                raise CaptureFailed(
                    f"SQLite refused the probe: {sql[:80]}", found=what_sqlite_said(error), hint="a probe is one SELECT"
                ) from error
            still_inside = self._connection.in_transaction
        if not still_inside:
            raise CaptureFailed(f"the probe ended the snapshot: {sql[:80]}", hint="a probe is one SELECT")
        if len(rows) != 1 or len(rows[0]) != 1:
            raise CaptureFailed(
                f"a probe must yield one value: {sql[:80]}",
                expected="one row of one column",
                found=f"{'more rows' if len(rows) > 1 else f'{len(rows)} rows'} of {len(rows[0]) if rows else 0} columns",
            )
        return _as_text(rows[0][0])

    def closing_facts(self) -> Mapping[str, Json]:
        """See ``Capture``: nothing is known only at the end."""
        return {}

    def abort(self) -> None:
        """See ``Capture``."""
        self._is_aborted.set()
        try:
            self._connection.interrupt()
        except FOREIGN:
            return  # closed already: nothing is left to stop

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _estimated_rows(self, rows: TableRows) -> int:
        """Return a guess for progress that costs one look-up: the highest row number."""
        if rows.row_number is None:
            return 1
        query = f"SELECT max({identifier(rows.row_number)}) FROM {identifier(rows.table)}"
        return max(int(self._connection.execute(query).fetchone()[0] or 0), 1)

    def _pieces(self, rows: TableRows) -> Generator[Bytes, None, None]:
        with reading(f"{self._address}: table {rows.table}"):
            yield from encoded_rows(
                self._connection, rows, self._schema.settings.encoding, between=self._refuse_if_aborted
            )

    def _refuse_if_aborted(self) -> None:
        if self._is_aborted.is_set():
            raise CaptureFailed(f"{self._address}: the capture was stopped")


def _as_text(value: FetchedValue) -> str:
    if value is None:
        return ""
    if isinstance(value, bytearray):
        return value.decode(errors="replace")
    return value.hex() if isinstance(value, bytes) else str(value)

"""Filling a new database file from a snapshot, and proving that what lies in it is what was captured.

Order: settings, tables, rows, proof of the rows, virtual tables, indexes, statistics, views, triggers, journal mode. Triggers come
after the rows, so none fires; foreign keys are not enforced during the load and are checked at the end; CHECK
constraints are not asked, because the rows stood in the source whatever their constraints say today.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from drorch.errors import RestoreDiffers, TargetRefused
from drorch.quantities import counted
from drorch.sources.attributes import texts_of
from drorch.sources.interface import Bytes, Content, Observer, StoredStream
from drorch.sources.sqlite.database_file import identifier
from drorch.sources.sqlite.definitions import Definition, Kind, Settings, read_table
from drorch.sources.sqlite.exclusion import told
from drorch.sources.sqlite.faults import FOREIGN, writing
from drorch.sources.sqlite.rows import LoadedRow, OddText, decode_rows
from drorch.sources.sqlite.selection import ROW_NUMBERS_TABLE, Selection, table_of
from drorch.sources.sqlite.table_reader import encoded_rows

_STATISTICS_TABLES = ("sqlite_stat1", "sqlite_stat4", "sqlite_stat3", "sqlite_stat2")
_APPLICATION_NEEDED = ("no such collation sequence", "no such function", "no such module", "no such tokenizer")
"""What an index may need that only the application brings; everything else that SQLite refuses ends the restore."""


@dataclass(slots=True)
class Loaded:
    """What was done so far."""

    tables: int = 0
    rows: int = 0
    statements: int = 0
    by_hand: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def load(file: Path, content: Content, selection: Selection, observer: Observer) -> Loaded:
    """Fill ``file``, which must not exist, and return what was done; on error what lies there is to be thrown away.

    Raises:
        TargetError: SQLite or the disk refused something, it is named; or the rows are not those of the snapshot.
        DrorchError: whatever ``content`` raises.
    """
    with writing(str(file)):
        connection = sqlite3.connect(file, isolation_level=None, cached_statements=0)
    try:
        return _Loader(connection, content, selection, observer).run()
    finally:
        connection.close()


class _Loader:
    def __init__(
        self, connection: sqlite3.Connection, content: Content, selection: Selection, observer: Observer
    ) -> None:
        self._connection = connection
        self._content = content
        self._selection = selection
        self._observer = observer
        self._encoding = selection.schema.settings.encoding
        self._loaded = Loaded()

    def run(self) -> Loaded:
        with writing("the new database's settings"):
            _apply_settings(self._connection, self._selection.schema.settings)
            self._connection.execute("BEGIN")
        self._create(Kind.TABLE)
        for stream in self._selection.streams:
            if not table_of(stream).startswith("sqlite_"):
                self._load(stream)
        self._load_row_numbers()
        self._create_virtual_tables()
        self._create(Kind.INDEX)
        self._load_statistics()
        self._create(Kind.VIEW)
        self._create(Kind.TRIGGER)
        with writing("the commit of the new database"):
            self._connection.execute("COMMIT")
        self._check()
        with writing("the new database's journal mode"):
            self._connection.execute("PRAGMA locking_mode=NORMAL")
            self._connection.execute(f"PRAGMA journal_mode={self._selection.schema.settings.journal_mode}")
        return self._loaded

    def _create(self, kind: Kind) -> None:
        definitions = self._selection.schema.of(kind)
        for done, definition in enumerate(definitions, start=1):
            try:
                self._connection.execute(definition.sql)
            except FOREIGN as error:
                self._refuse_or_leave_out(definition, error)
            self._loaded.statements += 1
            self._observer.advance(f"{kind.value} definitions", done, len(definitions), "statements")

    def _refuse_or_leave_out(self, definition: Definition, error: Exception) -> None:
        if definition.kind is Kind.INDEX and str(error).startswith(_APPLICATION_NEEDED):
            self._loaded.by_hand.append(
                f"index {definition.name} needs what only the application has ({error}): {definition.sql}"
            )
            return
        with writing(f"{definition.kind.value} {definition.name}"):
            raise error

    def _load(self, stream: StoredStream) -> None:
        """Write the rows of one table, read them back, and compare."""
        table = table_of(stream)
        columns = texts_of(stream.spec.attributes, "columns")
        with writing(f"table {table}"):
            sent = _Tally(self._content.open(stream), self._observer, stream)
            rows = self._insert(table, columns, sent)
            self._compare(stream, rows, sent)
        self._loaded.tables += 1
        self._loaded.rows += rows

    def _insert(self, table: str, columns: list[str], pieces: Iterator[Bytes]) -> int:
        into = f"INSERT INTO {identifier(table)} ({', '.join(map(identifier, columns))})"
        plain = f"{into} VALUES ({', '.join('?' * len(columns))})"
        count = 0
        for rows, may_hold_odd_text in decode_rows(pieces, len(columns), encoding=self._encoding):
            count += len(rows)
            if may_hold_odd_text:
                self._insert_odd_text(into, rows)
            else:
                self._connection.executemany(plain, rows)
        return count

    def _insert_odd_text(self, into: str, rows: list[LoadedRow]) -> None:
        """Insert rows with text that is not UTF-8 by way of a temporary table.

        ``CAST(column AS TEXT)`` takes the bytes as they are, in the database's encoding; the same cast of a bound parameter takes
        them for UTF-8 (measured with 3.40), which would garble a UTF-16 database.
        """
        width = len(rows[0])
        self._connection.execute("DROP TABLE IF EXISTS temp.drorch_odd")
        self._connection.execute(f"CREATE TEMP TABLE drorch_odd (texts, {', '.join(f'c{i}' for i in range(width))})")
        self._connection.executemany(
            f"INSERT INTO drorch_odd VALUES ({', '.join('?' * (width + 1))})", map(_marked, rows)
        )
        values = [
            f"CASE substr(texts, {i + 1}, 1) WHEN '1' THEN CAST(c{i} AS TEXT) ELSE c{i} END" for i in range(width)
        ]
        self._connection.execute(f"{into} SELECT {', '.join(values)} FROM drorch_odd ORDER BY rowid")

    def _compare(self, stream: StoredStream, rows: int, sent: _Tally) -> None:
        """Refuse a table that does not read as it was captured (a column's affinity can change what is written)."""
        if stream.rows is not None and rows != stream.rows:
            raise RestoreDiffers(
                f"{table_of(stream)} has another number of rows", expected=str(stream.rows), found=str(rows)
            )
        if self._digest_as_read(table_of(stream)) != sent.digest():
            raise RestoreDiffers(
                f"the rows of {table_of(stream)} do not read back as they were captured",
                hint="SQLite changed values while storing them: a column's declared type is not what it was when they were written",
            )

    def _digest_as_read(self, table: str) -> bytes:
        digest = hashlib.blake2b()
        self._connection.text_factory = bytearray
        try:
            for piece in encoded_rows(self._connection, read_table(self._connection, table), self._encoding):
                digest.update(piece)
        finally:
            self._connection.text_factory = str
        return digest.digest()

    def _load_row_numbers(self) -> None:
        """Restore ``sqlite_sequence``: the last number that each AUTOINCREMENT table gave."""
        for stream in [stream for stream in self._selection.streams if table_of(stream) == ROW_NUMBERS_TABLE]:
            with writing(ROW_NUMBERS_TABLE):
                self._make_row_numbers_table()
                self._connection.execute("DELETE FROM sqlite_sequence")
                self._load(stream)
                if not self._selection.is_whole:
                    self._connection.execute(
                        "DELETE FROM sqlite_sequence WHERE name NOT IN (SELECT name FROM sqlite_schema)"
                    )

    def _make_row_numbers_table(self) -> None:
        if not _has_table(
            self._connection, ROW_NUMBERS_TABLE
        ):  # its last AUTOINCREMENT table was dropped at the source
            self._connection.execute("CREATE TABLE drorch_autoincrement (id INTEGER PRIMARY KEY AUTOINCREMENT)")
            self._connection.execute("DROP TABLE drorch_autoincrement")

    def _create_virtual_tables(self) -> None:
        """Enter virtual tables into the schema by hand: their content came as ordinary tables, and the module may be absent."""
        definitions = self._selection.schema.of(Kind.VIRTUAL_TABLE)
        if not definitions:
            return
        with writing("virtual tables"):
            self._connection.execute("PRAGMA writable_schema=ON")
            self._connection.executemany(
                "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('table', ?, ?, 0, ?)",
                [(each.name, each.name, each.sql) for each in definitions],
            )
            self._connection.execute("COMMIT")
            self._connection.execute("PRAGMA writable_schema=RESET")
            self._connection.execute("BEGIN")
        self._loaded.statements += len(definitions)

    def _load_statistics(self) -> None:
        streams = {table_of(stream): stream for stream in self._selection.streams}
        present = [streams[name] for name in _STATISTICS_TABLES if name in streams]
        if not present:
            return
        with writing("statistics"):
            self._connection.execute("ANALYZE sqlite_schema")  # makes the tables, empty
            for stream in present:
                if _has_table(self._connection, table_of(stream)):
                    self._connection.execute(f"DELETE FROM {table_of(stream)}")
                    self._load(stream)
                else:
                    self._loaded.notes.append(f"{table_of(stream)} is left out: this SQLite library does not keep it")

    def _check(self) -> None:
        with writing("integrity_check of the new database"):
            verdict = str(self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
        if verdict != "ok":
            raise TargetRefused("the new database fails its integrity check", expected="ok", found=verdict[:200])
        excluded = told(self._content.facts)
        where = "as in the source" if self._selection.is_whole else "not all tables were restored"
        try:
            orphans = Counter(
                (str(row[0]), str(row[2])) for row in self._connection.execute("PRAGMA foreign_key_check")
            )
        except FOREIGN as error:  # the definitions contradict each other, which the source lived with
            self._loaded.notes.append(f"foreign keys could not be checked: {error}")
            return
        for (child, parent), count in sorted(orphans.items()):
            why = "its rows were left out at backup" if parent in excluded else where
            self._loaded.notes.append(
                f"{counted(count, 'row')} of {child} {'refers' if count == 1 else 'refer'} to rows of {parent} that are not there ({why})"
            )


class _Tally:
    """Passes a stream on, digests it and tells the observer."""

    def __init__(self, pieces: Iterator[Bytes], observer: Observer, stream: StoredStream) -> None:
        self._pieces = pieces
        self._observer = observer
        self._stream = stream
        self._done = 0
        self._hash = hashlib.blake2b()

    def __iter__(self) -> Iterator[Bytes]:
        return self

    def __next__(self) -> Bytes:
        piece = next(self._pieces)
        self._hash.update(piece)
        self._done += len(piece)
        self._observer.advance(table_of(self._stream), self._done, self._stream.size_bytes, "bytes")
        return piece

    def digest(self) -> bytes:
        return self._hash.digest()


def _marked(row: LoadedRow) -> tuple[object, ...]:
    """Return ``row`` behind a string that has ``1`` for each value that is odd text; those become plain bytes."""
    is_odd = [isinstance(value, OddText) for value in row]
    return (
        "".join("01"[flag] for flag in is_odd),
        *(bytes(value) if flag else value for flag, value in zip(is_odd, row, strict=True)),  # type: ignore[arg-type]
    )


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE name=?", (name,)).fetchone() is not None


def _apply_settings(connection: sqlite3.Connection, settings: Settings) -> None:
    for pragma in (
        f"page_size={settings.page_size}",
        f"encoding='{settings.encoding}'",
        f"auto_vacuum={settings.auto_vacuum}",
        "journal_mode=MEMORY",  # a restore that dies is thrown away whole; a refused index is not half there
        "synchronous=OFF",  # the file is synced once, at the end
        "locking_mode=EXCLUSIVE",
        "cache_size=-65536",  # 64 MiB: indexes are built in it
        "temp_store=MEMORY",
        "foreign_keys=OFF",
        "ignore_check_constraints=ON",
        f"user_version={settings.user_version}",
        f"application_id={settings.application_id}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()

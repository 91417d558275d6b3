"""The SQLite file behind a memory: its tables, and its rows in the order in which they are going to be asked for."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from typing import Final, NamedTuple

VERSION: Final = 2
AT_ONCE: Final = 1_000
_PATIENCE: Final = 8  # rows found elsewhere, one after the other, until it is the walk that is elsewhere and not a file
_SCHEMA: Final = f"""
create table if not exists content (id integer primary key, name text not null unique, size integer not null default 0);
create table if not exists file (
    id integer primary key, key blob not null unique, looks blob not null, sha256 blob not null, size integer not null,
    content integer not null, offset integer not null, is_bare integer not null, checksum integer not null, path blob);
create table if not exists counter (runs integer not null);
create temp table hard_link (key blob primary key, path blob not null) without rowid;
pragma user_version = {VERSION};
"""
_COLUMNS: Final = "id, key, looks, sha256, size, content, offset, is_bare, checksum, path is null"
_ONE: Final = f"select {_COLUMNS} from file where key = ?"
_NEXT: Final = f"select {_COLUMNS} from file where id > ? order by id limit {AT_ONCE}"
_PLACE: Final = struct.Struct(">QQB")


class Row(NamedTuple):
    """A row as it was found; ``is_bare`` says that the file had no extended attributes."""

    id: int
    key: bytes
    looks: bytes
    sha256: bytes
    size: int
    content: int
    offset: int
    is_bare: int
    checksum: int
    is_nameless: int


class RowsAhead:
    """Finds rows by their keys. Files are asked for nearly in the order in which they were remembered: a thousand rows are fetched at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows: dict[bytes, Row] = {}
        self._last = 0
        self._strays, self._patience = 0, _PATIENCE

    def take(self, key: bytes) -> Row | None:
        """Return the row of a key; raises ``sqlite3.Error``."""
        row = self._rows.pop(key, None)
        if row is not None:
            self._strays, self._patience = 0, _PATIENCE
            return row
        found = self._connection.execute(_ONE, (key,)).fetchone()
        if found is None:
            return None
        row = Row._make(found)
        self._strays += 1
        if self._last < row.id <= self._last + AT_ONCE or self._strays > self._patience:
            self._fetch(row.id)
        return row

    def _fetch(self, after: int) -> None:
        rows = map(Row._make, self._connection.execute(_NEXT, (after,)))
        self._rows = {row.key: row for row in rows}
        self._last = max((row.id for row in self._rows.values()), default=after)
        self._strays, self._patience = 0, 2 * self._patience  # until one of them is asked for


def checksum(key: bytes, looks: bytes, sha256: bytes, size: int, content: str, offset: int, *, is_bare: bool) -> int:
    """Return what tells that a row is as it was written: SQLite does not notice a bit that flips in a file."""
    return zlib.crc32(b"".join((key, looks, sha256, _PLACE.pack(size, offset, is_bare), content.encode())))


def opened(target: str) -> sqlite3.Connection:
    """Open the file (``""``: one that ends with the connection) for this process alone; raises ``sqlite3.Error``."""
    connection = sqlite3.connect(target, check_same_thread=False, timeout=0, isolation_level=None)
    try:
        connection.execute("pragma locking_mode = exclusive")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute("pragma cache_size = -16384")
        connection.execute("pragma temp_store = file")
        (version,) = connection.execute("pragma user_version").fetchone()
        (tables,) = connection.execute("select count(*) from sqlite_master").fetchone()
        if tables and version != VERSION:
            raise sqlite3.DatabaseError("tables of another version")
        connection.executescript(_SCHEMA)
        connection.execute("begin immediate")
        connection.execute("rollback")
    except sqlite3.Error:
        connection.close()
        raise
    return connection

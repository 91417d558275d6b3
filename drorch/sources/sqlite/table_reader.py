"""Reading a table as the bytes of its stream, fast and within bounded memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

from drorch.sources.interface import Bytes
from drorch.sources.sqlite.definitions import TableRows
from drorch.sources.sqlite.faults import primary_code
from drorch.sources.sqlite.rows import FetchedRow, encode_long_row, encode_rows

_VALUES_AT_ONCE = 4096
"""So many values are fetched in one go, whatever the number of columns ..."""
_SHORT_VALUE_BYTES = 8192
"""... while none is longer than this (SQLite itself stops at one that is): at most 32 MiB at once."""
_LONG_ROWS_PIECE_BYTES = 1 << 20


def encoded_rows(
    connection: sqlite3.Connection, rows: TableRows, encoding: str, *, between: Callable[[], None] = lambda: None
) -> Iterator[Bytes]:
    """Yield the table's stream; ``between`` is called now and then and may raise.

    ``connection`` fetches TEXT as ``bytearray``. Memory: 32 MiB, or a few times the largest row.

    Raises:
        sqlite3.Error: as SQLite says.
    """
    done = 0
    batches = _short_rows(connection, rows.select(encoding), max(_VALUES_AT_ONCE // len(rows.columns), 1))
    stored = list if encoding == "UTF-8" else _marked_texts
    try:
        for batch in batches:
            between()
            yield encode_rows(stored(batch))
            done += len(batch)
    except sqlite3.DataError as error:
        if primary_code(error) != sqlite3.SQLITE_TOOBIG:
            raise
        for batch in _long_rows(connection, f"{rows.select(encoding)} LIMIT -1 OFFSET {done}"):
            between()
            if len(batch) == 1:
                yield from encode_long_row(stored(batch)[0])
            else:
                yield encode_rows(stored(batch))


def _short_rows(connection: sqlite3.Connection, query: str, at_once: int) -> Iterator[list[FetchedRow]]:
    """Yield rows in batches; a value that is not short makes SQLite raise SQLITE_TOOBIG before it is read."""
    cursor = connection.execute(query)
    while True:
        before = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _SHORT_VALUE_BYTES)
        try:
            batch = cursor.fetchmany(at_once)
        finally:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)
        if not batch:
            return
        yield batch


def _long_rows(connection: sqlite3.Connection, query: str) -> Iterator[list[FetchedRow]]:
    """Yield rows in batches of about a mebibyte, or a longer one by itself."""
    batch: list[FetchedRow] = []
    size_bytes = 0
    for row in connection.execute(query):
        row_bytes = 16 + sum(len(value) for value in row if isinstance(value, bytearray | bytes))
        if batch and size_bytes + row_bytes > _LONG_ROWS_PIECE_BYTES:
            yield batch
            batch, size_bytes = [], 0
        batch.append(row)
        size_bytes += row_bytes
        del row  # while SQLite reads the next one, this one must not be held twice
        if size_bytes > _LONG_ROWS_PIECE_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def _marked_texts(batch: list[FetchedRow]) -> list[FetchedRow]:
    """Return the rows of a UTF-16 database: every second item said whether the one before it is text."""
    return [
        tuple(bytearray(value) if is_text else value for value, is_text in zip(row[::2], row[1::2], strict=True))  # type: ignore[arg-type]
        for row in batch
    ]

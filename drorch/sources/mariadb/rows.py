"""Rows of a stream: split, put into statements, and summed up so that two tables can be compared whatever their order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from drorch.errors import ObjectCorrupt
from drorch.sources.interface import Bytes

_NULL = 0xFB
_LENGTH_BYTES = {0xFC: 2, 0xFD: 3, 0xFE: 8}
_MODULUS = 2**256
_OPENINGS = {"b": b"_binary'", "t": b"_latin1'", "n": b""}


def split_rows(pieces: Iterable[Bytes]) -> Iterator[list[bytes]]:
    """Yield the rows of a ``PREFIXED`` stream in batches; raise ``ObjectCorrupt`` when it ends inside a row."""
    held = bytearray()
    needed = 4
    for piece in pieces:
        held += piece
        if len(held) < needed:
            continue
        content, rows = bytes(held), []
        position, size, end = 0, len(content), 4
        while position + 4 <= size:
            end = position + 4 + int.from_bytes(content[position : position + 4], "big")
            if end > size:
                break
            rows.append(content[position + 4 : end])
            position, end = end, end + 4
        needed = max(4, end - position)
        del held[:position]
        if rows:
            yield rows
    if held:
        raise ObjectCorrupt("a table's stream ends inside a row")


def tuples(rows: Iterable[bytes], forms: str) -> Iterator[bytes]:
    """Yield each row as the ``(...)`` of an ``INSERT``; ``forms`` has a letter for each value, see ``Column.form``.

    What comes out of a snapshot is never a part of a statement: everything is in quotes, or a number of digits. Raises
    ``ObjectCorrupt`` for a row of another form.
    """
    openings = [_OPENINGS[form] for form in forms]
    for row in rows:
        position = 0
        parts = []
        for opening in openings:
            try:
                length = row[position]
            except IndexError as error:
                raise ObjectCorrupt("a row has fewer values than the table has columns") from error
            position += 1
            if length == _NULL:
                parts.append(b"NULL")
                continue
            if length > _NULL:
                width = _LENGTH_BYTES.get(length, 0)
                length = int.from_bytes(row[position : position + width], "little")
                position += width
            value = row[position : position + length]
            position += length
            if not opening:
                if not value.isdigit():
                    raise ObjectCorrupt("a value that must be a number is none")
                parts.append(value)
                continue
            parts.append(opening + value.replace(b"\\", b"\\\\").replace(b"'", b"\\'") + b"'")
        if position != len(row):
            raise ObjectCorrupt("a row has another length than its values")
        yield b"(" + b",".join(parts) + b")"


class RowSum:
    """Number and sum of rows."""

    def __init__(self) -> None:
        self.rows = 0
        self.total = 0

    def add(self, rows: Sequence[bytes]) -> None:
        """Count rows."""
        hashed = hashlib.blake2b
        self.total = (
            self.total + sum(int.from_bytes(hashed(row, digest_size=32).digest(), "big") for row in rows)
        ) % _MODULUS
        self.rows += len(rows)

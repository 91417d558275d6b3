"""The bytes of a table's stream: rows as SQLite holds them, so that a stranger can decode them.

A stream is a sequence of rows and nothing else. A row is its length (u32, big-endian, not counting these four bytes) and
then one value for each of the stream's ``columns``. A value is a type byte and what follows it:

=====  =======  ==========================================================================
type   meaning  what follows
=====  =======  ==========================================================================
1      INTEGER  i64, big-endian, two's complement
2      REAL     IEEE 754 binary64, big-endian; infinities and -0.0 as they are, NaN cannot occur
3      TEXT     u32 big-endian length, then the bytes as stored, in the database's encoding; not
               checked: what an application wrote wrongly comes back as wrong as it was
4      BLOB     u32 big-endian length, then the bytes
5      NULL     nothing
=====  =======  ==========================================================================

The type bytes are the numbers of SQLite's own C interface. ``tests/unit/sources/test_sqlite_rows.py`` holds a second
decoder that was written from this page alone; docs/FORMAT.md section 15 says the same in the format's words.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import NamedTuple, TypeAlias

from drorch.errors import ObjectCorrupt
from drorch.quantities import counted
from drorch.sources.interface import Bytes

INTEGER, REAL, TEXT, BLOB, NULL = range(1, 6)

FetchedValue: TypeAlias = "int | float | bytearray | bytes | None"
"""A value as read: TEXT is a ``bytearray`` and BLOB is ``bytes`` (that is how the connection is set up to tell them apart)."""
FetchedRow: TypeAlias = tuple[FetchedValue, ...]


class OddText(bytes):
    """TEXT that is no valid UTF-8 (or not UTF-8 at all): no ``str``, SQLite casts it when it is written."""

    __slots__ = ()


LoadedValue: TypeAlias = "int | float | str | OddText | bytes | None"
"""A value as decoded, ready to be bound; ``OddText`` needs ``CAST(? AS TEXT)``."""
LoadedRow: TypeAlias = tuple[LoadedValue, ...]

_pack_integer = struct.Struct(">cq").pack
_pack_real = struct.Struct(">cd").pack
_unpack_length = struct.Struct(">I").unpack_from
_unpack_integer = struct.Struct(">q").unpack_from
_unpack_real = struct.Struct(">d").unpack_from
_NULL_BYTE = bytes([NULL])


class _Prefixes(dict[int, bytes]):
    """``[type byte] + u32`` for each length met; a table has few different lengths, so this is a look-up, not a pack."""

    _LIMIT = 65_536

    def __init__(self, type_byte: bytes) -> None:
        super().__init__()
        self._type_byte = type_byte

    def __missing__(self, length: int) -> bytes:
        prefix = self._type_byte + length.to_bytes(4, "big")
        if len(self) < self._LIMIT:
            self[length] = prefix
        return prefix


_row_prefix = _Prefixes(b"").__getitem__
_text_prefix = _Prefixes(bytes([TEXT])).__getitem__
_blob_prefix = _Prefixes(bytes([BLOB])).__getitem__

_ENCODE_ONE: dict[type, Callable[[FetchedValue], bytes]] = {
    int: lambda value: _pack_integer(b"\x01", value),
    float: lambda value: _pack_real(b"\x02", value),
    bytearray: lambda value: _text_prefix(len(value)) + value,  # type: ignore[arg-type,operator]
    bytes: lambda value: _blob_prefix(len(value)) + value,  # type: ignore[arg-type,operator]
    type(None): lambda _: _NULL_BYTE,
}


def _encode_column(values: Sequence[FetchedValue]) -> tuple[Iterable[Bytes], ...]:
    """Return the iterables whose items, side by side, are this column's bytes; loops run in C where one type rules."""
    types = set(map(type, values))
    if len(types) > 1:
        return (map(_encode_any, map(type, values), values),)
    (only,) = types
    if only is bytearray:
        return map(_text_prefix, map(len, values)), values  # type: ignore[arg-type,return-value]
    if only is int:
        return (map(_pack_integer, repeat(b"\x01"), values),)
    if only is bytes:
        return map(_blob_prefix, map(len, values)), values  # type: ignore[arg-type,return-value]
    if only is float:
        return (map(_pack_real, repeat(b"\x02"), values),)
    return (repeat(_NULL_BYTE, len(values)),)


def _encode_any(its_type: type, value: FetchedValue) -> bytes:
    return _ENCODE_ONE[its_type](value)


def encode_rows(rows: Sequence[FetchedRow]) -> bytes:
    """Return the bytes of ``rows``, all of the same number of values; column by column, because that is fast."""
    if not rows:
        return b""
    columns = chain.from_iterable(map(_encode_column, zip(*rows, strict=True)))
    encoded = list(map(b"".join, zip(*columns, strict=True)))
    return b"".join(chain.from_iterable(zip(map(_row_prefix, map(len, encoded)), encoded, strict=True)))


def encode_long_row(row: FetchedRow) -> Iterator[Bytes]:
    """Yield the bytes of one row without copying its long values."""
    pieces: list[Bytes] = []
    for value in row:
        if isinstance(value, bytearray):
            pieces += _text_prefix(len(value)), value
        elif isinstance(value, bytes):
            pieces += _blob_prefix(len(value)), value
        else:
            pieces.append(_ENCODE_ONE[type(value)](value))
    yield _row_prefix(sum(map(len, pieces)))
    yield from pieces


class DecodedRows(NamedTuple):
    """Some rows of a stream, in its order; ``may_hold_odd_text`` if any value may be ``OddText``."""

    rows: list[LoadedRow]
    may_hold_odd_text: bool


def decode_rows(pieces: Iterable[Bytes], columns: int, *, encoding: str = "UTF-8") -> Iterator[DecodedRows]:
    """Yield the rows of a stream in lists, whatever the size of ``pieces``; a row of other than ``columns`` values raises.

    In an ``encoding`` other than ``UTF-8`` every text is ``OddText``, because only SQLite's cast keeps such bytes exactly.

    Raises:
        ObjectCorrupt: the bytes are not rows as this module writes them.
    """
    buffer = bytearray()
    needed = 0  # a row of hundreds of megabytes arrives in many pieces: look at it once, when it is whole
    for piece in pieces:
        buffer += piece
        if len(buffer) < needed:
            continue
        whole = bytes(buffer)
        is_odd = encoding != "UTF-8"
        try:
            rows, used, needed = _decode_whole_rows(whole, columns, OddText if is_odd else bytes.decode)
        except UnicodeDecodeError:
            is_odd = True
            rows, used, needed = _decode_whole_rows(whole, columns, _decode_or_odd)
        del buffer[:used]
        if rows:
            yield DecodedRows(rows, is_odd)
    if buffer:
        raise ObjectCorrupt(
            "a table's stream ends inside a row", expected="whole rows", found=f"{len(buffer)} bytes left"
        )


def _decode_or_odd(text: bytes) -> str | OddText:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return OddText(text)


def _decode_whole_rows(
    buffer: bytes, columns: int, decode_text: Callable[[bytes], str | OddText]
) -> tuple[list[LoadedRow], int, int]:
    """Return the whole rows at the start of ``buffer``, how many bytes they are, and how many the next row needs."""
    rows: list[LoadedRow] = []
    position, end = 0, len(buffer)
    while position + 4 <= end:
        stop = position + 4 + _unpack_length(buffer, position)[0]
        if stop > end:
            return rows, position, stop - position
        try:
            row, reached = _decode_values(buffer, position + 4, stop, decode_text)
        except struct.error as error:
            raise ObjectCorrupt("a value runs over the end of its row") from error
        if reached != stop or len(row) != columns:
            raise ObjectCorrupt(
                "a row does not hold what its length says", expected=counted(columns, "value"), found=f"{len(row)}"
            )
        rows.append(tuple(row))
        position = stop
    return rows, position, 4


def _decode_values(
    buffer: bytes, position: int, stop: int, decode_text: Callable[[bytes], str | OddText]
) -> tuple[list[LoadedValue], int]:
    """Return the values from ``position`` on and where they end; the inner loop of every restore, hence the shape."""
    row: list[LoadedValue] = []
    append, unpack_length = row.append, _unpack_length
    while position < stop:
        kind = buffer[position]
        if kind == TEXT:
            start = position + 5
            position = start + unpack_length(buffer, position + 1)[0]
            append(decode_text(buffer[start:position]))
        elif kind == INTEGER:
            append(_unpack_integer(buffer, position + 1)[0])
            position += 9
        elif kind == NULL:
            append(None)
            position += 1
        elif kind == REAL:
            append(_unpack_real(buffer, position + 1)[0])
            position += 9
        elif kind == BLOB:
            start = position + 5
            position = start + unpack_length(buffer, position + 1)[0]
            append(buffer[start:position])
        else:
            raise ObjectCorrupt("a value of unknown type", expected="a type byte of 1 to 5", found=str(kind))
    return row, position

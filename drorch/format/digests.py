"""What is counted of a stream while it passes: bytes, BLAKE3 of the bytes, rows, and a digest of the set of rows (FORMAT 9).

The row digest does not depend on the order of rows: each row's keyed hash goes into one of 256 buckets, and a bucket holds the sum
of its hashes. Two captures of a table that differ in one row differ in one bucket.

This is the hottest loop of a backup: 0.8 us a row of 280 bytes, half of it BLAKE3 (benchmarks/format.py). What
matters: rows are split by ``bytes.split`` in C, one hasher is reset instead of one made per row, and hashes are only appended to
their bucket's list; ``sum(map(int.from_bytes, ...))`` adds them up later, thousands at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Protocol, Self

from blake3 import blake3

from drorch.errors import Bug, CaptureFailed
from drorch.format.entries import ROW_FORMAT_LINES, ROW_FORMAT_NONE, ROW_FORMAT_PREFIXED
from drorch.format.fields import Bytes

BUCKETS = 256
_SUM_BYTES = 32
_MODULUS = 2**256
_FLUSH_ROWS = 2**13  # hashes that wait to be added up: half a MiB, which stays in the processor's cache
_FLOAT4 = struct.Struct(">f")
_LEAST_NORMAL = 2.0**-126


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCounts:
    """What was counted. ``rows`` and ``buckets`` are ``None`` for a stream without rows; ``buckets`` is as an entry stores it.

    ``buckets`` alone is ``None`` where rows were counted and not digested.
    """

    size_bytes: int
    rows: int | None
    bytes_digest: bytes
    buckets: bytes | None = field(repr=False)


class _RowDigest:
    """Sums of keyed hashes by bucket."""

    __slots__ = ("_appends", "_hasher", "_lists", "_sums", "_waiting", "rows")

    def __init__(self, rows_key: bytes) -> None:
        self.rows = 0
        self._hasher = blake3(key=rows_key)
        self._sums = [0] * BUCKETS
        self._lists: list[list[bytes]] = [[] for _ in range(BUCKETS)]
        self._appends = [waiting.append for waiting in self._lists]
        self._waiting = 0

    def add(self, rows: list[bytes]) -> None:
        """Count rows, given without line feed or length."""
        update, digest, reset, appends = self._hasher.update, self._hasher.digest, self._hasher.reset, self._appends
        for row in rows:
            update(row)
            hashed = digest()
            appends[hashed[0]](hashed)
            reset()
        self.rows += len(rows)
        self._waiting += len(rows)
        if self._waiting >= _FLUSH_ROWS:
            self._flush()

    def buckets(self) -> bytes:
        """Return the buckets that are not empty: number and sum."""
        self._flush()
        return encode_buckets(self._sums)

    def _flush(self) -> None:
        from_bytes = int.from_bytes
        sums = self._sums
        for bucket, waiting in enumerate(self._lists):
            sums[bucket] = (sums[bucket] + sum(map(from_bytes, waiting))) % _MODULUS
            waiting.clear()
        self._waiting = 0


class _RowCount:
    """Counts rows and digests none of them."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows = 0

    def add(self, rows: list[bytes]) -> None:
        self.rows += len(rows)

    def buckets(self) -> None:
        return None


class _Lines:
    """Rows that end with a line feed and hold no other."""

    def __init__(self, digest: _RowDigest | _RowCount, canonical: Callable[[bytes], bytes] | None) -> None:
        self._digest = digest
        self._canonical = canonical
        self._tail: list[bytes] = []

    def feed(self, piece: Bytes) -> None:
        rows = bytes(piece).split(b"\n")
        last = rows.pop()
        if rows:
            if self._tail:
                self._tail.append(rows[0])
                rows[0] = b"".join(self._tail)
                self._tail.clear()
            if self._canonical is not None:
                rows = list(map(self._canonical, rows))
            self._digest.add(rows)
        if last:
            self._tail.append(last)

    def finish(self) -> None:
        require_last_row_whole(ROW_FORMAT_LINES, sum(map(len, self._tail)))


class _Prefixed:
    """Rows that follow their length, u32 big-endian."""

    def __init__(self, digest: _RowDigest | _RowCount) -> None:
        self._digest = digest
        self._tail = bytearray()
        self._needed = 4  # until so much is there no row is complete: a long row is not looked at again and again

    def feed(self, piece: Bytes) -> None:
        self._tail += piece
        if len(self._tail) < self._needed:
            return
        content = bytes(self._tail)
        rows = []
        position, size, end = 0, len(content), 4
        while position + 4 <= size:
            end = position + 4 + int.from_bytes(content[position : position + 4], "big")
            if end > size:
                break
            rows.append(content[position + 4 : end])
            position = end
        self._digest.add(rows)
        self._needed = max(4, end - position)
        del self._tail[:position]

    def finish(self) -> None:
        require_last_row_whole(ROW_FORMAT_PREFIXED, len(self._tail))


def require_last_row_whole(row_format: int, left_bytes: int) -> None:
    """Raise ``CaptureFailed`` when bytes of a row are left at the end of a stream."""
    if not left_bytes:
        return
    if row_format == ROW_FORMAT_LINES:
        expected, found = "a line feed at the end of the stream", f"{left_bytes} bytes after the last one"
    else:
        expected, found = "a whole row", f"{left_bytes} bytes of one"
    raise CaptureFailed("the last row is cut short", expected=expected, found=found)


class RowDigester(Protocol):
    """Counts and digests the rows of one stream, here or in another process."""

    def feed(self, piece: Bytes) -> None:
        """Take the next bytes; ``piece`` may change afterwards."""
        ...

    def finish(self) -> tuple[int, bytes | None]:
        """Return the rows and their buckets; raise ``CaptureFailed`` when the stream ends inside a row."""
        ...


class RowsHere:
    """A ``RowDigester`` that works in the calling thread."""

    def __init__(self, row_format: int, canonical_columns: Mapping[int, str], rows_key: bytes | None) -> None:
        """``canonical_columns`` maps column positions to ``float4`` or ``float8``; it is used for lines only.

        Without a ``rows_key`` rows are counted and not digested.
        """
        self._digest = _RowCount() if rows_key is None else _RowDigest(rows_key)
        self._rows: _Lines | _Prefixed
        if row_format == ROW_FORMAT_LINES:
            is_digested = bool(canonical_columns) and rows_key is not None
            self._rows = _Lines(self._digest, canonical_row(canonical_columns) if is_digested else None)
        elif row_format == ROW_FORMAT_PREFIXED:
            self._rows = _Prefixed(self._digest)
        else:
            raise Bug(f"row format {row_format}")

    def feed(self, piece: Bytes) -> None:
        """See ``RowDigester``."""
        self._rows.feed(piece)

    def finish(self) -> tuple[int, bytes | None]:
        """See ``RowDigester``."""
        self._rows.finish()
        return self._digest.rows, self._digest.buckets()


class StreamDigest:
    """Counts one stream, fed in pieces of any size."""

    def __init__(
        self,
        row_format: int,
        canonical_columns: Mapping[int, str],
        rows_key: bytes | None,
        rows: RowDigester | None = None,
    ) -> None:
        """``rows`` digests the rows where it likes; else they are digested here, see ``RowsHere``."""
        self._size = 0
        self._bytes = blake3()
        if rows is None and row_format != ROW_FORMAT_NONE:
            rows = RowsHere(row_format, canonical_columns, rows_key)
        self._rows = rows

    def feed(self, piece: Bytes) -> None:
        """Take the next bytes; ``piece`` may change afterwards."""
        self._size += len(piece)
        self._bytes.update(piece)
        if self._rows is not None:
            self._rows.feed(piece)

    def finish(self) -> StreamCounts:
        """Return what was counted; raise ``CaptureFailed`` when the stream ends inside a row."""
        rows, buckets = (None, None) if self._rows is None else self._rows.finish()
        return StreamCounts(size_bytes=self._size, rows=rows, bytes_digest=self._bytes.digest(), buckets=buckets)


@dataclass(frozen=True, slots=True)
class RowSet:
    """Rows counted over several streams: a table that was captured in parts equals the table captured whole."""

    rows: int
    buckets: bytes

    @classmethod
    def merge(cls, counts: Iterable[StreamCounts]) -> Self:
        """Return what the streams hold together; those without rows are left out."""
        counted = [(one.rows, one.buckets) for one in counts if one.rows is not None and one.buckets is not None]
        sums = reduce(_added, (decode_buckets(buckets) for _, buckets in counted), [0] * BUCKETS)
        return cls(sum(rows for rows, _ in counted), encode_buckets(sums))


def merge(counts: Iterable[StreamCounts]) -> RowSet:
    """Return rows and row digest of a table from those of its parts."""
    return RowSet.merge(counts)


def encode_buckets(sums: list[int]) -> bytes:
    """Return number and sum of every bucket that is not empty."""
    return b"".join(bytes((number,)) + one.to_bytes(_SUM_BYTES, "big") for number, one in enumerate(sums) if one)


def decode_buckets(buckets: bytes) -> list[int]:
    """Return the 256 sums of a row digest that an ``Entry`` has checked."""
    sums = [0] * BUCKETS
    for start in range(0, len(buckets), 1 + _SUM_BYTES):
        sums[buckets[start]] = int.from_bytes(buckets[start + 1 : start + 1 + _SUM_BYTES], "big")
    return sums


def canonical_row(columns: Mapping[int, str]) -> Callable[[bytes], bytes]:
    """Return a function that rewrites the float columns of a tab-separated row in canonical form."""
    steps = [(column, canonical_float4 if kind == "float4" else canonical_float8) for column, kind in columns.items()]

    def rewrite(row: bytes) -> bytes:
        values = row.split(b"\t")
        for column, canonical in steps:
            if column < len(values):
                values[column] = canonical(values[column])
        return b"\t".join(values)

    return rewrite


def canonical_float8(text: bytes) -> bytes:
    """Return the shortest decimal that round-trips, as Python's ``repr`` has it; what is no finite number stays as it is."""
    try:
        return _shortest(repr(float(text)), text)
    except ValueError:
        return text


def canonical_float4(text: bytes) -> bytes:
    """Return the shortest decimal that gives the same 4-byte float; what is no finite number stays as it is."""
    try:
        value = _FLOAT4.unpack(_FLOAT4.pack(float(text)))[0]
    except (ValueError, OverflowError):
        return text
    # Every decimal of up to 6 digits survives a normal 4-byte float; only subnormal ones may have a shorter form.
    for digits in range(6 if abs(value) >= _LEAST_NORMAL or value == 0 else 1, 10):
        shortest = repr(float(f"{value:.{digits}g}"))
        if _FLOAT4.unpack(_FLOAT4.pack(float(shortest)))[0] == value:
            return _shortest(shortest, text)
    return text


def _shortest(shortest: str, text: bytes) -> bytes:
    return text if "n" in shortest else shortest.encode()  # inf and nan are spelled alike by every server


def _added(left: list[int], right: list[int]) -> list[int]:
    return [(one + other) % _MODULUS for one, other in zip(left, right, strict=True)]

"""The rows of a stream one by one, each with its keyed hash: to find which rows of a bucket differ (FORMAT 9)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from blake3 import blake3

from drorch.errors import ObjectCorrupt
from drorch.format.digests import BUCKETS, canonical_row, decode_buckets
from drorch.format.entries import ROW_FORMAT_LINES, ROW_FORMAT_PREFIXED
from drorch.format.fields import Bytes


def differing_buckets(one: bytes, other: bytes) -> tuple[int, ...]:
    """Return the numbers of the buckets in which two row digests differ."""
    left, right = decode_buckets(one), decode_buckets(other)
    return tuple(number for number in range(BUCKETS) if left[number] != right[number])


def rows_of(pieces: Iterable[Bytes], row_format: int) -> Iterator[list[bytes]]:
    """Yield the rows of a stream in batches, without line feed or length; raise ``ObjectCorrupt`` when it ends inside one."""
    held = bytearray()
    take = {ROW_FORMAT_LINES: _lines, ROW_FORMAT_PREFIXED: _prefixed}[row_format]
    for piece in pieces:
        held += piece
        rows, used = take(bytes(held))
        del held[:used]
        if rows:
            yield rows
    if held:
        raise ObjectCorrupt("a table's stream ends inside a row", expected="whole rows", found=f"{len(held)} bytes")


def hashed_rows(
    pieces: Iterable[Bytes],
    row_format: int,
    canonical_columns: Mapping[int, str],
    rows_key: bytes,
    buckets: Collection[int] = range(BUCKETS),
) -> Iterator[tuple[bytes, bytes]]:
    """Yield (hash, row) of every row whose hash lies in one of ``buckets``; the row as it is in the stream."""
    canonical = canonical_row(canonical_columns) if canonical_columns and row_format == ROW_FORMAT_LINES else bytes
    hasher = blake3(key=rows_key)
    wanted = frozenset(buckets)
    for rows in rows_of(pieces, row_format):
        for row in rows:
            hasher.update(canonical(row))
            hashed = hasher.digest()
            hasher.reset()
            if hashed[0] in wanted:
                yield hashed, row


def _lines(content: bytes) -> tuple[list[bytes], int]:
    end = content.rfind(b"\n") + 1
    return (content[: end - 1].split(b"\n"), end) if end else ([], 0)


def _prefixed(content: bytes) -> tuple[list[bytes], int]:
    rows, position, size = [], 0, len(content)
    while position + 4 <= size:
        end = position + 4 + int.from_bytes(content[position : position + 4], "big")
        if end > size:
            break
        rows.append(content[position + 4 : end])
        position = end
    return rows, position

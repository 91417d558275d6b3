"""Entries (FORMAT 9): the names of a snapshot's streams and what was counted of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

from drorch.errors import Bug, ObjectCorrupt
from drorch.format.fields import Bytes, Fields, encode_fields, u8, u16, u32, u64
from drorch.format.json_text import decode_json, encode_json
from drorch.format.tree import STREAM_LIMIT_BYTES, Reference
from drorch.quantities import counted

# The numbers of ``sources.interface``, which this layer does not import; a test compares them.
KINDS = range(1, 6)
DEFINING_KINDS = frozenset({1, 4})  # schema and roles: without them rows are hard to use, so writers store them twice
ROW_FORMAT_NONE = 0
ROW_FORMAT_LINES = 1
ROW_FORMAT_PREFIXED = 2
ROW_FORMATS = range(3)

NAME_LIMIT_BYTES = 64 * 2**10
ENTRY_LIMIT_BYTES = 16 * 2**20
CONTAINED_LIMIT_BYTES = 64 * 2**10
_COLUMN = struct.Struct(">HB")
_FLOATS = {4: "float4", 8: "float8"}
_FLOAT_SIZES = {name: size for size, name in _FLOATS.items()}
_BUCKET_BYTES = 33


@dataclass(frozen=True, slots=True)
class Contained:
    """Where a small stream lies: which container stream, and from which byte of it."""

    container: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One stream. A stream that is not empty has a ``tree`` of its own or is ``contained``; never both.

    ``canonical_columns`` maps column positions to ``float4`` or ``float8``; ``buckets`` is the row digest as it is stored.
    ``encode`` refuses what contradicts itself, so that an entry may be made before its place is known (``replace``).
    """

    name: str
    kind: int
    size_bytes: int
    bytes_digest: bytes
    tree: Reference | None = None
    contained: Contained | None = None
    row_format: int = ROW_FORMAT_NONE
    rows: int | None = None
    buckets: bytes | None = None
    canonical_columns: Mapping[int, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the entry with its length in front."""
        problem = self._contradiction()
        if problem:
            raise Bug(problem)
        columns = b"".join(
            _COLUMN.pack(column, _FLOAT_SIZES[kind]) for column, kind in sorted(self.canonical_columns.items())
        )
        found: list[tuple[int, Bytes | None]] = [
            (1, self.name.encode()),
            (2, u8(self.kind)),
            (3, u64(self.size_bytes)),
            (4, None if self.tree is None else self.tree.encode()),
            (5, None if self.contained is None else u16(self.contained.container) + u64(self.contained.offset)),
            (6, self.bytes_digest),
            (7, u8(self.row_format)),
            (8, None if self.rows is None else u64(self.rows)),
            (9, self.buckets),
            (10, columns or None),
            (11, encode_json(self.attributes)),
        ]
        raw = encode_fields([(number, value) for number, value in found if value is not None], optional=(8, 9, 10))
        if len(raw) > ENTRY_LIMIT_BYTES:
            raise Bug(f"an entry of {len(raw)} bytes")
        return u32(len(raw)) + raw

    @classmethod
    def decode(cls, raw: Bytes) -> Self:
        """Return the entry that ``raw`` (without its length) holds; raise ``ObjectCorrupt`` or ``FormatUnsupported``."""
        fields = Fields.parse(raw, what="an entry", known=range(1, 12))
        tree = fields.maybe(4)
        entry = cls(
            name=fields.text(1),
            kind=fields.number(2, 1),
            size_bytes=fields.number(3, 8),
            bytes_digest=fields.exactly(6, 32),
            tree=None if tree is None else Reference.decode(tree),
            contained=None if fields.maybe(5) is None else _contained(fields.exactly(5, 10)),
            row_format=fields.number(7, 1),
            rows=None if fields.maybe(8) is None else fields.number(8, 8),
            buckets=fields.maybe(9),
            canonical_columns=_columns(fields.maybe(10) or b""),
            attributes=decode_json(fields.one(11), "an entry's attributes"),
        )
        problem = entry._contradiction()
        if problem:
            raise ObjectCorrupt("an entry contradicts itself", found=problem)
        return entry

    def _contradiction(self) -> str:
        places = (self.tree is not None) + (self.contained is not None)
        if not 0 < len(self.name.encode()) <= NAME_LIMIT_BYTES:
            return "a stream's name is empty or longer than 64 KiB"
        if self.kind not in KINDS or self.row_format not in ROW_FORMATS or len(self.bytes_digest) != 32:
            return f"kind {self.kind}, row format {self.row_format}, a digest of {len(self.bytes_digest)} bytes"
        if places != (self.size_bytes > 0) or self.size_bytes > STREAM_LIMIT_BYTES:
            return f"a stream of {self.size_bytes} bytes in {counted(places, 'place')}"
        if self.tree is not None and self.tree.plain_bytes != self.size_bytes:
            return f"a stream of {self.size_bytes} bytes in a tree of {self.tree.plain_bytes}"
        if self.contained is not None and self.size_bytes >= CONTAINED_LIMIT_BYTES:
            return f"a stream of {self.size_bytes} bytes in a container"
        if self.buckets is not None and not _are_buckets(self.buckets):
            return "a row digest that is none"
        if any(kind not in _FLOAT_SIZES for kind in self.canonical_columns.values()):
            return "a canonical column that is no float"
        return ""


def parse_entries(pieces: Iterable[Bytes]) -> Iterator[Entry]:
    """Yield the entries of an entries stream that comes in pieces of any size; raise ``ObjectCorrupt``."""
    pending = bytearray()
    for piece in pieces:
        pending += piece
        position = 0
        while (end := _entry_end(pending, position)) <= len(pending):
            yield Entry.decode(bytes(pending[position + 4 : end]))
            position = end
        del pending[:position]
    if pending:
        raise ObjectCorrupt(
            "the entries stream is cut short", expected="whole entries", found=f"{len(pending)} bytes over"
        )


def _entry_end(pending: bytearray, position: int) -> int:
    """Return where the entry ends, beyond what is pending if even its length is not all there."""
    if position + 4 > len(pending):
        return len(pending) + 1
    length = int.from_bytes(pending[position : position + 4], "big")
    if length > ENTRY_LIMIT_BYTES:
        raise ObjectCorrupt("the entries stream is damaged", expected="entries of at most 16 MiB", found=f"{length}")
    return position + 4 + length


def _contained(raw: bytes) -> Contained:
    return Contained(int.from_bytes(raw[:2], "big"), int.from_bytes(raw[2:], "big"))


def _columns(raw: bytes) -> Mapping[int, str]:
    if len(raw) % _COLUMN.size:
        raise ObjectCorrupt("an entry is damaged", expected="3 bytes for each canonical column", found=f"{len(raw)}")
    return {column: _FLOATS.get(size, "") for column, size in _COLUMN.iter_unpack(raw)}


def _are_buckets(raw: bytes) -> bool:
    numbers = raw[::_BUCKET_BYTES]
    return len(raw) % _BUCKET_BYTES == 0 and all(a < b for a, b in pairwise(numbers))

"""Index segments (FORMAT 10): what a run has stored, for the writer itself. Nothing is lost with them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

from drorch.errors import Bug, ObjectCorrupt, SignatureInvalid
from drorch.format.fields import Bytes, Fields, encode_fields, u32
from drorch.format.objects import ObjectType, frame, unframe
from drorch.format.record import RecordContext
from drorch.format.sealed import open_body, seal_body
from drorch.format.tree import Place, decode_twin, encode_twin
from drorch.ids import ChunkId, Digest, LaneId, RepositoryId, RunId
from drorch.quantities import counted

SEGMENT_LIMIT_BYTES = 64 * 2**20
_INFO = b"drorch/1 index segment"
_PACK = struct.Struct(">I32sI")
_ENTRY = struct.Struct(">32sBI12s12s")
_BASE = struct.Struct(">I32s")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPack:
    """A pack that was stored."""

    ordinal: int
    digest: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A chunk or node that was stored, and where; ``base`` is the chunk that its record is a delta against."""

    chunk_id: ChunkId
    kind: int
    plain_length: int
    place: Place
    twin: Place | None = None
    base: ChunkId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSegment:
    """Segment ``number`` of the index of one run."""

    context: RecordContext
    number: int
    packs: tuple[IndexPack, ...]
    entries: tuple[IndexEntry, ...]

    def seal(self, index_key: bytes, salt: bytes) -> bytes:
        """Return the object ``x/<run>-<n>``; ``salt`` is 32 fresh random bytes."""
        parts = [u32(len(self.packs))]
        parts += [_PACK.pack(pack.ordinal, pack.digest.raw, pack.size_bytes) for pack in self.packs]
        parts.append(u32(len(self.entries)))
        parts += [
            _ENTRY.pack(
                entry.chunk_id.raw, entry.kind, entry.plain_length, entry.place.encode(), encode_twin(entry.twin)
            )
            for entry in self.entries
        ]
        bases = [(number, entry.base) for number, entry in enumerate(self.entries) if entry.base is not None]
        parts.append(u32(len(bases)))
        parts += [_BASE.pack(number, base.raw) for number, base in bases]
        plain = b"".join(parts)
        if len(plain) > SEGMENT_LIMIT_BYTES:
            raise Bug(f"an index segment of {len(plain)} bytes")
        header = encode_fields(
            [
                (1, self.context.repository.raw),
                (2, self.context.lane.raw),
                (3, self.context.run.raw),
                (4, u32(self.number)),
            ]
        )
        body = seal_body(index_key, _INFO, salt, _associated(self.context, self.number), plain)
        return frame(ObjectType.INDEX_SEGMENT, body, header)

    @classmethod
    def open(cls, index_key: bytes, raw: Bytes, *, context: RecordContext, number: int) -> Self:
        """Return segment ``number`` of the run that ``context`` names; raise ``ObjectCorrupt`` or ``FormatUnsupported``."""
        unframed = unframe(raw, ObjectType.INDEX_SEGMENT)
        fields = Fields.parse(unframed.header, what="an index segment", known=range(1, 5))
        found = RecordContext(
            RepositoryId(fields.exactly(1, 16)), LaneId(fields.exactly(2, 16)), RunId(fields.exactly(3, 16))
        )
        if (found, fields.number(4, 4)) != (context, number):
            raise SignatureInvalid(
                "an index segment belongs elsewhere", expected=f"{context.run}-{number}", found=f"{found.run}"
            )
        plain = open_body(
            index_key,
            _INFO,
            unframed.body,
            _associated(context, number),
            what="an index segment",
            limit=SEGMENT_LIMIT_BYTES,
        )
        packs, entries = _decode(memoryview(plain))
        return cls(context=context, number=number, packs=packs, entries=entries)


def _associated(context: RecordContext, number: int) -> bytes:
    return context.associated(b"DRORCH index 1") + u32(number)


def _decode(plain: memoryview) -> tuple[tuple[IndexPack, ...], tuple[IndexEntry, ...]]:
    pack_rows, entries_at = _table(plain, 0, _PACK)
    entry_rows, bases_at = _table(plain, entries_at, _ENTRY)
    base_rows, end = _table(plain, bases_at, _BASE)
    if end != len(plain):
        raise ObjectCorrupt("an index segment is damaged", expected=f"{end} bytes", found=f"{len(plain)}")
    packs = tuple(
        IndexPack(ordinal=row[0], digest=Digest(row[1]), size_bytes=row[2]) for row in _PACK.iter_unpack(pack_rows)
    )
    bases = {number: ChunkId(base) for number, base in _BASE.iter_unpack(base_rows)}
    entries = tuple(
        IndexEntry(ChunkId(chunk), kind, length, Place.decode(place), decode_twin(twin), bases.get(number))
        for number, (chunk, kind, length, place, twin) in enumerate(_ENTRY.iter_unpack(entry_rows))
    )
    return packs, entries


def _table(plain: memoryview, position: int, row: struct.Struct) -> tuple[memoryview, int]:
    count = int.from_bytes(plain[position : position + 4], "big")
    end = position + 4 + count * row.size
    if position + 4 > len(plain) or end > len(plain):
        raise ObjectCorrupt("an index segment is damaged", expected=counted(count, "row"), found=f"{len(plain)} bytes")
    return plain[position + 4 : end], end

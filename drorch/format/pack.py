"""Packs: many records in one object (FORMAT 6), and the signed list of a run's packs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from drorch.errors import Bug, ObjectCorrupt
from drorch.format import names
from drorch.format.fields import Bytes, Fields, encode_fields, u8, u32
from drorch.format.objects import FRAME_BYTES, OBJECT_LIMIT_BYTES, ObjectType, frame_head, unframe
from drorch.format.record import LENGTH_BYTES, OVERHEAD_BYTES, RECORD_LIMIT_BYTES
from drorch.format.signing import SigningKey, SigningPublic, sign_object, verify_object
from drorch.ids import Digest, KeyId, LaneId, RepositoryId, RunId

MOST_RECORDS = 65_535
_HEADER_FIELDS = range(1, 6)
_LISTED_BYTES = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class PackHeader:
    """What stands in front of every pack: with it and one private key a heap of packs can be decoded."""

    repository: RepositoryId
    lane: LaneId
    run: RunId
    run_record: bytes
    copy: int = 0

    def encode(self) -> bytes:
        """Return the header's fields."""
        values = (self.repository.raw, self.lane.raw, self.run.raw, self.run_record, u8(self.copy))
        return encode_fields(enumerate(values, start=1))

    @classmethod
    def decode(cls, raw: Bytes) -> Self:
        """Return the header; raise ``ObjectCorrupt``. It is not authenticated but by what its records open with."""
        fields = Fields.parse(raw, what="a pack's header", known=_HEADER_FIELDS)
        return cls(
            repository=RepositoryId(fields.exactly(1, 16)),
            lane=LaneId(fields.exactly(2, 16)),
            run=RunId(fields.exactly(3, 16)),
            run_record=fields.one(4),
            copy=fields.number(5, 1),
        )


class PackBuilder:
    """Fills one pack. ``size`` and ``count`` say when it is full; records are copied once."""

    __slots__ = ("_content", "count")

    def __init__(self, repository: RepositoryId, lane: LaneId, run: RunId, run_record: bytes, copy: int = 0) -> None:
        """Begin a pack of ``run``; ``copy`` is 1 for the second copy of tree nodes."""
        header = PackHeader(repository=repository, lane=lane, run=run, run_record=run_record, copy=copy)
        self._content = bytearray(frame_head(ObjectType.PACK, header.encode()))
        self.count = 0

    @property
    def size(self) -> int:
        """The bytes so far, padding not included."""
        return len(self._content)

    def add(self, record: Bytes) -> int:
        """Append a sealed record, length field included; return its offset from the pack's first byte."""
        offset = len(self._content)
        if self.count >= MOST_RECORDS or offset + len(record) > OBJECT_LIMIT_BYTES:
            raise Bug("a record for a pack that is full")
        self._content += record
        self.count += 1
        return offset

    def finish(self, padding: Callable[[int], Bytes] | None = None) -> bytearray:
        """Return the pack, filled up by ``padding(content length)`` so that its size tells less (``padded_size``)."""
        missing = self._missing() if padding and self.count < MOST_RECORDS else 0
        if padding and missing:
            self.add(padding(missing - OVERHEAD_BYTES))
        return self._content

    def _missing(self) -> int:
        """Return how long a padding record must be, 0 for none: a gap that is too short for one grows to the next step."""
        size = len(self._content)
        target = padded_size(size)
        while 0 < target - size < OVERHEAD_BYTES:
            target = padded_size(target + 1)
        return 0 if target > OBJECT_LIMIT_BYTES else target - size


def padded_size(size: int) -> int:
    """Return the next size that only shows the order of magnitude: at most 12 % more (Padmé, of the PURBs paper)."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    hidden_bits = exponent - exponent.bit_length()
    mask = (1 << max(0, hidden_bits)) - 1
    return (size + mask) & ~mask


def pack_header_length(front: Bytes) -> int:
    """Return where the first record begins, from a pack's first 13 bytes; raise ``ObjectCorrupt``."""
    if len(front) < FRAME_BYTES:
        raise ObjectCorrupt("a pack is damaged", expected=f"{FRAME_BYTES} bytes", found=f"{len(front)}")
    length = FRAME_BYTES + int.from_bytes(memoryview(front)[9:FRAME_BYTES], "big")
    if length > OBJECT_LIMIT_BYTES:
        raise ObjectCorrupt("a pack is damaged", expected="a header that fits", found=f"one of {length} bytes")
    return length


def parse_pack(raw: Bytes) -> tuple[PackHeader, Iterator[tuple[int, int]]]:
    """Return the header and, one by one, (offset, length) of the records, length fields included.

    The iterator raises ``ObjectCorrupt`` unless the records fill the pack to its last byte.
    """
    unframed = unframe(raw, ObjectType.PACK)
    return PackHeader.decode(unframed.header), _records(unframed.body, len(raw) - len(unframed.body))


def _records(body: memoryview, body_at: int) -> Iterator[tuple[int, int]]:
    position = count = 0
    while position < len(body):
        length = LENGTH_BYTES + int.from_bytes(body[position : position + LENGTH_BYTES], "big")
        whole = OVERHEAD_BYTES <= length <= RECORD_LIMIT_BYTES + LENGTH_BYTES and position + length <= len(body)
        if not whole or count == MOST_RECORDS:
            raise ObjectCorrupt(
                "a pack is damaged", expected="records that fill it", found=f"{length} bytes at {body_at + position}"
            )
        yield body_at + position, length
        position += length
        count += 1


@dataclass(frozen=True, slots=True)
class ListedPack:
    """One pack of a run; its place in the list is its ordinal."""

    digest: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackList:
    """A run's packs in the order of their ordinals (type 5). ``digest`` is that of the object it was read from."""

    run: RunId
    packs: tuple[ListedPack, ...]
    digest: Digest | None = None
    signers: frozenset[KeyId] = frozenset()

    def sign(self, *, repository: RepositoryId, lane: LaneId, made_at: datetime, key: SigningKey) -> bytes:
        """Return the object ``q/<run>``."""
        if not self.packs:
            raise Bug("a pack list of a run without packs")
        return sign_object(
            ObjectType.PACK_LIST,
            [(16, self.run.raw), (17, b"".join(pack.digest.raw + u32(pack.size_bytes) for pack in self.packs))],
            name=names.pack_list(lane, self.run),
            repository=repository,
            lane=lane,
            made_at=made_at,
            keys=(key,),
        )

    @classmethod
    def verify(
        cls,
        raw: Bytes,
        *,
        repository: RepositoryId,
        lane: LaneId,
        run: RunId,
        allowed: Mapping[KeyId, SigningPublic],
    ) -> Self:
        """Return the pack list of ``run``; raise ``ObjectCorrupt``, ``SignatureInvalid`` or ``FormatUnsupported``."""
        verified = verify_object(
            raw,
            expected_type=ObjectType.PACK_LIST,
            name=names.pack_list(lane, run),
            repository=repository,
            lane=lane,
            allowed=allowed,
        )
        fields = verified.fields("a pack list", (16, 17))
        if fields.exactly(16, 16) != run.raw:
            raise ObjectCorrupt("a pack list names another run", expected=str(run), found=fields.one(16).hex())
        return cls(run=run, packs=tuple(_listed(fields.one(17))), digest=verified.digest, signers=verified.signers)


def _listed(raw: bytes) -> Iterable[ListedPack]:
    if not raw or len(raw) % _LISTED_BYTES:
        raise ObjectCorrupt("a pack list is damaged", expected="36 bytes for each pack", found=f"{len(raw)} bytes")
    for start in range(0, len(raw), _LISTED_BYTES):
        size = int.from_bytes(raw[start + 32 : start + _LISTED_BYTES], "big")
        if size > OBJECT_LIMIT_BYTES:
            raise ObjectCorrupt("a pack list is damaged", expected="packs of at most 64 MiB", found=f"{size} bytes")
        yield ListedPack(Digest(raw[start : start + 32]), size)

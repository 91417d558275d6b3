"""Retire and damage lists (FORMAT 8, types 9 and 10): packs that will be deleted, packs that must not be relied on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drorch.errors import ObjectCorrupt
from drorch.format import names
from drorch.format.fields import Bytes, Fields
from drorch.format.objects import ObjectType
from drorch.format.signing import SigningPublic, verify_object
from drorch.ids import KeyId, LaneId, RepositoryId, RunId

_NAMES = {ObjectType.RETIRE_LIST: names.retire_list, ObjectType.DAMAGE_LIST: names.damage_list}


def read_pack_sets(
    raw: Bytes,
    object_type: ObjectType,
    *,
    repository: RepositoryId,
    lane: LaneId,
    number: int,
    allowed: Mapping[KeyId, SigningPublic],
) -> dict[RunId, bytes]:
    """Return what such a list names; raise ``ObjectCorrupt``, ``SignatureInvalid`` or ``FormatUnsupported``."""
    verified = verify_object(
        raw,
        expected_type=object_type,
        name=_NAMES[object_type](lane, number),
        repository=repository,
        lane=lane,
        allowed=allowed,
    )
    fields = verified.fields(f"a {object_type.title}", (16, 17), repeated=(17,))
    if fields.number(16, 4) != number:
        raise ObjectCorrupt(
            f"a {object_type.title} has another number", expected=str(number), found=str(fields.number(16, 4))
        )
    found: dict[RunId, bytes] = {}
    for raw_set in fields.many(17):
        one = Fields.parse(raw_set, what="a set of packs", known=(1, 2))
        run = RunId(one.exactly(1, 16))
        found[run] = united(found.get(run, b""), one.one(2))
    return found


def united(first: bytes, second: bytes) -> bytes:
    """Return the bitmap of what is in either bitmap."""
    size = max(len(first), len(second))
    both = int.from_bytes(first.ljust(size, b"\0"), "big") | int.from_bytes(second.ljust(size, b"\0"), "big")
    return both.to_bytes(size, "big")


def overlap(first: Mapping[RunId, bytes], second: Mapping[RunId, bytes]) -> bool:
    """Say whether any pack is in both."""
    return any(common(first[run], second[run]) for run in first.keys() & second.keys())


def common(first: bytes, second: bytes) -> bytes:
    """Return the bitmap of what is in both bitmaps; empty when nothing is."""
    size = max(len(first), len(second))
    both = int.from_bytes(first.ljust(size, b"\0"), "big") & int.from_bytes(second.ljust(size, b"\0"), "big")
    return both.to_bytes(size, "big") if both else b""


def without(first: bytes, second: bytes) -> bytes:
    """Return the bitmap of what is in the first and not in the second."""
    size = max(len(first), len(second))
    rest = int.from_bytes(first.ljust(size, b"\0"), "big") & ~int.from_bytes(second.ljust(size, b"\0"), "big")
    return rest.to_bytes(size, "big")


def within(bitmap: bytes, count: int) -> bytes:
    """Return the bitmap of those among the first ``count`` packs: a forged list, or manifest, may name half a billion."""
    cut = bytearray(bitmap[: (count + 7) // 8])
    if count % 8 and len(cut) > count // 8:
        cut[-1] &= 0xFF00 >> count % 8 & 0xFF
    return bytes(cut)


def reaches_beyond(bitmap: bytes, count: int) -> bool:
    """Say whether it names a pack behind the first ``count``."""
    return counted(bitmap) > counted(within(bitmap, count))


def counted(bitmap: bytes) -> int:
    """Return how many packs it names."""
    return int.from_bytes(bitmap, "big").bit_count()


def ordinals(bitmap: bytes) -> Sequence[int]:
    """Return the ordinals that a bitmap names, ascending."""
    return [place * 8 + bit for place, byte in enumerate(bitmap) if byte for bit in range(8) if byte & 0x80 >> bit]

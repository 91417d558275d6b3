"""The frame of every object (FORMAT 3): magic, type, version, header, body."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum

from drorch.errors import FormatUnsupported, ObjectCorrupt
from drorch.format.fields import Bytes, u8, u32
from drorch.ids import Digest

MAGIC = b"DRORCH"
MAJOR = 1
MINOR = 0
FRAME_BYTES = 13
OBJECT_LIMIT_BYTES = 64 * 2**20


class ObjectType(IntEnum):
    """What an object is; the numbers are in the format and never change."""

    TRUST = 1
    KEY_BUNDLE = 2
    RUN_RECORD = 3
    PACK = 4
    PACK_LIST = 5
    INDEX_SEGMENT = 6
    MANIFEST = 7
    COMMIT = 8
    RETIRE_LIST = 9
    DAMAGE_LIST = 10
    LEDGER_SEGMENT = 11
    COURIER_LIST = 12

    @property
    def title(self) -> str:
        """The name for messages: ``run record``."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Unframed:
    """The parts of an object. ``body`` is a view into the object, not a copy."""

    header: bytes
    body: memoryview
    minor: int


def frame_head(object_type: ObjectType, header: bytes = b"") -> bytes:
    """Return everything of an object that stands in front of its body."""
    return b"".join((MAGIC, u8(object_type), u8(MAJOR), u8(MINOR), u32(len(header)), header))


def frame(object_type: ObjectType, body: Bytes, header: bytes = b"") -> bytes:
    """Return the object of that type with that header and body."""
    return b"".join((frame_head(object_type, header), body))


def unframe(raw: Bytes, expected: ObjectType) -> Unframed:
    """Take an object apart; raise ``ObjectCorrupt`` or ``FormatUnsupported``. Nothing of it is authenticated yet."""
    view = memoryview(raw)
    if len(view) < FRAME_BYTES or view[:6] != MAGIC:
        raise ObjectCorrupt(f"not a {expected.title}", expected="an object of drorch", found=f"{len(view)} other bytes")
    found_type, major, minor = view[6], view[7], view[8]
    if major != MAJOR:
        raise FormatUnsupported(
            f"a {expected.title} of another format",
            expected=f"format {MAJOR}",
            found=f"format {major}",
            hint="use a drorch that knows this format" if major > MAJOR else "",
        )
    if found_type != expected:
        raise ObjectCorrupt(f"not a {expected.title}", expected=f"type {int(expected)}", found=f"type {found_type}")
    body_at = FRAME_BYTES + int.from_bytes(view[9:FRAME_BYTES], "big")
    if body_at > len(view) or len(view) > OBJECT_LIMIT_BYTES:
        raise ObjectCorrupt(
            f"a {expected.title} is damaged", expected="a header that fits in 64 MiB", found=f"{len(view)} bytes"
        )
    return Unframed(header=bytes(view[FRAME_BYTES:body_at]), body=view[body_at:], minor=minor)


def digest_of(raw: Bytes) -> Digest:
    """Return the SHA-256 of a whole object: what its name or its successor says of it."""
    return Digest(hashlib.sha256(raw).digest())

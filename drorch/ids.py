"""Identifiers: frozen, typed, with one text form.

Raw bytes are what the format stores; the text is lower-case Crockford base 32 without padding for what
people type (runs and snapshots), lower-case hexadecimal for digests, lanes and keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from drorch.errors import UsageInvalid

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
SHORT_LENGTH = 8


@dataclass(frozen=True, slots=True, order=True)
class _HexadecimalId:
    raw: bytes
    size: ClassVar[int] = 16

    def __post_init__(self) -> None:
        if len(self.raw) != self.size:
            raise ValueError(f"{type(self).__name__} takes {self.size} bytes, got {len(self.raw)}")

    def __str__(self) -> str:
        return self.raw.hex()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the id that ``text`` spells in hexadecimal; raise ``UsageInvalid``."""
        try:
            return cls(bytes.fromhex(text))
        except ValueError as error:
            raise UsageInvalid(
                f"not a {cls.__name__}",
                expected=f"{cls.size * 2} hexadecimal digits",
                found=text[:80],
            ) from error


@dataclass(frozen=True, slots=True, order=True)
class RepositoryId(_HexadecimalId):
    """Random; names a repository for ever."""


@dataclass(frozen=True, slots=True, order=True)
class LaneId(_HexadecimalId):
    """One writer's chain of one source; its first six bytes are those of the writer's key id (FORMAT.md)."""


@dataclass(frozen=True, slots=True, order=True)
class KeyId(_HexadecimalId):
    """SHA-256 of a public key."""

    size: ClassVar[int] = 32


@dataclass(frozen=True, slots=True, order=True)
class Digest(_HexadecimalId):
    """SHA-256 of an object."""

    size: ClassVar[int] = 32


@dataclass(frozen=True, slots=True, order=True)
class ChunkId(_HexadecimalId):
    """Keyed BLAKE3 of a chunk's plaintext."""

    size: ClassVar[int] = 32


@dataclass(frozen=True, slots=True, order=True)
class RunId:
    """Random 16 bytes; one attempt to add a snapshot. The snapshot that it commits has the same id."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 16:
            raise ValueError(f"RunId takes 16 bytes, got {len(self.raw)}")

    def __str__(self) -> str:
        number = int.from_bytes(self.raw, "big") << 2  # 128 bits and two zero bits make 26 digits
        return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))

    @property
    def short(self) -> str:
        """The first eight characters, as shown to people."""
        return str(self)[:SHORT_LENGTH]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the id that 26 base-32 characters spell; raise ``UsageInvalid``."""
        number = 0
        for character in text.lower():
            position = _ALPHABET.find(character)
            if position < 0:
                break
            number = number << 5 | position
        else:
            if len(text) == 26 and number & 3 == 0:
                return cls((number >> 2).to_bytes(16, "big"))
        raise UsageInvalid("not a run or snapshot id", expected="26 characters of 0-9 a-z", found=text[:80])


def drill_id(milliseconds: int, noise: bytes) -> str:
    """Return the ULID of a drill that began so many milliseconds after 1970: ids sort by time; ``noise`` are ten random bytes."""
    if len(noise) != 10 or not 0 <= milliseconds < 1 << 48:
        raise ValueError("a ULID takes 48 bits of time and 10 random bytes")
    number = milliseconds << 80 | int.from_bytes(noise, "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)).upper()


def grouped(raw: bytes) -> str:
    """Return ``raw`` as hexadecimal in groups of four, the form printed on key sheets: ``1f0c-77d2-...``."""
    text = raw.hex()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))

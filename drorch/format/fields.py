"""Numbered fields, the grammar of every structure (FORMAT 3): ``u16 number ‖ u32 length ‖ value``.

Fields stand in ascending order of their number; bit 15 marks a field as critical. A reader refuses a critical
field that it does not know and skips any other: a newer writer can add what older readers may ignore.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime
from struct import Struct
from typing import Self, TypeAlias

from drorch.clock import from_milliseconds, to_milliseconds
from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt

Bytes: TypeAlias = bytes | bytearray | memoryview

CRITICAL = 0x8000
_HEAD = Struct(">HI")
_LAST_MILLISECOND = 253_402_300_799_999  # the end of the year 9999, where datetime ends


def u8(number: int) -> bytes:
    """Return ``number`` in one byte."""
    return number.to_bytes(1, "big")


def u16(number: int) -> bytes:
    """Return ``number`` in two bytes."""
    return number.to_bytes(2, "big")


def u32(number: int) -> bytes:
    """Return ``number`` in four bytes."""
    return number.to_bytes(4, "big")


def u64(number: int) -> bytes:
    """Return ``number`` in eight bytes."""
    return number.to_bytes(8, "big")


def time64(moment: datetime) -> bytes:
    """Return an aware time as milliseconds since 1970 in eight bytes."""
    return u64(to_milliseconds(moment))


def encode_fields(fields: Iterable[tuple[int, Bytes]], *, optional: Container[int] = ()) -> bytes:
    """Return the list of ``fields``, given in ascending order; all are critical but those in ``optional``."""
    parts: list[Bytes] = []
    last = 0
    for number, value in fields:
        if not last <= number < CRITICAL:
            raise Bug(f"field {number} is out of order")
        last = number
        parts.append(u16(number if number in optional else number | CRITICAL))
        parts.append(u32(len(value)))
        parts.append(value)
    return b"".join(parts)


class Fields:
    """A checked list of fields. ``what`` names the structure in errors."""

    __slots__ = ("_values", "_what")

    def __init__(self, values: dict[int, list[bytes]], what: str) -> None:
        self._values = values
        self._what = what

    @classmethod
    def parse(cls, raw: Bytes, *, what: str, known: Container[int], repeated: Container[int] = ()) -> Self:
        """Return the fields of ``raw``; raise ``ObjectCorrupt``, or ``FormatUnsupported`` for an unknown critical one."""
        view = memoryview(raw)
        size = len(view)
        values: dict[int, list[bytes]] = {}
        position, last = 0, -1
        while position < size:  # all in one loop: ledgers have a million fields
            value_at = position + _HEAD.size
            if value_at > size:
                raise _corrupt(what, "a whole field", f"{size - position} bytes left")
            head, length = _HEAD.unpack_from(view, position)
            number = head & ~CRITICAL
            position = value_at + length
            if position > size:
                raise _corrupt(what, f"a field that ends within {size} bytes", f"one that ends at {position}")
            if number < last:
                raise _corrupt(what, "fields in ascending order", f"field {number} after {last}")
            last = number
            if number not in known:
                if head & CRITICAL:
                    raise _unknown_field(what, number)
                continue
            found = values.get(number)
            if found is None:
                values[number] = [bytes(view[value_at:position])]
            elif number in repeated:
                found.append(bytes(view[value_at:position]))
            else:
                raise _corrupt(what, f"field {number} once", "twice")
        return cls(values, what)

    def one(self, number: int) -> bytes:
        """Return the field; raise ``ObjectCorrupt`` when it is absent."""
        found = self._values.get(number)
        if not found:
            raise _corrupt(self._what, f"field {number}", "none")
        return found[0]

    def maybe(self, number: int) -> bytes | None:
        """Return the field, or ``None`` when it is absent."""
        found = self._values.get(number)
        return found[0] if found else None

    def many(self, number: int) -> tuple[bytes, ...]:
        """Return every occurrence of a repeated field."""
        return tuple(self._values.get(number, ()))

    def number(self, number: int, width_bytes: int) -> int:
        """Return the field as an integer that is ``width_bytes`` wide."""
        return int.from_bytes(self.exactly(number, width_bytes), "big")

    def exactly(self, number: int, size: int) -> bytes:
        """Return the field, which must have ``size`` bytes."""
        value = self.one(number)
        if len(value) != size:
            raise _corrupt(self._what, f"{size} bytes in field {number}", f"{len(value)}")
        return value

    def text(self, number: int) -> str:
        """Return the field as text."""
        return text_of(self.one(number), f"field {number} of {self._what}")

    def time(self, number: int) -> datetime:
        """Return the field as a time."""
        milliseconds = self.number(number, 8)
        if milliseconds > _LAST_MILLISECOND:
            raise _corrupt(self._what, f"a time before the year 10000 in field {number}", f"{milliseconds} ms")
        return from_milliseconds(milliseconds)


def text_of(raw: Bytes, what: str) -> str:
    """Return ``raw`` decoded from UTF-8; raise ``ObjectCorrupt``."""
    try:
        return bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise _corrupt(what, "UTF-8", "other bytes") from error


def _corrupt(what: str, expected: str, found: str) -> ObjectCorrupt:
    return ObjectCorrupt(f"{what} is damaged", expected=expected, found=found)


def _unknown_field(what: str, number: int) -> FormatUnsupported:
    return FormatUnsupported(
        f"{what} has a critical field that this drorch does not know",
        expected="known fields",
        found=f"field {number}",
        hint="read it with a newer drorch",
    )

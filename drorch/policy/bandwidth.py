"""How much of a line a store may take, and when: ``20 Mbit/s``, ``20 Mbit/s 07:00-18:00``, several with commas. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from drorch.policy.window import Window, WindowInvalid, parse_window

_RATE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(k|M|G)bit/s(?:\s+(\S+))?")
_FACTORS = {"k": 10**3, "M": 10**6, "G": 10**9}
_LEAST_BITS = 8_000  # a pack of 16 MiB takes five hours: less is a mistake


class BandwidthInvalid(ValueError):
    """The text is no bandwidth; the message says why, in one clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """So many bytes a second, in a window of the local day or always."""

    bytes_per_second: int
    window: Window | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """The caps of one store; the first that fits the hour counts, and where none fits there is no limit."""

    caps: tuple[Cap, ...]

    def at(self, moment: datetime, zone: ZoneInfo) -> int | None:
        """Return the bytes a second that may be used at ``moment``; ``None``: as many as the line gives."""
        fitting = (cap for cap in self.caps if cap.window is None or cap.window.contains(moment, zone))
        first = next(fitting, None)
        return None if first is None else first.bytes_per_second


def parse_bandwidth(text: str) -> Bandwidth:
    """Return what ``text`` spells; raise ``BandwidthInvalid``. Rates are in bits, as lines are sold."""
    caps = tuple(_parse_cap(part.strip()) for part in text.split(","))
    always = next((place for place, cap in enumerate(caps) if cap.window is None), len(caps))
    if always < len(caps) - 1:
        raise BandwidthInvalid("what stands behind a rate without hours never counts; put that rate last")
    return Bandwidth(caps=caps)


def _parse_cap(text: str) -> Cap:
    match = _RATE.fullmatch(text)
    if match is None:
        raise BandwidthInvalid('a bandwidth is written `"20 Mbit/s"` or `"20 Mbit/s 07:00-18:00"`')
    bits = round(float(match[1]) * _FACTORS[match[2]])
    if bits < _LEAST_BITS:
        raise BandwidthInvalid("less than 8 kbit/s moves no backup")
    try:
        window = None if match[3] is None else parse_window(match[3])
    except WindowInvalid as error:
        raise BandwidthInvalid(str(error)) from error
    return Cap(bytes_per_second=bits // 8, window=window)

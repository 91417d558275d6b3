"""Sizes, durations and rates: parse what people write, print what people read; refuse ambiguity."""

from __future__ import annotations

import re

from drorch.errors import UsageInvalid

_SIZE_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "PB": 10**15,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_DURATION_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
# No more digits than a number can have that means something: Python has limits of its own, and raises ValueError.
_SIZE = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?)\s*([kKMGTP]?i?B)")
_DURATION = re.compile(r"([0-9]{1,15})([smhdw])")


def parse_size(text: str) -> int:
    """Return the bytes that ``20GB``, ``8GiB`` or ``1.5 MB`` mean; raise ``UsageInvalid``."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2] not in _SIZE_UNITS:
        raise UsageInvalid("not a size", expected="a number and a unit, such as 20GB or 8GiB", found=text[:80])
    return round(float(match[1]) * _SIZE_UNITS[match[2]])


def parse_duration(text: str) -> int:
    """Return the seconds that ``15m``, ``24h``, ``35d``, ``2w`` or ``1h30m`` mean; raise ``UsageInvalid``."""
    stripped = text.strip()
    parts = _DURATION.findall(stripped)
    if not parts or "".join(number + unit for number, unit in parts) != stripped:
        raise UsageInvalid(
            "not a duration", expected="a number and one of s m h d w, such as 15m or 24h", found=text[:80]
        )
    return sum(int(number) * _DURATION_UNITS[unit] for number, unit in parts)


def format_size(size_bytes: float) -> str:
    """Return ``1.24 GB``, ``61 MB``, ``512 B``: three significant digits, decimal units."""
    for unit, factor in (("PB", 10**15), ("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= factor * 0.9995:
            value = size_bytes / factor
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            text = f"{value:.{digits}f}"
            return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"
    return f"{round(size_bytes)} B"


def counted(count: int, noun: str) -> str:
    """Return ``1 pack``, ``1,234 packs``, ``2 entries``, ``2 keys``, ``2 processes``."""
    nouns = (
        f"{noun[:-1]}ies" if noun.endswith(("ry", "py", "ty")) else f"{noun}es" if noun.endswith("ss") else f"{noun}s"
    )
    return f"1 {noun}" if count == 1 else f"{count:,} {nouns}"


def format_duration(seconds: float) -> str:
    """Return ``8.3 s``, ``1:22``, ``1:22:40``, ``3 d 8 h``: what a person compares at a glance."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, rest = divmod(whole, 3_600)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def format_promise(seconds: int) -> str:
    """Return a duration the way a policy writes it: the largest unit that divides it (``24h`` stays hours)."""
    for unit in ("d", "h", "m"):
        size = _DURATION_UNITS[unit]
        if seconds >= size and seconds % size == 0 and not (unit == "d" and seconds == size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def format_span(seconds: float) -> str:
    """Return ``23.1 s``, ``12 min 5 s``, ``2 h 11 min``, ``3 d 8 h``: a duration in words, for reports; ``8 h`` when nothing is left."""
    if seconds < 100:
        return f"{seconds:.1f} s".replace(".0 s", " s") if seconds == round(seconds) else f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, below, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        # Up to two days stay hours: that is how promises are written.
        if whole >= size * (2 if unit == "d" else 1):
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"

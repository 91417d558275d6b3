"""How far this machine's clock is off, as its kernel has it from whoever keeps it (chrony, timesyncd, ntpd)."""

from __future__ import annotations

import ctypes
import math

_UNSYNCHRONISED = 0x0040
_NANOSECONDS = 0x2000
_TIME_ERROR = 5


class Timex(ctypes.Structure):
    """The kernel's ``struct timex``, as far as it is looked at."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("maximum_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def clock_offset_ms() -> int | None:
    """Return by how many milliseconds at most the clock is thought to be off; ``None`` when nobody keeps it, or the kernel does not say."""
    asked = Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))
    except (OSError, AttributeError):
        return None
    return offset_of(asked, state)


def offset_of(told: Timex, state: int) -> int | None:
    """Return what the kernel's answer means: what is left to correct, and what its keeper thinks that it may be wrong by."""
    if state in (-1, _TIME_ERROR) or told.status & _UNSYNCHRONISED:
        return None
    in_a_millisecond = 1_000_000 if told.status & _NANOSECONDS else 1_000
    offset_ms: float = abs(told.offset) / in_a_millisecond
    error_ms: float = told.estimated_error / 1_000
    return math.ceil(offset_ms + error_ms)

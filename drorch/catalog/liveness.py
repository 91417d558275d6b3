"""Which process is which: a pid is used again, a pid with its start since boot is not (Linux ``/proc``)."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_GONE = ("Z", "X")  # a zombie holds its pid and does nothing any more


def process_started(pid: int) -> str:
    """Return text that, with ``pid``, names one process for ever; empty where the system does not tell."""
    fields = _stat_fields(pid)
    if fields is None:
        return ""
    # proc(5): field 22 is the start in clock ticks since boot; the fields here begin with the third
    return f"{_boot_id()}:{fields[19]}"


def is_alive(pid: int, started: str, /) -> bool:
    """Tell whether that very process runs on this machine; ``True`` when the system does not tell (``IsAlive``)."""
    fields = _stat_fields(pid)
    if fields is None:
        return _exists(pid)
    if fields[0] in _GONE:
        return False
    return started in ("", f"{_boot_id()}:{fields[19]}")


def _stat_fields(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # the name stands in parentheses and may itself hold parentheses and blanks
    return text.rpartition(")")[2].split()


def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _exists(pid: int) -> bool:
    # /proc may be absent or hide other users' processes (hidepid); signal 0 asks the kernel itself
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

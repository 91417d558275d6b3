"""Who works in a directory, as Linux tells it: processes by where they stand, sockets by their names."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_ENDING_SECONDS = 10.0


def end_occupants(directory: Path) -> tuple[int, tuple[str, ...]]:
    """Kill every process whose working directory lies in ``directory``; return how many ended, and the words for those that did not.

    Servers of databases work in their data directory, and so does every child of theirs.
    """
    ended, living = 0, []
    for _ in range(3):  # who is killed may just have had a child
        found = list(occupants(directory))
        if not found:
            break
        for pid in found:
            if _end(pid):
                ended += 1
    living = [f"process {pid} ({_name(pid)})" for pid in occupants(directory)]
    return ended, tuple(living)


def occupants(directory: Path) -> Iterator[int]:
    """Yield the numbers of the processes whose working directory lies in ``directory``, this one left out."""
    for entry in _PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            place = Path(os.readlink(entry / "cwd"))  # noqa: PTH115 - of a deleted directory the name ends with " (deleted)"
            if place == directory or directory in place.parents:
                yield int(entry.name)


def sockets_below(directory: Path) -> tuple[str, ...]:
    """Return the names of the open Unix sockets that lie in ``directory``, as this network namespace shows them."""
    with contextlib.suppress(OSError):
        lines = (_PROC / "net/unix").read_text(encoding="utf-8", errors="replace").splitlines()
        return tuple(line.split()[-1] for line in lines if f" {directory}/" in line)
    return ()


def _end(pid: int) -> bool:
    """Kill a process and wait until it is gone; a pidfd never means another process with its number."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return True
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        return bool(select.select([handle], [], [], _ENDING_SECONDS)[0])
    except PermissionError:
        return False
    finally:
        os.close(handle)


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "comm").read_text().strip()
    return "?"

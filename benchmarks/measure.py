"""Time a command with everything that it starts: wall clock, processor time, memory."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_SAMPLE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run, its children included: wall and processor seconds, and the most memory that all held together, in bytes.

    Memory is the larger of two: the peak of the largest process as the kernel saw it, and the largest sum of proportional
    set sizes (shared pages counted once) that was sampled.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


class CommandFailed(RuntimeError):
    """A timed command did not end with 0."""


def timed(arguments: Sequence[str | Path], environment: Mapping[str, str]) -> Measured:
    """Run a command and return what it took; raise ``CommandFailed`` with its last words."""
    begun = time.monotonic()
    child = subprocess.Popen(
        [str(word) for word in arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(environment),
    )
    assert child.stderr is not None
    memory = _Memory(child.pid)
    words = child.stderr.read().decode(errors="replace")
    _pid, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stderr.close()
    sampled = memory.stop()
    if child.returncode:
        raise CommandFailed(f"{arguments[0]} ended with {child.returncode}: {words[-800:]}")
    return Measured(
        wall_seconds=time.monotonic() - begun,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=max(usage.ru_maxrss * 1024, sampled),
    )


class _Memory:
    """Samples what a process and its descendants hold."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._peak_bytes = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        """End and return the largest sum in bytes."""
        self._is_over.set()
        self._thread.join()
        return self._peak_bytes

    def _watch(self) -> None:
        while not self._is_over.wait(_SAMPLE_SECONDS):
            self._peak_bytes = max(self._peak_bytes, sum(map(_proportional_bytes, _family(self._root))))


def _family(root: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield root
    try:
        children = Path(f"/proc/{root}/task").glob("*/children")
        for child in {pid for path in children for pid in path.read_text().split()}:
            yield from _family(int(child))
    except OSError:
        return


def _proportional_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def medians(runs: Sequence[Measured]) -> Measured:
    """Return the median of each figure by itself."""
    return Measured(
        wall_seconds=median(run.wall_seconds for run in runs),
        cpu_seconds=median(run.cpu_seconds for run in runs),
        peak_bytes=int(median(run.peak_bytes for run in runs)),
    )

"""Time a command as a whole process, with what the kernel says of it and its children."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run: wall and processor seconds (children included), peak memory of the largest process in bytes."""

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
    words = child.stderr.read().decode(errors="replace")
    _pid, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stderr.close()
    if child.returncode:
        raise CommandFailed(f"{arguments[0]} ended with {child.returncode}: {words[-800:]}")
    return Measured(
        wall_seconds=time.monotonic() - begun,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=usage.ru_maxrss * 1024,
    )


def medians(runs: Sequence[Measured]) -> Measured:
    """Return the median of each figure by itself."""
    return Measured(
        wall_seconds=median(run.wall_seconds for run in runs),
        cpu_seconds=median(run.cpu_seconds for run in runs),
        peak_bytes=int(median(run.peak_bytes for run in runs)),
    )

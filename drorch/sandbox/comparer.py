"""Run the independent comparer, a script that shares no code with drorch, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LIMIT_SECONDS = 600


def run_comparer(script: Path, arguments: Sequence[str], programs: Path) -> tuple[int, str]:
    """Return the comparer's exit code (0 equal, 1 different, 2 trouble) and what it said."""
    told = subprocess.run(
        [sys.executable, str(script), *arguments, "--programs", str(programs)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=LIMIT_SECONDS,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    return told.returncode, told.stdout.decode(errors="replace")

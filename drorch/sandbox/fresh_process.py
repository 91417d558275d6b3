"""Runs drorch the way somebody does on a machine that was bought today: another process, an empty home, no settings, no state."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from drorch.sandbox.interface import GIBIBYTE, Cuts, FreshEnd
from drorch.sandbox.unprivileged import ENVIRONMENT

_HIDDEN = ("/etc/drorch", "/var/lib/drorch", "/var/cache/drorch")
_HIDE = 'for place; do shift; [ "$place" = -- ] && break; mount -t tmpfs none "$place" || exit 125; done; exec "$@"'
_TRY_SECONDS = 20
_LIMITED = ("prlimit", "--core=0", f"--as={16 * GIBIBYTE}")  # address space: far more than what is in memory


def run_afresh(words: Sequence[str], *, home: Path, answer: str, variables: Mapping[str, str], cuts: Cuts) -> FreshEnd:
    """Run ``drorch WORDS`` in ``home``, which is its only directory; ``answer`` is what it is told on its standard input.

    It does not see this machine's drorch.yaml, state and cache in the usual places; where the system does not let them be hidden,
    ``hides`` is false. ``cuts`` is told how to end it, with all that it started, from another thread.
    """
    there = tuple(place for place in _HIDDEN if Path(place).is_dir())
    can_hide = not there or _can_hide()
    hiding = [*_namespaces(), "sh", "-c", _HIDE, "sh", *there, "--"] if there and can_hide else []
    command = ["setpriv", "--pdeathsig=KILL", *hiding, sys.executable, "-m", "drorch", *words]
    with (
        subprocess.Popen(
            [*_LIMITED, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=home,
            env={**ENVIRONMENT, **variables, "HOME": str(home)},
            start_new_session=True,
        ) as child,
        cuts(lambda: _end(child.pid)),
    ):
        said, complaint = child.communicate(answer.encode())
    return FreshEnd(
        code=child.returncode,
        answer=said.decode(errors="replace"),
        complaint=complaint.decode(errors="replace"),
        hides=can_hide,
    )


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _namespaces() -> tuple[str, ...]:
    return ("unshare", "--mount", "--propagation=private")


@cache
def _can_hide() -> bool:
    """Whether this account may have a view of its own of the file system."""
    try:
        told = subprocess.run(
            [*_namespaces(), "true"], capture_output=True, env=ENVIRONMENT, timeout=_TRY_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return told.returncode == 0

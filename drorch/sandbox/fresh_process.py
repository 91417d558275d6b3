"""Runs drorch the way somebody does on a machine that was bought today: another process, an empty home, no settings, no state."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from drorch.errors import TargetUnreachable
from drorch.sandbox.interface import FreshEnd
from drorch.sandbox.unprivileged import ENVIRONMENT

_HIDDEN = ("/etc/drorch", "/var/lib/drorch", "/var/cache/drorch")
_HIDE = 'for place; do shift; [ "$place" = -- ] && break; mount -t tmpfs none "$place" || exit 125; done; exec "$@"'
_TRY_SECONDS = 20


def run_afresh(
    words: Sequence[str], *, home: Path, answer: str, variables: Mapping[str, str], timeout_seconds: float
) -> FreshEnd:
    """Run ``drorch WORDS`` in ``home``, which is its only directory; ``answer`` is what it is told on its standard input.

    It does not see this machine's drorch.yaml, state and cache in the usual places; where the system does not let them be hidden,
    ``hides`` is false. Raises ``TargetUnreachable`` when it takes too long.
    """
    there = tuple(place for place in _HIDDEN if Path(place).is_dir())
    can_hide = not there or _can_hide()
    hiding = [*_namespaces(), "sh", "-c", _HIDE, "sh", *there, "--"] if there and can_hide else []
    command = ["setpriv", "--pdeathsig=KILL", *hiding, sys.executable, "-m", "drorch", *words]
    try:
        told = subprocess.run(
            command,
            input=answer.encode(),
            capture_output=True,
            cwd=home,
            env={**ENVIRONMENT, **variables, "HOME": str(home)},
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TargetUnreachable(
            "the fresh process took too long", expected=f"at most {timeout_seconds:.0f} s", found="no end"
        ) from error
    return FreshEnd(
        code=told.returncode,
        answer=told.stdout.decode(errors="replace"),
        complaint=told.stderr.decode(errors="replace"),
        hides=can_hide,
    )


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

"""Which machine and process this is, and what only an operating system gives: identity, randomness, a terminal."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drorch.catalog.interface import IsAlive, SourceClaim
    from drorch.operations.machine import Machine

_MACHINE_ID = Path("/etc/machine-id")
MEMORY_OF_A_DRILL = 512 * 2**20  # a server with 128 MiB of its own and what reads beside it


def random_bytes(length: int) -> bytes:
    """Return bytes from the operating system's generator."""
    return secrets.token_bytes(length)


def machine_id() -> str:
    """Return what tells this machine from its clones, as far as the system knows; empty when it does not."""
    try:
        return _MACHINE_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def host_name() -> str:
    """Return a name that no two machines share: the host's, and the beginning of its machine id."""
    return f"{socket.gethostname()}-{machine_id()[:8]}".rstrip("-")


def this_machine() -> Machine:
    """Return which process this is, on which machine."""
    from drorch.catalog.liveness import process_started
    from drorch.operations.machine import Machine

    pid = os.getpid()
    return Machine(host=host_name(), machine_id=machine_id(), pid=pid, process_started=process_started(pid))


def liveness() -> IsAlive:
    """Return what tells whether a process of this machine still runs."""
    from drorch.catalog.liveness import is_alive

    return is_alive


def claim_lives() -> Callable[[SourceClaim], bool]:
    """Return what tells whether the process behind a claim lives; those of other machines cannot be seen and count as alive."""
    here, is_alive = host_name(), liveness()
    return lambda claim: claim.host != here or is_alive(claim.pid, claim.process_started)


def room_for_drills() -> int:
    """Return how many drills this machine bears at once: by the processors that we may use, and by free memory."""
    return max(1, min(len(os.sched_getaffinity(0)), _free_memory_bytes() // MEMORY_OF_A_DRILL))


def _free_memory_bytes() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return MEMORY_OF_A_DRILL


def is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()  # None: it was closed

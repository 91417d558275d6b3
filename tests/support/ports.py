"""Ports for servers of the tests: below those that the system hands out by itself, so that no connection takes one before its server does."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom

LOWEST = 10_000
_TRIES = 100
_RANDOM = SystemRandom()  # not the generator that pytest-randomly gives the same seed in every process


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return so many at once."""
    handed_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(_TRIES):
        wanted = _RANDOM.sample(range(LOWEST, max(handed_out, LOWEST + 1_000)), count)
        if _are_free(wanted):
            return wanted
    raise RuntimeError(f"no {count} free ports below {handed_out}")


def _are_free(ports: list[int]) -> bool:
    with ExitStack() as stack:
        try:
            for port in ports:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

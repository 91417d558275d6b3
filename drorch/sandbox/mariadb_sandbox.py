"""A sandbox with a MariaDB of its own: cut off, on a private socket, with no scheduler, no replication and no files but its own."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from drorch.clock import Clock
from drorch.sandbox.housing import House
from drorch.sandbox.interface import SandboxLimits, SandboxNeeds
from drorch.sandbox.mariadb import MariadbServer, is_listening, prepare, program
from drorch.sandbox.running import RunningServer
from drorch.sandbox.server_sandbox import ServerSandbox
from drorch.sandbox.unprivileged import ENVIRONMENT

_OPTIONS = (
    "--event-scheduler=OFF",  # DISABLED would not even keep events
    "--skip-slave-start",
    "--skip-log-bin",
    "--local-infile=OFF",
    "--log-bin-trust-function-creators=ON",
    "--max-connections=40",
    "--max-allowed-packet=1G",
)
_TELLING_SECONDS = 60
_PARTS = 2  # of a version: what came in a later patch is not needed to read what an earlier one wrote


@contextmanager
def mariadb_sandbox(house: House, needs: SandboxNeeds, limits: SandboxLimits, clock: Clock) -> Iterator[ServerSandbox]:
    """Start Debian's server and yield it; it is wiped at the end.

    Raises ``SourceUnsupported`` without programs, ``TargetUnreachable`` when the server does not start.
    """
    try:
        version = _version()
        command, at, client = prepare(house.inside, f"--secure-file-priv={house.inside}", *_OPTIONS)
        running = RunningServer(command, house.directory / "log", limits)
        sandbox = ServerSandbox(
            product="MariaDB",
            version=version,
            server=MariadbServer(at, client),
            lacks=_lacking(needs, version),
            running=running,
            house=house,
            ends_by=signal.SIGKILL,  # it would write everything out first
        )
        try:
            running.wait_until(lambda: is_listening(at), "MariaDB", clock)
            yield sandbox
        finally:
            sandbox.wipe()
    finally:
        house.wipe()


def _version() -> str:
    told = subprocess.run(
        [program("mariadbd"), "--no-defaults", "--version"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=_TELLING_SECONDS,
        check=False,
    )
    match = re.search(r"Ver (\d+\.\d+\.\d+)", told.stdout)
    return match[1] if match else ""


def _lacking(needs: SandboxNeeds, version: str) -> tuple[str, ...]:
    wanted = _numbers(needs.server_version)
    if _numbers(version) >= wanted:
        return ()
    return (f"MariaDB {'.'.join(map(str, wanted))} or newer: here is {version}",)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:_PARTS]))

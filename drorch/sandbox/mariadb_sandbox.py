"""A sandbox with a MariaDB of its own: cut off, on a private socket, with no scheduler, no replication and no files but its own."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drorch.clock import Clock
from drorch.sandbox.housing import House
from drorch.sandbox.interface import Isolation, SandboxLimits, SandboxNeeds, WipeProof
from drorch.sandbox.isolation import shown
from drorch.sandbox.mariadb import MariadbServer, is_listening, prepare, program
from drorch.sandbox.running import RunningServer
from drorch.sandbox.unprivileged import ENVIRONMENT

DATABASE = "drill"
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


@dataclass(slots=True)
class MariadbSandbox:
    """See ``Sandbox``."""

    server: MariadbServer
    version: str
    lacks: tuple[str, ...]
    running: RunningServer
    house: House
    password: Callable[[], str] | None = None
    is_throw_away: bool = True

    @property
    def description(self) -> str:
        """See ``Sandbox``."""
        return f"throw-away MariaDB {self.version}, {shown(self.isolation)}"

    @property
    def url(self) -> str:
        """See ``Sandbox``."""
        return self.server.url(DATABASE)

    @property
    def isolation(self) -> Isolation:
        """See ``Sandbox``."""
        return self.running.isolation

    @property
    def is_out_of_time(self) -> bool:
        """See ``Sandbox``."""
        return self.running.is_out_of_time

    @property
    def scratch(self) -> Path:
        """See ``Sandbox``."""
        return self.house.scratch

    def stop(self) -> None:
        """See ``Sandbox``."""
        self.running.kill()

    def wipe(self) -> WipeProof:
        """See ``Sandbox``."""
        self.running.end(signal.SIGKILL)  # it would write everything out first, and nothing of it is needed any more
        return self.house.wipe(processes=1)


@contextmanager
def mariadb_sandbox(house: House, needs: SandboxNeeds, limits: SandboxLimits, clock: Clock) -> Iterator[MariadbSandbox]:
    """Start Debian's server and yield it; it is wiped at the end.

    Raises ``SourceUnsupported`` without programs, ``TargetUnreachable`` when the server does not start.
    """
    try:
        version = _version()
        command, at, client = prepare(house.inside, f"--secure-file-priv={house.inside}", *_OPTIONS)
        running = RunningServer(command, house.directory / "log", limits)
        sandbox = MariadbSandbox(MariadbServer(at, client), version, _lacking(needs, version), running, house)
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

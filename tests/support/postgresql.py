"""Throw-away PostgreSQL servers: own directory, free port, unprivileged account, nothing left behind."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from drorch.catalog.liveness import is_alive
from drorch.clock import SystemClock
from drorch.sandbox.occupants import end_occupants
from drorch.sources.postgresql.location import PostgresqlLocation
from drorch.sources.postgresql.options import CaptureOptions
from drorch.sources.postgresql.source import PostgresqlSource
from drorch.sources.postgresql.target import PostgresqlTarget
from drorch.sources.postgresql.tools import PostgresqlTools
from tests.support.certificates import make_certificates
from tests.support.ports import free_port
from tests.support.postgresql_programs import NPM_VERSIONS, programs_of
from tests.support.supervision import ended, supervised
from tests.support.unprivileged import private_directory, unprivileged

SUPERUSER_PASSWORD = "super-canary-5f1e"
BACKUP_PASSWORD = "backup-canary-77aa"

SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = off
full_page_writes = off
shared_buffers = 32MB
max_connections = 60
wal_level = logical
max_wal_senders = 4
max_worker_processes = 12
max_logical_replication_workers = 2
autovacuum = off
timezone = 'Asia/Ho_Chi_Minh'
datestyle = 'SQL, DMY'
intervalstyle = 'sql_standard'
lc_messages = 'C'
"""


@dataclass(kw_only=True)
class Server:
    """A running server; ``postgres`` is its superuser, trusted on the socket and by password over TCP."""

    major: int
    programs: Path
    directory: Path
    port: int
    authority: Path | None
    before: Sequence[str] = ()  # what goes before pg_ctl's words: a limit, a small disk
    is_wanted: bool = field(default=False, repr=False)  # from start to stop

    @property
    def sockets(self) -> str:
        return str(self.directory)

    @property
    def has_tls(self) -> bool:
        return self.authority is not None

    def connect(self, database: str = "postgres", **keywords: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=self.sockets, port=self.port, user="postgres", dbname=database, autocommit=True, **keywords
        )

    def run(self, sql: str | bytes, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as the superuser; return the last rows."""
        with self.connect(database) as connection:
            cursor = connection.execute(sql if isinstance(sql, bytes) else sql.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, sql: str = "", *, options: str = "", prefix: str = "db") -> str:
        name = f"{prefix}_{uuid.uuid4().hex[:10]}"
        self.run(f'create database "{name}" {options}')
        if sql:
            self.run(sql, name)
        return name

    def location(self, database: str, *, user: str = "postgres", **changes: Any) -> PostgresqlLocation:
        """Return the socket's location as the superuser."""
        return PostgresqlLocation(host=self.sockets, port=self.port, user=user, database=database, **changes)

    def tcp_location(
        self,
        database: str,
        *,
        user: str = "postgres",
        password: str | Callable[[], str] = SUPERUSER_PASSWORD,
        **changes: Any,
    ) -> PostgresqlLocation:
        """Return the location over TCP: ``verify-full`` where the server can, else ``none``."""
        tls: dict[str, Any] = (
            {"tls": "verify-full", "tls_authority": self.authority} if self.has_tls else {"tls": "none"}
        )
        words: dict[str, Any] = (
            {
                "host": "127.0.0.1",
                "port": self.port,
                "user": user,
                "password": password if callable(password) else lambda: password,
            }
            | tls
            | changes
        )
        return PostgresqlLocation(database=database, **words)

    def source(self, location: PostgresqlLocation, _private: Path, **options: Any) -> PostgresqlSource:
        return PostgresqlSource(location, CaptureOptions(**options), PostgresqlTools(), SystemClock())

    def target(self, location: PostgresqlLocation) -> PostgresqlTarget:
        return PostgresqlTarget(location, SystemClock())

    def stop(self, mode: str = "immediate") -> None:
        self.is_wanted = False
        unprivileged([self.programs / "pg_ctl", "-D", self.directory / "data", "-m", mode, "-w", "stop"], check=False)

    def start(self) -> None:
        data, log = self.directory / "data", self.directory / "log"
        if not self._is_running():
            self._clear()
        words = [self.programs / "pg_ctl", "-D", data, "-w", "-t", "60", "-l", log, "start"]
        unprivileged(words, before=self.before)
        self.is_wanted = True

    def how_it_ended(self) -> str:
        """See ``Supervised``."""
        if not self.is_wanted or self._is_running():
            return ""
        return ended(f"PostgreSQL {self.major}", None, self.directory / "log")

    def answers(self) -> bool:
        """See ``Supervised``."""
        with contextlib.suppress(psycopg.Error):
            self.connect(connect_timeout=2).close()
            return True
        return False

    def _clear(self) -> None:
        """Remove what one that was killed left: children with its memory, and its number, which answers until somebody buries it."""
        end_occupants(self.directory / "data")
        for left in (self.directory / "data" / "postmaster.pid", *self.directory.glob(".s.PGSQL.*.lock")):
            left.unlink(missing_ok=True)

    def _is_running(self) -> bool:
        with contextlib.suppress(OSError, IndexError):  # no such file, or one just being written
            return is_alive(int((self.directory / "data" / "postmaster.pid").read_text().split()[0]), "")
        return False


@contextlib.contextmanager
def running_server(
    major: int,
    *,
    settings: str = "",
    encoding: str = "UTF8",
    locale: str = "C.UTF-8",
    before: Sequence[str] = (),
    initdb: Sequence[str] = (),
) -> Iterator[Server]:
    programs, has_tls = programs_of(major)
    with private_directory("drorch-pg-") as directory:
        data = directory / "data"
        unprivileged(
            [
                programs / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "-A",
                "trust",
                f"--locale={locale}",
                "-E",
                encoding,
                "-N",
                *initdb,
            ]
        )
        authority = make_certificates(directory) if has_tls else None
        port = free_port()
        tls = (
            f"ssl = on\nssl_cert_file = '{directory}/server.crt'\nssl_key_file = '{directory}/server.key'\n"
            if has_tls
            else ""
        )
        lines = f"{SETTINGS}{tls}port = {port}\nunix_socket_directories = '{directory}'\n{settings}"
        with (data / "postgresql.conf").open("a") as file:
            file.write(lines)
        password = "scram-sha-256" if major >= 14 else "md5"
        (data / "pg_hba.conf").write_text(
            f"local replication all trust\nlocal all all trust\nhost{'ssl' if has_tls else ''} all all 127.0.0.1/32 {password}\n"
        )
        server = Server(
            major=major, programs=programs, directory=directory, port=port, authority=authority, before=before
        )
        server.start()
        try:
            server.run(f"alter role postgres password '{SUPERUSER_PASSWORD}'")
            with supervised(server):
                yield server
        finally:
            server.stop()


def _server_of(major: int) -> Any:
    @pytest.fixture(scope="session", name=f"postgresql_{major}")
    def running() -> Iterator[Server]:
        with running_server(major) as server:
            yield server

    return running


postgresql_11, postgresql_12, postgresql_13, postgresql_14 = map(_server_of, (11, 12, 13, 14))
postgresql_15, postgresql_16, postgresql_17, postgresql_18 = map(_server_of, (15, 16, 17, 18))


@pytest.fixture(
    params=[15, 18, *(pytest.param(major, marks=pytest.mark.matrix) for major in NPM_VERSIONS)],
    ids=lambda major: f"pg{major}",
)
def server(request: pytest.FixtureRequest) -> Server:
    """Every server that the contract is tried on."""
    found = request.getfixturevalue(f"postgresql_{request.param}")
    assert isinstance(found, Server)
    return found


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A directory for drorch's own temporary files."""
    place = tmp_path / "private"
    place.mkdir(mode=0o700)
    return place

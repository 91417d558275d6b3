"""Every way to log in, there and back: client certificate, pgpass file, service file, peer; and what is told when it fails."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drorch import errors
from drorch.sources.interface import RestoreChoices
from drorch.sources.postgresql.location import PostgresqlLocation
from tests.support.certificates import make_certificates
from tests.support.memory_content import SilentObserver, read_capture
from tests.support.postgresql import Server, running_server

PASSWORD = "pgpass-canary: with\\colon"


@pytest.fixture(scope="module")
def strict() -> Iterator[Server]:
    """A server where each account may come in one way only; ``postgres`` through the socket, to set it up."""
    me = pwd.getpwuid(os.geteuid()).pw_name
    with running_server(15) as server:
        server.authority = make_certificates(server.directory, client="by_certificate")
        lines = f"""
local   all  postgres        trust
local   all  "{me}"          peer
local   all  somebody_else   peer
hostssl all  by_certificate  127.0.0.1/32 cert
hostssl all  all             127.0.0.1/32 scram-sha-256
"""
        (server.directory / "data/pg_hba.conf").write_text(lines)
        with (server.directory / "data/postgresql.conf").open("a") as file:
            file.write(f"\nssl_ca_file = '{server.directory}/ca.crt'\n")
        server.stop("fast")
        server.start()
        for role in (me, "somebody_else", "by_certificate", "by_password"):
            if role != "postgres":
                server.run(f'create role "{role}" superuser login')
        server.run(f"alter role by_password password '{PASSWORD}'")
        yield server


@pytest.fixture
def land(strict: Server) -> Iterator[str]:
    name = strict.new_database("create table t (a int); insert into t values (1), (2)", prefix="land")
    yield name
    for (database,) in strict.run(f"select datname from pg_database where datname ~ '^{name}'"):
        strict.run(f"drop database {database}")


def there_and_back(server: Server, location: PostgresqlLocation, private: Path) -> None:
    """Capture (by our sessions and by pg_dump) and restore through ``location``."""
    with server.source(location, private).capture() as capture:
        content = read_capture(capture)
    name = f"{location.database}_back"
    server.target(location.of_database(name)).restore(content, RestoreChoices(), SilentObserver())
    assert server.run("select count(*) from t", name) == [(2,)]


def refused(server: Server, location: PostgresqlLocation, private: Path) -> errors.DrorchError:
    with pytest.raises(errors.SourceError) as caught, server.source(location, private).capture():
        pass
    return caught.value


def test_a_client_certificate(strict: Server, land: str, private: Path) -> None:
    with_it = PostgresqlLocation(
        host="127.0.0.1", port=strict.port, user="by_certificate", database=land, tls_authority=strict.authority,
        tls_certificate=strict.directory / "client.crt", tls_key=strict.directory / "client.key",
    )  # fmt: skip
    there_and_back(strict, with_it, private)
    error = refused(strict, replace(with_it, tls_certificate=None, tls_key=None), private)
    assert "client certificate" in error.found
    assert isinstance(error, errors.SourceLoginFailed)
    # A certificate of one account opens no other.
    error = refused(strict, replace(with_it, user="by_password"), private)
    assert isinstance(error, errors.SourceLoginFailed)
    loose = private / "loose.key"
    loose.write_bytes((strict.directory / "client.key").read_bytes())
    loose.chmod(0o644)
    error = refused(strict, replace(with_it, tls_key=loose), private)
    assert "loose.key" in error.found


def test_a_password_file(strict: Server, land: str, private: Path) -> None:
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    file = private / "pgpass"
    file.touch(mode=0o600)
    file.write_text(f"127.0.0.1:{strict.port}:*:by_password:{escaped}\n")
    location = strict.tcp_location(land, user="by_password", password=PASSWORD)
    named = replace(location, password=None, password_file=file)
    there_and_back(strict, named, private)
    file.chmod(0o644)  # libpq does not read what others may read
    error = refused(strict, named, private)
    assert isinstance(error, errors.SourceLoginFailed)
    assert "canary" not in repr(error) + error.found + error.hint


def test_the_home_directorys_pgpass_and_services(
    strict: Server, land: str, private: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    location = PostgresqlLocation(service="land", database=land, tls_authority=strict.authority)
    error = refused(strict, location, private)
    assert 'definition of service "land" not found' in error.found
    assert "pg_service.conf" in error.hint
    service = f"[land]\nhost=127.0.0.1\nport={strict.port}\nuser=by_password\nsslmode=disable\n"
    elsewhere = tmp_path / "services.conf"
    elsewhere.write_text(service)
    monkeypatch.setenv("PGSERVICEFILE", str(elsewhere))
    led = replace(location, variables={"PGSERVICEFILE": str(elsewhere)})
    (home / ".pgpass").touch(mode=0o600)
    (home / ".pgpass").write_text("127.0.0.1:*:*:*:" + PASSWORD.replace("\\", "\\\\").replace(":", "\\:") + "\n")
    there_and_back(strict, led, private)
    monkeypatch.delenv("PGSERVICEFILE")
    (home / ".pgpass").unlink()
    (home / ".pg_service.conf").write_text(service)
    error = refused(strict, location, private)
    assert isinstance(error, errors.SourceLoginFailed)
    assert "pgpass" in error.hint
    (home / ".pgpass").touch(mode=0o600)
    (home / ".pgpass").write_text("127.0.0.1:*:*:*:" + PASSWORD.replace("\\", "\\\\").replace(":", "\\:") + "\n")
    strict.run(f"drop database {land}_back")
    there_and_back(strict, location, private)
    with strict.source(location, private).capture() as capture:  # the policy's verify-full counts, not the file's word
        assert capture.facts["encrypted_connection"] is True
        assert capture.facts["account"] == "by_password"


def test_the_account_of_the_machine(strict: Server, land: str, private: Path) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    there_and_back(strict, strict.location(land, user=me), private)
    error = refused(strict, strict.location(land, user="somebody_else"), private)
    assert isinstance(error, errors.SourceLoginFailed)
    assert "Peer authentication failed" in error.found

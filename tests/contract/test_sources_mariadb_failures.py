"""What goes wrong with a MariaDB server, and what is said about it; and one moment while others write and redefine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from drorch import errors
from drorch.sources.interface import Level, RestoreChoices
from drorch.sources.mariadb import snapshot
from drorch.sources.mariadb.location import parse_location
from drorch.sources.mariadb.server import MariadbServer as Asked
from tests.support.certificates import make_certificates
from tests.support.mariadb import ADMIN_PASSWORD, BACKUP_PASSWORD, MariadbServer, grants_of, running_mariadb
from tests.support.memory_content import SilentObserver, read_capture
from tests.support.ports import free_port
from tests.support.relay import Relay


@pytest.fixture(scope="module")
def name(mariadb: MariadbServer) -> str:
    return mariadb.new_database("create table t (a int primary key)", "insert into t select seq from seq_1_to_200000")


def failure(source: Any) -> errors.SourceError:
    """Capture, and return what it raised; ``examine`` must tell of the same."""
    with pytest.raises(errors.SourceError) as caught, source.capture() as capture:
        read_capture(capture)
    told = [one for one in source.examine() if one.level is Level.FAIL]
    assert told
    for text in (str(caught.value), caught.value.found, caught.value.hint):
        assert BACKUP_PASSWORD not in text
        assert ADMIN_PASSWORD not in text
    return caught.value


def read_after(capture: Any, stream: Any, happens: Callable[[], Any]) -> None:
    """Read the stream; something happens after its first piece."""
    with capture.open(stream) as pieces:
        next(pieces)
        happens()
        for _ in pieces:
            pass


def test_a_wrong_password(mariadb: MariadbServer, name: str) -> None:
    error = failure(mariadb.source(mariadb.tcp(name, password="wrong-canary")))
    assert (error.exit_code, error.message) == (21, "the database rejected the password")
    assert error.found.startswith("1045 Access denied for user 'drorch_admin'@'127.0.0.1'")


def test_a_locked_account_and_one_that_expired(mariadb: MariadbServer, name: str) -> None:
    mariadb.run("create user shut@'%' identified by 'x' account lock")
    assert failure(mariadb.source(mariadb.tcp(name, user="shut", password="x"))).exit_code == 21
    mariadb.run("drop user shut@'%'")


def test_nobody_listens_and_an_unknown_host(mariadb: MariadbServer, name: str) -> None:
    error = failure(mariadb.source(mariadb.tcp(name, port=free_port())))
    assert error.exit_code == 22
    assert "is the server running" in error.hint
    error = failure(mariadb.source(mariadb.tcp(name, host="nowhere.invalid")))
    assert error.exit_code == 22
    assert "unknown here" in error.hint
    error = failure(mariadb.source(mariadb.location(name, socket="/nonexistent/s")))
    assert error.exit_code == 22
    assert error.retryable


def test_a_database_that_is_not_there(mariadb: MariadbServer) -> None:
    error = failure(mariadb.source(mariadb.tcp("nothing_of_the_kind")))
    assert isinstance(error, errors.SourceMissing)
    user = mariadb.backup_account("some_other")
    error = failure(mariadb.source(mariadb.tcp("nothing_of_the_kind", user=user, password=BACKUP_PASSWORD)))
    assert error.exit_code == 23
    assert "policy grants" in error.hint


def test_a_server_that_accepts_and_says_nothing(mariadb: MariadbServer, name: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        error = failure(mariadb.source(mariadb.tcp(name, port=port), connect_timeout_seconds=1))
    assert error.exit_code == 22
    assert error.found == "timed out"
    assert time.monotonic() - started < 20


def test_a_password_reaches_the_server_only_behind_its_certificate(mariadb: MariadbServer, name: str) -> None:
    """A false server gets the greeting of a client that wants TLS, and not a byte more."""
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        greeting = (
            b"\x0a10.11.19-MariaDB\0" + b"\1\0\0\0" + b"saltsalt" + b"\0" + b"\xff\xf7" + b"\x2d" + b"\2\0" + b"\xff\x81"
            + b"\x15" + b"\0" * 10 + b"saltsaltsalt" + b"\0" + b"mysql_native_password\0"
        )  # fmt: skip
        with closing(listener.accept()[0]) as line:
            line.sendall(len(greeting).to_bytes(3, "little") + b"\0" + greeting)  # no TLS on offer
            line.settimeout(5)
            with suppress(OSError):
                while piece := line.recv(1000):
                    heard.append(piece)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        source = mariadb.source(mariadb.tcp(name, port=listener.getsockname()[1]), connect_timeout_seconds=3)
        with pytest.raises(errors.SourceUnreachable), source.capture():
            pass
        thread.join()
    assert b"drorch_admin" not in b"".join(heard)


@pytest.fixture(scope="module")
def expired() -> Iterator[MariadbServer]:
    def certificates(directory: Path) -> Path:
        return make_certificates(directory, valid_days=-1)

    with running_mariadb(certificates=certificates) as server:
        yield server


def test_certificates_that_are_not_good(
    mariadb: MariadbServer, expired: MariadbServer, name: str, tmp_path: Path
) -> None:
    error = failure(mariadb.source(mariadb.tcp(name, host="localhost")))  # the certificate names 127.0.0.1
    assert error.exit_code == 22
    assert "Hostname mismatch" in error.found
    error = failure(mariadb.source(mariadb.tcp(name, tls_authority=make_certificates(tmp_path))))
    assert error.found == "TLS: certificate signature failure"
    assert "authority" in error.hint
    error = failure(mariadb.source(mariadb.tcp(name, tls_authority=None)))
    assert error.exit_code == 22
    error = failure(expired.source(expired.tcp("mysql")))
    assert "expired" in error.found
    error = failure(mariadb.source(mariadb.tcp(name, tls_authority=tmp_path / "none.crt")))
    assert "files for TLS" in error.message
    with mariadb.source(mariadb.tcp(name, host="localhost", tls="require", tls_authority=None)).capture() as capture:
        assert capture.facts["tls"] == "TLSv1.3"


@pytest.fixture
def plain(expired: MariadbServer) -> Iterator[MariadbServer]:
    """The same server without TLS and without a binary log; afterwards as it was."""
    before = expired.arguments
    expired.stop()
    expired.arguments = ("--skip-ssl", "--skip-log-bin")
    expired.start()
    yield expired
    expired.stop()
    expired.arguments = before
    expired.start()


def test_a_server_without_tls(plain: MariadbServer) -> None:
    name = plain.new_database("create table t (a int)")
    error = failure(plain.source(plain.tcp(name)))
    assert error.exit_code == 22
    assert "tls: none" in error.hint
    assert "tls: none" in failure(plain.source(plain.tcp(name, tls="require"))).hint
    source = plain.source(plain.tcp(name, tls="none"))
    with source.capture() as capture:
        assert capture.facts["tls"] == ""
        assert capture.facts["binary_log"] == {"server_id": 7}
    assert any("no binary log" in finding.text for finding in source.examine())


def test_the_server_dies_while_it_is_read(expired: MariadbServer) -> None:
    name = expired.new_database("create table t (a int, b varchar(200))",
                                "insert into t select seq, repeat('x', 200) from seq_1_to_300000")  # fmt: skip
    with expired.source(expired.tcp(name, tls="none")).capture() as capture:
        stream = capture.streams()[-1]
        with pytest.raises(errors.SourceUnreachable):
            read_after(capture, stream, expired.stop)
    expired.start()


def test_a_connection_that_breaks_anywhere_is_no_snapshot(mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table t (a int, b varchar(100))", "create view v as select * from t",
                                "insert into t select seq, repeat('x', 90) from seq_1_to_3000")  # fmt: skip
    front = mariadb.directory / f".s.PGSQL.{mariadb.port}"  # the name that the relay looks for
    if not front.exists():
        front.symlink_to(mariadb.socket)

    def through(limit: int | None) -> tuple[int, dict[str, bytes]]:
        with Relay(mariadb, limit) as relay:  # type: ignore[arg-type] # it needs a directory and a port
            location = mariadb.location(name, socket=str(relay.directory / front.name))
            with mariadb.source(location, connect_timeout_seconds=30, stall_timeout_seconds=30).capture() as capture:
                blobs = read_capture(capture).blobs
            return relay.sent, blobs

    total, blobs = through(None)
    assert len(blobs["table/t"]) > 3000 * 90
    for limit in (0, 60, total // 50, total // 10, total // 2, total - 3000, total - 3):
        with pytest.raises((errors.SourceUnreachable, errors.CaptureFailed)):
            through(limit)


def wait_for(server: MariadbServer, session: int, state: str | None) -> None:
    """Return when a session is in that state, twice in turn; for ``None`` when it is gone."""
    deadline, seen = time.monotonic() + 60, 0
    while seen < 2:
        assert time.monotonic() < deadline
        rows = server.run(f"select state from information_schema.processlist where id = {session}")
        seen = seen + 1 if rows == ([] if state is None else [(state,)]) else 0
        time.sleep(0.2)


def test_a_session_that_is_killed_and_one_that_is_aborted(mariadb: MariadbServer, name: str) -> None:
    mariadb.run("create or replace table wide (a int, b varchar(300))", database=name)
    mariadb.run("insert into wide select seq, repeat('x', 300) from seq_1_to_200000", database=name)
    try:
        with mariadb.backup_source(name).capture() as capture:
            stream = capture.streams()[-1]
            number = capture._session.identifier
            with pytest.raises((errors.SourceUnreachable, errors.CaptureFailed)) as caught:
                read_after(capture, stream, lambda: mariadb.run(f"kill {number}"))
            assert caught.value.exit_code in (20, 22)
        with mariadb.backup_source(name).capture() as capture:
            stream, number = capture.streams()[-1], capture._session.identifier

            def stop() -> None:
                wait_for(mariadb, number, "Writing to net")
                capture.abort()

            with pytest.raises(errors.CaptureFailed, match="was stopped"):
                read_after(capture, stream, stop)
            capture.abort()
        wait_for(mariadb, number, None)  # its locks go with it
    finally:
        mariadb.run("drop table wide", database=name)


def test_a_silent_server_is_given_up(mariadb: MariadbServer, name: str) -> None:
    source = mariadb.backup_source(name, stall_timeout_seconds=3)
    with source.capture() as capture, pytest.raises(errors.SourceStalled) as caught:
        capture.ask("select sleep(60)")
    assert caught.value.exit_code == 25


def test_a_locked_table_is_waited_for_and_then_named(mariadb: MariadbServer, name: str) -> None:
    mariadb.run("create table if not exists another (a int)", database=name)
    source = mariadb.backup_source(name, lock_timeout_seconds=1)
    with closing(mariadb.connect(name)) as holder:
        holder.query("lock tables another write")
        with pytest.raises(errors.SourceLocked) as caught, source.capture():
            pass
    assert (caught.value.exit_code, caught.value.retryable) == (24, True)
    assert caught.value.found.endswith("locked: another")
    assert "lock_timeout" in caught.value.hint


# -- one moment


def test_a_table_that_is_redefined_meanwhile_is_seen_and_tried_again(
    mariadb: MariadbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = mariadb.new_database("create table t (a int)", "insert into t values (1)", "create table u (a int)")
    changes = iter(["alter table t add b int default 5", "truncate table u", "create table v (a int)"])
    before: Callable[..., Any] = snapshot._hold

    def meanwhile(*arguments: Any) -> None:
        with suppress(StopIteration):
            mariadb.run(next(changes), database=name)
        before(*arguments)

    monkeypatch.setattr(snapshot, "_hold", meanwhile)
    with mariadb.backup_source(name).capture() as capture:
        content = read_capture(capture)
    assert next(changes, None) is None
    assert content.blobs["table/t"] == b"\0\0\0\4\x011\x015"
    assert b"`b` int(11) DEFAULT 5" in content.blobs["schema"]
    assert "table/v" in content.blobs


def test_somebody_who_never_stops_redefining_fails_the_run_and_it_may_be_tried_again(
    mariadb: MariadbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = mariadb.new_database("create table t (a int)")
    before: Callable[..., Any] = snapshot._hold

    def meanwhile(*arguments: Any) -> None:
        mariadb.run("alter table t force", database=name)
        before(*arguments)

    monkeypatch.setattr(snapshot, "_hold", meanwhile)
    source = mariadb.backup_source(name)
    with pytest.raises(errors.SourceLocked, match="changed while the snapshot was taken") as caught, source.capture():
        pass
    assert caught.value.retryable


def amounts(blob: bytes) -> list[int]:
    """Return the second value of each row: both lie behind their lengths."""
    found = []
    while blob:
        row, blob = blob[4 : 4 + int.from_bytes(blob[:4], "big")], blob[4 + int.from_bytes(blob[:4], "big") :]
        found.append(int(row[2 + row[0] :]))
    return found


@pytest.mark.parametrize(("captures", "restored_each"), [(12, 6), pytest.param(20, 1, marks=pytest.mark.slow)])
def test_amounts_that_move_between_fifty_tables_keep_their_sum(
    mariadb: MariadbServer, captures: int, restored_each: int
) -> None:
    tables = [f"account_{number:02}" for number in range(50)]
    name = mariadb.new_database(
        *(f"create table {table} (id int primary key, amount bigint)" for table in tables),
        *(f"insert into {table} values (1, 1000), (2, 1000)" for table in tables),
        "create table redefined (a int)",
    )
    done = threading.Event()
    counts = {"moved": 0, "redefined": 0}

    def move() -> None:
        with closing(mariadb.connect(name)) as line:
            while not done.is_set():
                one, other = tables[counts["moved"] % 50], tables[(counts["moved"] * 7 + 3) % 50]
                line.query("begin")
                line.query(f"update {one} set amount = amount - 7 where id = 1")
                line.query(f"update {other} set amount = amount + 7 where id = 2")
                line.query("commit")
                counts["moved"] += 1

    def redefine() -> None:
        with closing(mariadb.connect(name)) as line:
            while not done.is_set():
                number = counts["redefined"]
                line.query(f"alter table redefined add c{number} int" if number < 60 else "truncate table redefined")
                counts["redefined"] += 1
                done.wait(0.2)

    threads = [threading.Thread(target=work) for work in (move, redefine)]
    for thread in threads:
        thread.start()
    try:
        source = mariadb.backup_source(name)
        seen = set()
        for number in range(captures):
            with source.capture() as capture:
                content = read_capture(capture)
            assert sum(amount for table in tables for amount in amounts(content.blobs[f"table/{table}"])) == 100_000
            seen.add(content.blobs["table/account_00"])
            if number % restored_each == restored_each - 1:
                back = f"{name}_back_{number}"
                choices = RestoreChoices(no_owner=True, tables=tuple(tables))
                mariadb.target(mariadb.location(back)).restore(content, choices, SilentObserver())
                total = " union all ".join(f"select amount from {table}" for table in tables)
                assert mariadb.run(f"select sum(amount) from ({total}) x", database=back) == [(100_000,)]
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert counts["moved"] > 50
    assert counts["redefined"] > 2
    assert len(seen) > 1  # the writer was at work


# -- the account


def test_an_option_file_holds_the_account(mariadb: MariadbServer, name: str, tmp_path: Path) -> None:
    file = tmp_path / "client.cnf"
    file.write_text(
        f'[client]\nuser=drorch_admin # who\npassword="{ADMIN_PASSWORD}"\n[client-mariadb]\nssl-ca={mariadb.authority}\n'
    )
    file.chmod(0o600)
    location = parse_location(f"mariadb://127.0.0.1:{mariadb.port}/{name}?option_file={file}")
    with mariadb.source(location).capture() as capture:
        assert capture.facts["tls"] == "TLSv1.3"
    file.chmod(0o644)
    with pytest.raises(errors.SecretUnavailable, match="open to others"), mariadb.source(location).capture():
        pass
    file.chmod(0o600)
    file.write_text("password=no-section-canary\n")
    with pytest.raises(errors.SecretUnavailable) as caught, mariadb.source(location).capture():
        pass
    assert "canary" not in f"{caught.value} {caught.value.found} {caught.value.__cause__}"


def test_the_password_is_in_no_argument_and_no_environment(mariadb: MariadbServer, name: str) -> None:
    with mariadb.backup_source(name).capture():
        for process in Path("/proc").glob("[0-9]*"):
            for part in ("cmdline", "environ"):
                with suppress(OSError):
                    assert BACKUP_PASSWORD.encode() not in (process / part).read_bytes() or process.name == "self"


def test_a_server_is_asked_for_its_databases(mariadb: MariadbServer) -> None:
    first, second = mariadb.new_database(prefix="asked"), mariadb.new_database(prefix="asked")
    found = Asked(mariadb.location("")).databases()
    assert {first, second} <= set(found)
    assert not {"mysql", "information_schema", "performance_schema", "sys"} & set(found)
    mariadb.run(*grants_of(first, "asker", databases=None))
    with pytest.raises(errors.SourceRightsMissing, match="sees only the databases"):
        Asked(mariadb.tcp("", user="asker", password=BACKUP_PASSWORD)).databases()
    mariadb.run("grant show databases on *.* to asker@'%'")
    assert set(found) <= set(Asked(mariadb.tcp("", user="asker", password=BACKUP_PASSWORD)).databases())
    mariadb.run("drop user asker@'%'")


def test_a_server_that_is_no_mariadb(mariadb: MariadbServer, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from drorch.sources.mariadb.session import Session

    for version, told in (("8.4.3", "is not MariaDB"), ("10.3.39-MariaDB", "too old")):
        monkeypatch.setattr(Session, "server_version", version)
        with pytest.raises(errors.SourceUnsupported, match=told), mariadb.source(mariadb.location(name)).capture():
            pass

"""What goes wrong at a PostgreSQL source: each has its own error, in time, and nothing of it looks like a capture."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from drorch import errors
from drorch.clock import SystemClock
from drorch.sources.interface import Capture, Level, StreamKind, StreamSpec
from drorch.sources.postgresql.location import PostgresqlLocation
from drorch.sources.postgresql.options import CaptureOptions, RolesChoice
from drorch.sources.postgresql.source import PostgresqlSource
from drorch.sources.postgresql.tools import PostgresqlTools
from tests.support.certificates import make_certificates
from tests.support.memory_content import read_capture
from tests.support.ports import free_port
from tests.support.postgresql import SUPERUSER_PASSWORD, Server, running_server
from tests.support.relay import Relay

BIG = "create table big (id int, filler text); insert into big select g, repeat(md5(g::text), 20) from generate_series(1, 60000) g;"


@pytest.fixture
def pg(postgresql_15: Server) -> Server:
    return postgresql_15


@pytest.fixture(scope="session")
def big(postgresql_15: Server) -> str:
    return postgresql_15.new_database(BIG)


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that a test may stop, and starts again."""
    with running_server(15) as server:
        yield server


def fail_to_open(source: object, kind: type[errors.DrorchError]) -> errors.DrorchError:
    with pytest.raises(kind) as caught, source.capture():  # type: ignore[attr-defined]
        pass
    assert type(caught.value) is kind
    return caught.value


def test_a_wrong_password(pg: Server, big: str, private: Path) -> None:
    error = fail_to_open(pg.source(pg.tcp_location(big, password="wr0ng-canary"), private), errors.SourceLoginFailed)
    assert "wr0ng-canary" not in repr(error) + error.found + error.hint


def test_a_wrong_account(pg: Server, big: str, private: Path) -> None:
    fail_to_open(pg.source(pg.location(big, user="nobody_here"), private), errors.SourceLoginFailed)


def test_a_wrong_database(pg: Server, private: Path) -> None:
    fail_to_open(pg.source(pg.location("no_such_database"), private), errors.SourceMissing)


def test_nobody_listens(pg: Server, big: str, private: Path) -> None:
    fail_to_open(pg.source(pg.tcp_location(big, port=free_port()), private), errors.SourceUnreachable)


def test_a_host_that_never_answers_ends_in_time(pg: Server, big: str, private: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        started = time.monotonic()
        location = pg.tcp_location(big, port=silent.getsockname()[1])
        fail_to_open(pg.source(location, private, connect_timeout_seconds=1), errors.SourceUnreachable)
        assert time.monotonic() - started < 40


def test_a_certificate_of_somebody_else(pg: Server, big: str, private: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = make_certificates(tmp_path / "other")
    error = fail_to_open(pg.source(pg.tcp_location(big, tls_authority=other), private), errors.SourceUnreachable)
    assert "SSL error" in error.found
    assert "authority" in error.hint


def test_a_certificate_of_another_name(pg: Server, big: str, private: Path) -> None:
    error = fail_to_open(pg.source(pg.tcp_location(big, host="localhost"), private), errors.SourceUnreachable)
    assert "localhost" in error.found


def test_an_expired_certificate(own_server: Server, private: Path) -> None:
    make_certificates(own_server.directory, valid_days=-1)
    own_server.stop("fast")
    own_server.start()
    error = fail_to_open(own_server.source(own_server.tcp_location("postgres"), private), errors.SourceUnreachable)
    assert "certificate verify failed" in error.found


def test_a_server_without_tls_needs_a_decision(postgresql_18: Server, private: Path) -> None:
    location = postgresql_18.tcp_location("postgres", tls="verify-full")
    error = fail_to_open(postgresql_18.source(location, private), errors.SourceUnreachable)
    assert "tls: none" in error.hint


def test_tls_protects_the_capture(pg: Server, big: str, private: Path) -> None:
    with pg.source(pg.tcp_location(big), private).capture() as capture:
        assert capture.facts["encrypted_connection"] is True
        assert read_capture(capture).blobs["table/public.big"].count(b"\n") == 60_000


def test_a_time_out_of_the_role_does_not_cut_the_capture(pg: Server, big: str, private: Path) -> None:
    pg.run("drop role if exists hasty; create role hasty superuser login; alter role hasty set statement_timeout = 10")
    pg.run("alter role hasty set client_encoding = 'LATIN1'; alter role hasty set bytea_output = 'escape'")
    with pg.source(pg.location(big, user="hasty"), private).capture() as capture:
        assert read_capture(capture).blobs["table/public.big"].count(b"\n") == 60_000


def test_a_lock_that_is_held_is_named(pg: Server, private: Path) -> None:
    name = pg.new_database("create table free (i int); create table taken (i int);")
    with pg.connect(name, application_name="the holder") as holder:
        holder.execute("begin; lock table taken in access exclusive mode")
        started = time.monotonic()
        error = fail_to_open(pg.source(pg.location(name), private, lock_timeout_seconds=1), errors.SourceLocked)
        assert time.monotonic() - started < 60
    assert "public.taken" in error.found
    assert "the holder" in error.found
    assert "free" not in error.found


def test_too_few_locks_are_told_before_the_run(private: Path) -> None:
    with running_server(15, settings="max_locks_per_transaction = 10\nmax_connections = 20\n") as server:
        name = server.new_database("".join(f"create table t{number} (i int);" for number in range(210)))
        error = fail_to_open(server.source(server.location(name), private), errors.SourceLocked)
        assert "max_locks_per_transaction = " in error.hint
        value = int(error.hint.split("= ")[1].split(" ")[0])
        assert value * 20 > 210


def test_a_server_that_dies_in_the_middle(own_server: Server, private: Path) -> None:
    name = own_server.new_database(BIG)
    with own_server.source(own_server.location(name), private).capture() as capture:
        stream = next(stream for stream in capture.streams() if stream.kind is StreamKind.TABLE)
        with capture.open(stream) as pieces:
            next(pieces)
            own_server.stop("immediate")
            with pytest.raises(errors.SourceUnreachable):
                for _piece in pieces:
                    pass
    own_server.start()


def test_a_session_that_is_terminated_in_the_middle(pg: Server, big: str, private: Path) -> None:
    with pg.source(pg.location(big), private, application="to be ended").capture() as capture:
        stream = capture.streams()[-1]
        with capture.open(stream) as pieces:
            next(pieces)
            pg.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'to be ended'")
            with pytest.raises(errors.SourceError):
                for _piece in pieces:
                    pass


def test_abort_is_heard_at_once(pg: Server, big: str, private: Path) -> None:
    with pg.source(pg.location(big), private).capture() as capture:
        session = next(iter(capture.streams()))
        assert session.kind is StreamKind.SCHEMA
        threading.Timer(0.3, capture.abort).start()
        started = time.monotonic()
        with pytest.raises(errors.Interrupted):
            capture.ask("select pg_sleep(90)::text")
        assert time.monotonic() - started < 30  # at once, on a machine that is free
        with pytest.raises(errors.Interrupted), capture.open(capture.streams()[-1]) as pieces:
            for _piece in pieces:
                pass


def test_a_capture_that_grows_too_old_lets_the_server_vacuum(pg: Server, big: str, private: Path) -> None:
    source = pg.source(pg.location(big), private, max_snapshot_age_seconds=3, application="too old")
    with source.capture() as capture:
        wait_until_left(pg, "too old")
        with pytest.raises(errors.SourceStalled), capture.open(capture.streams()[-1]) as pieces:
            list(pieces)


def test_a_silent_server_is_a_stall(pg: Server, big: str, private: Path) -> None:
    with pg.source(pg.location(big), private, stall_timeout_seconds=3).capture() as capture:
        started = time.monotonic()
        with pytest.raises(errors.SourceStalled):
            capture.ask("select pg_sleep(90)::text")
        assert time.monotonic() - started < 45


def wait_until_left(server: Server, application: str) -> None:
    deadline = time.monotonic() + 60
    while server.run(f"select 1 from pg_stat_activity where application_name = '{application}'"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def the_dumper_waits(server: Server, name: str) -> Iterator[psycopg.Connection[Any]]:
    """Hold what pg_dump reads and the session of a capture does not: the program is there until this ends, or is rolled back."""
    with server.connect(name) as holder:
        holder.execute("begin; lock table pg_catalog.pg_ts_template in access exclusive mode")
        yield holder


def child_processes() -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text()
            except OSError:
                continue
            if int(status.rpartition(")")[2].split()[1]) == os.getpid() and "(pg_dump)" in status:
                found.append(int(entry.name))
    return found


def test_a_killed_dumper_gives_no_schema(pg: Server, private: Path) -> None:
    name = pg.new_database("create table t (i int primary key)")
    with (
        pg.source(pg.location(name), private).capture() as capture,
        the_dumper_waits(pg, name),
        capture.open(capture.streams()[0]) as pieces,
    ):
        killer = threading.Thread(target=kill_first_child)
        killer.start()
        with pytest.raises(errors.CaptureFailed):
            for _piece in pieces:
                pass
        killer.join()


def kill_first_child() -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in child_processes():
            os.kill(child, signal.SIGKILL)
            return
        time.sleep(0.005)


def test_nothing_is_left_running(pg: Server, big: str, private: Path) -> None:
    with pg.source(pg.location(big), private, application="leftover").capture() as capture:
        for stream in capture.streams():
            with capture.open(stream) as pieces:
                next(pieces, None)
    assert child_processes() == []
    wait_until_left(pg, "leftover")
    assert list(private.iterdir()) == []


def test_the_password_is_in_no_argument_and_no_environment(pg: Server, big: str, private: Path) -> None:
    seen: list[bytes] = []
    done = threading.Event()

    def watch(holder: psycopg.Connection[Any]) -> None:
        while not done.is_set():
            for child in child_processes():
                for part in ("cmdline", "environ"):
                    with suppress(OSError):
                        seen.append(Path(f"/proc/{child}/{part}").read_bytes())
            if any(b"--schema-only" in found for found in seen):
                holder.rollback()

    with pg.source(pg.tcp_location(big), private).capture() as capture, the_dumper_waits(pg, big) as holder:
        watcher = threading.Thread(target=watch, args=(holder,))
        watcher.start()
        try:
            content = read_capture(capture)
        finally:
            done.set()
            watcher.join()
    assert any(b"--schema-only" in found for found in seen)
    canary = b"super-canary-5f1e"
    assert not any(
        canary in found for found in [*seen, Path("/proc/self/cmdline").read_bytes(), *content.blobs.values()]
    )


def test_a_probe_cannot_change_anything(pg: Server, big: str, private: Path) -> None:
    with pg.source(pg.location(big), private).capture() as capture:
        assert capture.ask("select count(*) from big") == "60000"
        assert capture.ask("select null") == ""
        for sql in ("delete from big", "select 1; drop table big", "select 1, 2", "select * from missing"):
            with pytest.raises(errors.CaptureFailed):
                capture.ask(sql)
        assert capture.ask("select count(*) from big") == "60000"


def test_a_connection_that_is_cut_anywhere(pg: Server, private: Path) -> None:
    """Cut after n bytes of the server, for n through the whole life: an error every time, never a short stream."""
    name = pg.new_database(
        "create table t (a int primary key, b text); insert into t select g, md5(g::text) from generate_series(1, 900) g"
    )
    with Relay(pg, None) as relay:
        whole = all_through(relay, pg, name, private)
        total = relay.sent
    assert len(whole["table/public.t"].splitlines()) == 900
    for step in range(24):
        with Relay(pg, total * step // 24) as relay, pytest.raises(errors.SourceError):
            all_through(relay, pg, name, private)


def all_through(relay: Relay, server: Server, name: str, private: Path) -> dict[str, bytes]:
    location = PostgresqlLocation(host=str(relay.directory), port=server.port, user="postgres", database=name)
    with server.source(location, private).capture() as capture:
        return read_capture(capture).blobs


def test_waiting_ddl_does_not_stop_a_capture(pg: Server, private: Path) -> None:
    name = pg.new_database("create table t (a int); insert into t select generate_series(1, 1000)")
    with pg.source(pg.location(name), private).capture() as capture:
        schema, *_others, table = capture.streams()
        with capture.open(schema) as pieces:
            list(pieces)
        changer = threading.Thread(target=pg.run, args=("alter table t add column b int", name))
        changer.start()
        while not pg.run("select 1 from pg_locks where not granted and mode = 'AccessExclusiveLock'"):
            time.sleep(0.05)
        with capture.open(table) as pieces:
            assert b"".join(pieces).count(b"\n") == 1000
        assert changer.is_alive()
        assert capture.ask("select count(*) from t") == "1000"
    changer.join(60)
    assert not changer.is_alive()


def test_abort_ends_the_dumper_and_says_so(pg: Server, private: Path) -> None:
    name = pg.new_database("create table t (i int primary key)")
    with pg.source(pg.location(name), private).capture() as capture, the_dumper_waits(pg, name):
        stopper = threading.Thread(target=abort_when_dumping, args=(capture,))
        stopper.start()
        with pytest.raises(errors.Interrupted), capture.open(capture.streams()[0]) as pieces:
            for _piece in pieces:
                pass
        stopper.join()
        assert child_processes() == []


def abort_when_dumping(capture: Capture) -> None:
    while not child_processes():
        time.sleep(0.002)
    capture.abort()


def test_streams_can_be_read_by_several_threads(pg: Server, private: Path) -> None:
    name = pg.new_database(
        "".join(
            f"create table t{number} as select g, md5(g::text) from generate_series(1, 2000) g;" for number in range(12)
        )
    )
    with pg.source(pg.location(name), private, jobs=3).capture() as capture:
        assert capture.parallel == 3

        def read(stream: StreamSpec) -> tuple[str, bytes]:
            with capture.open(stream) as pieces:
                return stream.name, b"".join(pieces)

        with ThreadPoolExecutor(3) as pool:
            found = dict(pool.map(read, capture.streams()))
        assert found == read_capture(capture).blobs


def test_roles_travel_with_their_passwords_only_when_asked(pg: Server, big: str, private: Path) -> None:
    pg.run(
        "drop role if exists hashed; create role hashed login password 'x' connection limit 3; grant pg_monitor to hashed; alter role hashed set work_mem = '5MB'"
    )
    for choice, is_there in ((RolesChoice.WITHOUT_PASSWORDS, False), (RolesChoice.WITH_PASSWORDS, True)):
        with (
            pg.source(pg.location(big), private, roles=choice).capture() as capture,
            capture.open(capture.streams()[1]) as pieces,
        ):
            lines = [json.loads(line) for line in b"".join(pieces).splitlines()]
        role = next(line for line in lines if line["kind"] == "role" and line["name"] == "hashed")
        assert ("password" in role) is is_there
        assert role["connection_limit"] == 3
        assert {"kind": "membership", "role": "pg_monitor", "member": "hashed", "admin": False} in lines
        assert {"kind": "setting", "role": "hashed", "name": "work_mem", "value": "5MB"} in lines
    with pg.source(pg.location(big), private, roles=RolesChoice.NONE).capture() as capture:
        assert "roles" not in [stream.name for stream in capture.streams()]


def test_a_password_is_asked_for_once(pg: Server, big: str, private: Path) -> None:
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        return SUPERUSER_PASSWORD

    with pg.source(pg.tcp_location(big, password=ask), private).capture() as capture:
        read_capture(capture)
    assert len(asked) == 1


def test_a_server_without_a_dumper_is_told_what_to_install(pg: Server, big: str, tmp_path: Path) -> None:
    source = PostgresqlSource(pg.location(big), CaptureOptions(), PostgresqlTools(directory=tmp_path), SystemClock())
    error = fail_to_open(source, errors.SourceUnsupported)
    assert "postgresql-client-15" in error.hint
    assert [finding.level for finding in source.examine()][1] is Level.FAIL

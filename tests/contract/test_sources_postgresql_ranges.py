"""A large table is read by several sessions, a range of its pages each in turn: the same bytes as by one, and the same errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drorch import errors
from drorch.sources.interface import Capture, StreamSpec
from drorch.sources.postgresql import inventory, page_ranges
from tests.support.memory_content import read_capture
from tests.support.postgresql import Server

WIDE = "create table wide (id int, filler text); insert into wide select g, repeat(md5(g::text), 1 + g % 30) from generate_series(1, 20000) g;"
PATIENCE_SECONDS = 60


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "RANGE_PAGES", 7)
    monkeypatch.setattr(page_ranges, "AHEAD_BYTES", 20_000)


@pytest.fixture
def pg(postgresql_15: Server) -> Server:
    return postgresql_15


def table_of(capture: Capture) -> StreamSpec:
    return capture.streams()[-1]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)


def readers_of(server: Server, application: str) -> int:
    """How many sessions read a range or wait until its rows are taken."""
    query = "select count(*) from pg_stat_activity where application_name = %s and query like 'copy (select%%ctid%%'"
    return int(server.run(query.replace("%s", f"'{application}'").replace("%%", "%"))[0][0])


def take_until(pieces: Iterator[bytes | bytearray | memoryview], condition: Callable[[], bool]) -> None:
    """Take some at once, so that there is waiting for the next; then leave another session the time to begin."""
    while not condition():
        for _ in range(10):
            next(pieces)
        time.sleep(0.3)


def range_threads() -> int:
    return sum(thread.name == "range" for thread in threading.enumerate())


def test_the_rows_are_those_of_one_session_in_their_order(server: Server, private: Path) -> None:
    """With pages that hold nothing any more, at the front, in the middle and at the end."""
    name = server.new_database(WIDE)
    server.run("delete from wide where id < 500 or id between 7000 and 12000 or id > 19000", name)
    blobs = []
    for jobs in (1, 2, 5):
        with server.source(server.location(name), private, jobs=jobs).capture() as capture:
            blobs.append(read_capture(capture).blobs["table/public.wide"])
    assert blobs[0].count(b"\n") == 20_000 - 499 - 5_001 - 1_000
    assert blobs[1:] == [blobs[0]] * 2


def test_several_sessions_read_when_no_other_stream_is_left(pg: Server, private: Path) -> None:
    name = pg.new_database(WIDE)
    with pg.source(pg.location(name), private, jobs=2, application="several").capture() as capture:
        *others, wide = capture.streams()
        with capture.open(wide) as pieces:
            for _ in range(20):
                next(pieces)
                assert readers_of(pg, "several") == 1
            for other in others:
                with capture.open(other) as definitions:
                    list(definitions)
            take_until(pieces, lambda: readers_of(pg, "several") == 2)
            next(pieces)  # in the midst of the table
        assert range_threads() == 0  # they left with who took


def test_two_tables_are_read_by_threads_of_their_own(pg: Server, private: Path) -> None:
    name = pg.new_database(WIDE + WIDE.replace("wide", "broad"))
    with pg.source(pg.location(name), private, jobs=2, application="own").capture() as capture:
        expected = read_capture(capture).blobs

        def read(stream: StreamSpec) -> tuple[str, bytes]:
            with capture.open(stream) as pieces:
                return stream.name, b"".join(pieces)

        with ThreadPoolExecutor(2) as pool:
            found = dict(pool.map(read, capture.streams()))
        assert found == expected


def test_waiting_ddl_does_not_stop_it(pg: Server, private: Path) -> None:
    name = pg.new_database(WIDE)
    with pg.source(pg.location(name), private, jobs=2).capture() as capture:
        changer = threading.Thread(target=pg.run, args=("alter table wide add column b int", name))
        changer.start()
        wait_for(lambda: bool(pg.run("select 1 from pg_locks where not granted and mode = 'AccessExclusiveLock'")))
        with capture.open(table_of(capture)) as pieces:
            assert b"".join(pieces).count(b"\n") == 20_000
        assert changer.is_alive()
    changer.join(PATIENCE_SECONDS)
    assert not changer.is_alive()


def test_a_session_that_ends_in_the_middle_fails_the_stream(pg: Server, private: Path) -> None:
    name = pg.new_database(WIDE)
    with pg.source(pg.location(name), private, jobs=3, application="ends").capture() as capture:
        with capture.open(table_of(capture)) as pieces:
            next(pieces)
            wait_for(lambda: readers_of(pg, "ends") > 0)
            ended = pg.run(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'ends' and query like '%ctid%'"
            )
            assert ended[0][0] > 0
            with pytest.raises(errors.SourceError):
                for _piece in pieces:
                    pass
        assert range_threads() == 0


def test_no_room_for_another_session_is_no_failure(postgresql_15: Server, private: Path) -> None:
    """The definitions need three sessions of the account; the rows could use five and do with as many as there are."""
    server = postgresql_15
    name = server.new_database(WIDE)
    server.run("drop role if exists narrow")
    server.run("create role narrow login superuser password 'narrow-canary-7c1d' connection limit 3")
    try:
        server.run("alter role narrow nosuperuser; grant pg_read_all_data to narrow")
        location = server.location(name, user="narrow", password=lambda: "narrow-canary-7c1d")
        with server.source(location, private, jobs=4).capture() as capture:
            assert read_capture(capture).blobs["table/public.wide"].count(b"\n") == 20_000
    finally:
        server.run("drop role narrow")


@pytest.mark.parametrize("jobs", [2, 4])
def test_a_large_value_far_ahead_waits_for_its_turn(pg: Server, private: Path, jobs: int) -> None:
    name = pg.new_database(WIDE)
    pg.run("update wide set filler = repeat('y', 300000) where id % 4000 = 0", name)
    with pg.source(pg.location(name), private, jobs=jobs).capture() as capture:
        whole = read_capture(capture).blobs["table/public.wide"]
    assert whole.count(b"\n") == 20_000
    assert whole.count(b"y" * 300_000) == 5

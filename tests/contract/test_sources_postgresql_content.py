"""Contents at the limits: encodings, widths, sizes, numbers of tables, parts of a table, concurrent writers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from drorch import errors
from drorch.sources.interface import RestoreChoices, StreamKind
from drorch.sources.postgresql.copy_reader import row_reader
from tests.support.memory_content import MemoryContent, SilentObserver, read_capture
from tests.support.postgresql import Server, running_server
from tests.support.postgresql_zoo import assert_same_contents, schema_difference
from tests.support.unprivileged import account, give, private_directory, unprivileged

WHEN = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
TCVN3 = b"Nguy\xd4n V\xa8n \xb9\xb8\xff"  # "Nguyễn Văn ..." as the nineties wrote it: no UTF-8


@pytest.fixture
def pg(postgresql_15: Server) -> Server:
    return postgresql_15


def take(server: Server, name: str, private: Path, **options: Any) -> MemoryContent:
    with server.source(server.location(name), private, **options).capture() as capture:
        return read_capture(capture)


def round_trip(server: Server, name: str, private: Path, **options: Any) -> MemoryContent:
    content = take(server, name, private, **options)
    server.target(server.location(f"{name}_back")).restore(content, RestoreChoices(), SilentObserver())
    return content


def test_an_empty_database(server: Server, private: Path) -> None:
    name = server.new_database()
    content = round_trip(server, name, private)
    assert schema_difference(server, name, f"{name}_back") == ""
    assert [stream.kind for stream in content.specs] == [StreamKind.SCHEMA, StreamKind.ROLES]


def test_bytes_of_an_old_code_page_in_an_sql_ascii_database(server: Server, private: Path) -> None:
    name = server.new_database(
        options="encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0", prefix="ascii"
    )
    script = b'create table "b\xd4ng" ("c\xa8t" text); insert into "b\xd4ng" values (\'%s\'); comment on table "b\xd4ng" is \'%s\'; create index "chi m\xf4c" on "b\xd4ng" ("c\xa8t");'
    server.run(b"set client_encoding = 'SQL_ASCII'; " + script % (TCVN3, TCVN3), name)
    content = round_trip(server, name, private)
    stream = next(spec for spec in content.specs if spec.kind is StreamKind.TABLE)
    assert stream.name == "table/public.b%D4ng"
    assert stream.name.isprintable()
    assert content.blobs[stream.name] == TCVN3 + b"\n"
    told = b'select * from "b\xd4ng"'
    for database in (name, f"{name}_back"):
        with server.connect(database, client_encoding="SQL_ASCII") as connection:
            assert connection.execute(told).fetchone() == (TCVN3,)
            comment = connection.execute(
                "select obj_description(oid) from pg_class where relname like 'b%ng'"
            ).fetchone()
            assert comment == (TCVN3,)
    server.run("select 1", f"{name}_back")
    restored = server.target(server.location(f"{name}_part")).restore(
        content, RestoreChoices(tables=('public."b\udcd4ng"',)), SilentObserver()
    )
    assert restored.rows == 1


def test_a_latin1_database(pg: Server, private: Path) -> None:
    name = pg.new_database(options="encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0", prefix="latin")
    pg.run(
        "set client_encoding = 'LATIN1'; create table \"café\" (a text); insert into \"café\" values ('crème')".encode(
            "latin-1"
        ),
        name,
    )
    content = round_trip(pg, name, private)
    assert content.blobs["table/public.café"] == "crème\n".encode("latin-1")
    with pg.connect(f"{name}_back", client_encoding="UTF8") as connection:
        assert connection.execute('select a from "café"').fetchall() == [("crème",)]


def test_1600_columns(server: Server, private: Path) -> None:
    columns = ", ".join(f"c{number} int" for number in range(1600))
    name = server.new_database(f"create table wide ({columns}); insert into wide (c0, c1599) values (1, 2), (3, 4)")
    round_trip(server, name, private)
    assert server.run("select c0, c1599, c7 from wide order by 1", f"{name}_back") == [(1, 2, None), (3, 4, None)]


def test_a_value_of_32_mib(pg: Server, private: Path) -> None:
    name = pg.new_database("create table t (id int, v bytea, w text)")
    pg.run(
        "insert into t select 1, decode(repeat('00ff0a5c', 8388608), 'hex'), null union all select 2, null, repeat(E'\\\\\\n', 8000000)",
        name,
    )
    sums = "select id, md5(v), length(v), md5(w), length(w) from t order by 1"
    content = round_trip(pg, name, private)
    assert pg.run(sums, f"{name}_back") == pg.run(sums, name)
    assert content.blobs["table/public.t"].count(b"\n") == 2


@pytest.mark.slow
def test_a_value_that_the_server_cannot_send_is_named(pg: Server, private: Path) -> None:
    name = pg.new_database(
        "create table t (id int primary key, small text, v bytea); alter table t alter v set storage external"
    )
    pg.run(
        "insert into t select 1, 'x', '\\x00'; insert into t select 42, 'y', x || x from (select decode(repeat('ab', 280 * 1024 * 1024), 'hex') as x) big",
        name,
    )
    with pg.source(pg.location(name), private).capture() as capture:
        stream = capture.streams()[-1]
        with pytest.raises(errors.CaptureFailed) as caught, capture.open(stream) as pieces:
            for _piece in pieces:
                pass
    assert "public.t" in caught.value.message
    assert "column v" in caught.value.found
    assert "(42)" in caught.value.found
    assert "587 MB" in caught.value.found


def test_a_large_table_is_read_in_parts_that_stay_the_same(server: Server, private: Path) -> None:
    name = server.new_database(
        "create table t (a int, b text); insert into t select g, repeat('x', 100) from generate_series(1, 9000) g; create table small (a int)"
    )
    content = round_trip(server, name, private, split_size_bytes=300_000)
    parts = [spec.name for spec in content.specs if spec.name.startswith("table/public.t#")]
    if server.major < 14:
        assert parts == []  # such a server would read the whole table for each part
    else:
        assert parts[:2] == ["table/public.t#0000", "table/public.t#0001"]
        assert len(parts) > 3
        assert sum(content.blobs[part].count(b"\n") for part in parts) == 9000
    assert_same_contents(server, name, f"{name}_back")
    again = take(server, name, private, split_size_bytes=300_000)
    assert again.blobs == content.blobs


def test_the_same_content_is_the_same_bytes(server: Server, private: Path) -> None:
    name = server.new_database(
        "create table t (a serial primary key, b float8); insert into t (b) select g / 7.0 from generate_series(1, 300) g"
    )
    assert take(server, name, private).blobs == take(server, name, private).blobs


def test_excluded_rows_stay_behind_and_are_told(pg: Server, private: Path) -> None:
    name = pg.new_database(
        "create schema audit; create table audit.log (a int); insert into audit.log values (1); create table kept (a int); insert into kept values (2)"
    )
    content = round_trip(pg, name, private, exclude_data=("audit.*",))
    assert content.facts["excluded_data"] == ["audit.log"]
    assert pg.run("select (select count(*) from audit.log), (select count(*) from kept)", f"{name}_back") == [(0, 1)]


def test_an_extensions_configuration_rows_travel(pg: Server, private: Path) -> None:
    """Any extension with ``pg_extension_config_dump`` will do; this one is made by hand."""
    name = pg.new_database(
        "create table conf (k text, v text); create extension pg_trgm; alter extension pg_trgm add table conf;"
    )
    pg.run(
        "update pg_extension set extconfig = array['conf'::regclass::oid], extcondition = array['where k <> ''builtin'''] where extname = 'pg_trgm'",
        name,
    )
    pg.run("insert into conf values ('builtin', '1'), ('mine', '2')", name)
    content = take(pg, name, private)
    assert content.blobs["table/public.conf"] == b"mine\t2\n"
    assert b'"name":"conf"' not in content.blobs["schema"]


@pytest.mark.parametrize(("captures", "restored"), [(8, 1), pytest.param(20, 20, marks=pytest.mark.slow)])
def test_a_sum_stays_constant_under_writers(pg: Server, private: Path, captures: int, restored: int) -> None:
    """Writers move amounts between 50 tables, and DDL goes on beside: every capture has the whole sum."""
    name = pg.new_database(
        "".join(f"create table t{number} (amount bigint); insert into t{number} values (1000);" for number in range(50))
        + "create table extra (a int)"
    )
    stop = threading.Event()
    moved = [0, 0]
    with contextlib.ExitStack() as stack:
        for work in (move_amounts, change_definitions):
            thread = threading.Thread(target=work, args=(pg, name, stop, moved))
            thread.start()
            stack.callback(thread.join)
        stack.callback(stop.set)
        for number in range(captures):
            content = take(pg, name, private)
            total = sum(int(blob) for stream, blob in content.blobs.items() if stream.startswith("table/public.t"))
            assert total == 50_000
            if number >= captures - restored:
                back = f"{name}_back_{number}"
                pg.target(pg.location(back)).restore(content, RestoreChoices(), SilentObserver())
                union = " union all ".join(f"select amount from t{table}" for table in range(50))
                assert pg.run(f"select sum(amount) from ({union}) x", back) == [(Decimal(50_000),)]
    assert moved[0] > 20
    assert moved[1] > 5


def move_amounts(server: Server, name: str, stop: threading.Event, moved: list[int]) -> None:
    with server.connect(name) as connection:
        step = 0
        while not stop.wait(0.002):  # the processor is the capture's, too
            step += 1
            one, other = step * 7 % 50, (step * 13 + 1) % 50
            connection.execute(
                f"begin; update t{one} set amount = amount - 5; update t{other} set amount = amount + 5; commit".encode()
            )
            moved[0] += 1


def change_definitions(server: Server, name: str, stop: threading.Event, moved: list[int]) -> None:
    with server.connect(name) as connection:
        step = 0
        while not stop.wait(0.01):
            step += 1
            with contextlib.suppress(psycopg.errors.LockNotAvailable):
                connection.execute(
                    f"set lock_timeout = '1s'; drop table extra; create table extra (a{step} int)".encode()
                )
                moved[1] += 1


def test_5000_tables(pg: Server, private: Path) -> None:
    loop = """do $$ begin for i in 1..5000 loop
        execute format('create table s%s.t%s (id int primary key, v text)', i % 10, i);
        if i % 500 = 0 then commit; end if;  -- initdb gives fewer connections, and so fewer locks, on a crowded machine
    end loop; end $$"""
    with running_server(15, settings="max_locks_per_transaction = 200\nmax_connections = 50\n") as server:
        name = server.new_database("".join(f"create schema s{number};" for number in range(10)))
        server.run(loop, name)
        server.run("insert into s1.t1 values (7, 'seven')", name)
        content = round_trip(server, name, private)
        assert len(content.specs) == 5002
        assert server.run(
            "select count(*) from pg_constraint where contype = 'p' and conname ~ '^t[0-9]+_pkey$'", f"{name}_back"
        ) == [(5000,)]
        assert server.run("select v from s1.t1", f"{name}_back") == [("seven",)]


@pytest.fixture
def standby(postgresql_15: Server) -> Iterator[Server]:
    primary = postgresql_15
    with private_directory("drorch-standby-") as directory:
        arguments = [primary.programs / "pg_basebackup", "-h", primary.sockets, "-p", primary.port, "-U", "postgres"]
        unprivileged([*arguments, "-D", directory / "data", "-R", "-c", "fast", "-X", "stream", "--no-sync"])
        with (directory / "data" / "postgresql.conf").open("a") as file:
            file.write(f"\nunix_socket_directories = '{directory}'\nhot_standby = on\nhot_standby_feedback = on\n")
        give(directory / "data")
        port = primary.port
        server = Server(major=15, programs=primary.programs, directory=directory, port=port, authority=None)
        with (directory / "data" / "postgresql.conf").open("a") as file:
            file.write("listen_addresses = ''\n")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def test_a_standby_gives_the_restore_point_of_its_primary(standby: Server, pg: Server, private: Path) -> None:
    assert account().pw_uid > 0
    name = pg.new_database(
        "create table t (a int); insert into t values (1); create unlogged table u (a int); insert into u values (1);"
    )
    wait_for(standby, name)
    content = take(standby, name, private)
    assert content.facts["standby"] is True
    assert content.facts["unlogged_without_data"] == ["public.u"]
    assert content.blobs["table/public.t"] == b"1\n"
    assert "table/public.u" not in content.blobs
    standby.run("select pg_wal_replay_pause()")
    pg.run("insert into t values (2)", name)
    while standby.run("select pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()") == [(True,)]:
        threading.Event().wait(0.05)
    late = standby.source(standby.location(name), private, max_lag_seconds=0)
    with pytest.raises(errors.StandbyLag), late.capture():
        pass
    with late_enough(standby, name, private) as capture:
        behind = (
            float(pg.run("select extract(epoch from clock_timestamp())::float8")[0][0])
            - capture.restore_point.timestamp()
        )
        assert 0 < behind < 600
    standby.run("select pg_wal_replay_resume()")


def late_enough(standby: Server, name: str, private: Path) -> Any:
    return standby.source(standby.location(name), private, max_lag_seconds=600).capture()


def wait_for(standby: Server, name: str) -> None:
    for _attempt in range(600):
        with contextlib.suppress(psycopg.Error):
            standby.run("select * from t", name)
            return
        threading.Event().wait(0.1)
    raise AssertionError("the standby does not follow")


@pytest.mark.parametrize(
    ("major", "options"),
    [
        (15, "template template0 locale_provider icu icu_locale 'vi' locale 'C.UTF-8'"),
        (18, "template template0 locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'"),
        (18, "template template0 locale_provider builtin builtin_locale 'PG_UNICODE_FAST' locale 'C'"),
    ],
)
def test_the_locale_of_the_database_is_kept(
    major: int, options: str, request: pytest.FixtureRequest, private: Path
) -> None:
    server: Server = request.getfixturevalue(f"postgresql_{major}")
    name = server.new_database("create table t (a text); insert into t values ('ă'), ('b'), ('a')", options=options)
    round_trip(server, name, private)
    assert schema_difference(server, name, f"{name}_back") == ""


def test_a_name_that_needs_quotes(pg: Server, private: Path) -> None:
    pg.run('create database "wei""rd \'đất\' 🗺"')
    pg.run("create table t (a int)", "wei\"rd 'đất' 🗺")
    content = take(pg, "wei\"rd 'đất' 🗺", private)
    for _time in range(2):
        pg.target(pg.location("wei\"rd 'đất' 🗺")).restore(
            content, RestoreChoices(replace=True, started_at=WHEN), SilentObserver()
        )
    assert pg.run("select count(*) from pg_database where datname like 'wei%before%'") == [(2,)]


def test_an_account_that_is_no_superuser_restores_its_own(pg: Server, private: Path) -> None:
    pg.run("drop role if exists restorer; create role restorer login createdb")
    name = pg.new_database(
        "create extension pg_trgm; create table t (id serial primary key, v text); insert into t (v) values ('x'); grant select on t to public; create schema s; create view s.v as select * from t"
    )
    pg.run(f"alter database {name} set work_mem = '7MB'")
    content = take(pg, name, private)
    target = pg.target(pg.location(f"{name}_back", user="restorer"))
    with pytest.raises(errors.DecisionNeeded) as caught:
        target.restore(content, RestoreChoices(), SilentObserver())
    assert "--no-owner" in caught.value.hint
    target.restore(content, RestoreChoices(no_owner=True), SilentObserver())
    assert pg.run("select pg_get_userbyid(relowner), relname from pg_class where relname = 't'", f"{name}_back") == [
        ("restorer", "t")
    ]
    assert pg.run("show work_mem", f"{name}_back") == [("7MB",)]


def test_a_locale_that_is_missing_can_be_replaced(pg: Server, private: Path) -> None:
    name = pg.new_database("create table t (a int)")
    content = take(pg, name, private)
    content.facts = {**content.facts, "collate": "zz_ZZ.UTF-8", "ctype": "zz_ZZ.UTF-8"}
    target = pg.target(pg.location(f"{name}_back"))
    with pytest.raises(errors.DecisionNeeded) as caught:
        target.restore(content, RestoreChoices(), SilentObserver())
    assert "zz_ZZ" in caught.value.found
    target.restore(content, RestoreChoices(locale="C"), SilentObserver())
    assert pg.run(f"select datcollate from pg_database where datname = '{name}_back'") == [("C",)]


ODD_ROWS = """
create table odd (id int, text text);
insert into odd select g, repeat(chr(32 + g % 90), (g * 37) % 700) from generate_series(1, 3000) g;
insert into odd values (-1, ''), (-2, null), (-3, E'\\t\\n\\\\'), (-4, repeat('wide', 5000)), (-5, repeat('x', 8192)), (-6, repeat('y', 3000000));
create table nothing (id int);
"""


def test_both_readers_of_copy_rows_give_the_same_bytes(
    pg: Server, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = pg.new_database(ODD_ROWS)
    used = []

    def read(connection: Any) -> Any:
        reader = row_reader(connection)
        used.append(reader is not None)
        return reader

    monkeypatch.setattr("drorch.sources.postgresql.session.row_reader", read)
    in_c = take(pg, name, private)
    assert used, "no table was read"
    assert all(used), "drorch/native was not compiled, or psycopg's libpq not found"
    monkeypatch.setattr("drorch.sources.postgresql.session.row_reader", lambda _: None)
    in_python = take(pg, name, private)
    assert in_c.blobs == in_python.blobs
    assert len(in_c.blobs["table/public.odd"]) > 4_000_000


def test_moments_in_definitions_are_in_utc_whatever_the_database_says(pg: Server, private: Path) -> None:
    name = pg.new_database(
        "create table log (at timestamptz) partition by range (at);"
        "create table log_1 partition of log for values from ('2026-01-01 07:00+07') to ('2027-01-01 07:00+07');"
    )
    pg.run(f"alter database {name} set timezone = 'Asia/Ho_Chi_Minh'")
    with pg.source(pg.location(name), private).capture() as capture:
        content = read_capture(capture)
    schema = b"".join(blob for stream, blob in content.blobs.items() if stream.startswith("schema"))
    assert b"2026-01-01 00:00:00+00" in schema
    assert b"+07" not in schema

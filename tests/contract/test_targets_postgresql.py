"""Restores into PostgreSQL: what is refused, what is kept, what comes back; judged by pg_dump and COPY."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from drorch import errors
from drorch.sources.interface import Bytes, Finding, Level, RestoreChoices, RestoreOutcome, StoredStream
from tests.support.installations import seeded
from tests.support.memory_content import MemoryContent, SilentObserver, read_capture
from tests.support.postgresql import Server
from tests.support.postgresql_zoo import assert_same_contents, contents, make_zoo, schema_difference

SMALL = """
create schema land; create type land.kind as enum ('a', 'b'); create function land.f(int) returns int language sql immutable as 'select $1';
create table land.unit (code text primary key, name text);
create table land.parcel (id serial primary key, unit text references land.unit, kind land.kind, n int default land.f(3), check (n > 0));
create index parcel_unit on land.parcel (unit); comment on index land.parcel_unit is 'by unit';
create function land.t() returns trigger language plpgsql as $$ begin raise exception 'fired'; end $$;
insert into land.unit values ('1', 'Đức Trọng'); insert into land.parcel (unit, kind) select '1', 'a' from generate_series(1, 3000);
create trigger no_more before insert on land.parcel for each row execute function land.t();
create table land.other (id int references land.parcel, k land.kind); create table public.extra (a int);
create view land.v as select * from land.parcel; comment on table land.parcel is 'thửa';
"""
WHEN = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)


@pytest.fixture
def pg(postgresql_15: Server) -> Server:
    return postgresql_15


def take(server: Server, name: str, private: Path, **options: Any) -> MemoryContent:
    with server.source(server.location(name), private, **options).capture() as capture:
        return read_capture(capture)


@pytest.fixture
def small(pg: Server, private: Path) -> tuple[str, MemoryContent]:
    name = pg.new_database(SMALL, prefix="small")
    return name, take(pg, name, private)


def restore(server: Server, name: str, content: MemoryContent, **choices: Any) -> RestoreOutcome:
    return server.target(server.location(name)).restore(
        content, RestoreChoices(started_at=WHEN, **choices), SilentObserver()
    )


def stops(server: Server, name: str, content: MemoryContent, **choices: Any) -> list[Finding]:
    found = server.target(server.location(name)).preflight(content, RestoreChoices(**choices))
    return [finding for finding in found if finding.level is Level.STOP]


def databases(server: Server) -> set[str]:
    return {row[0] for row in server.run("select datname from pg_database")}


def test_a_target_with_data_is_refused_and_untouched(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    before = contents(pg, name)
    there = databases(pg)
    with pytest.raises(errors.DecisionNeeded) as caught:
        restore(pg, name, content)
    assert "not empty" in caught.value.found
    assert "--replace" in caught.value.hint
    assert contents(pg, name) == before
    assert databases(pg) == there


def test_an_empty_database_is_filled_in_place(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    pg.run(f"create database {name}_made template template0")
    restore(pg, f"{name}_made", content)
    assert schema_difference(pg, name, f"{name}_made") == ""
    assert_same_contents(pg, name, f"{name}_made")


def test_replace_keeps_the_old_database(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    pg.run("insert into extra values (5)", name)
    pg.run(f"comment on database {name} is 'old'")
    outcome = restore(pg, name, content, replace=True)
    kept = f"{name}__before_20261122_0130"
    assert kept in databases(pg)
    assert pg.run("select a from extra", name) == []
    assert pg.run("select a from extra", kept) == [(5,)]
    undo = [line.strip() for line in outcome.lines if line.startswith("  ")]
    for statement in undo[:2]:
        pg.run(statement)
    assert pg.run("select a from extra", name) == [(5,)]


@pytest.mark.parametrize("trouble", ["closed", "broken"])
def test_a_database_that_nobody_can_open_is_replaced(
    pg: Server, small: tuple[str, MemoryContent], trouble: str
) -> None:
    name, content = small
    if trouble == "closed":
        pg.run(f"alter database {name} allow_connections false")
    else:
        ((oid,),) = pg.run(f"select oid from pg_database where datname = '{name}'")
        (pg.directory / f"data/base/{oid}/PG_VERSION").unlink()
    (stop,) = stops(pg, name, content)
    assert stop.text.startswith("the database cannot be opened: ")
    assert stop.remedy == "--replace keeps it under another name"
    restore(pg, name, content, replace=True)
    assert pg.run("select count(*) from land.parcel", name) == [(3_000,)]
    assert f"{name}__before_20261122_0130" in databases(pg)


def test_a_replace_that_fails_leaves_all_as_it_was(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    before, there = contents(pg, name), databases(pg)
    content.blobs["table/land.parcel"] = content.blobs["table/land.parcel"].replace(
        b"\ta\t", b"\tnot a kind secret\t", 1
    )
    with pytest.raises(errors.TargetRefused) as caught:
        restore(pg, name, content, replace=True)
    assert "land.parcel" in caught.value.message
    assert "secret" not in caught.value.message + caught.value.found
    assert "row 1" in caught.value.found
    assert contents(pg, name) == before
    assert databases(pg) == there


def test_a_row_that_is_missing_is_noticed(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    content.row_changes["table/land.parcel"] = 1
    with pytest.raises(errors.RestoreDiffers) as caught:
        restore(pg, f"{name}_back", content)
    assert "3,001" in caught.value.expected
    assert f"{name}_back" not in databases(pg)


def test_a_content_that_breaks_off_leaves_nothing(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    whole = content.open

    def broken(stream: StoredStream) -> Iterator[Bytes]:
        yield from whole(stream)
        if stream.spec.name == "table/land.unit":
            raise errors.RestoreDiffers("the digest is another one")

    content.open = broken  # type: ignore[method-assign]
    there = databases(pg)
    with pytest.raises(errors.RestoreDiffers):
        restore(pg, f"{name}_back", content)
    assert databases(pg) == there


def test_sessions_are_only_ended_when_asked(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    with pg.connect(name, application_name="at work") as connection:
        connection.execute("select 1")
        assert "at work" in stops(pg, name, content, replace=True)[0].text
        restore(pg, name, content, replace=True, terminate_sessions=True)
    assert f"{name}__before_20261122_0130" in databases(pg)


def test_a_rerun_removes_only_its_own_leftovers(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    mine, foreign = f"{name}__drorch_oldrun00", f"{name}__drorch_byhand00"
    pg.run(f"create database {mine}")
    pg.run(f"comment on database {mine} is 'drorch: a restore that is not finished (snapshot x)'")
    pg.run(f"create database {foreign}")
    pg.run("create table somebodys (a int)", foreign)
    restore(pg, name, content, replace=True)
    assert mine not in databases(pg)
    assert foreign in databases(pg)


def test_missing_roles_need_a_decision(pg: Server, private: Path) -> None:
    pg.run("create role goner; create role leaver")
    name = pg.new_database(
        "create table t (a int); alter table t owner to goner; grant select on t to leaver; create policy p on t to leaver"
    )
    content = take(pg, name, private)
    pg.run(f"drop database {name}")
    pg.run("drop role goner; drop role leaver")
    stop = stops(pg, name, content)[0]
    assert "goner" in stop.text
    assert "leaver" in stop.text
    assert "--create-roles" in stop.remedy
    owner = "select pg_get_userbyid(relowner), relacl::text from pg_class where relname = 't'"
    outcome = restore(pg, f"{name}_1", content, no_owner=True)
    assert pg.run(owner, f"{name}_1") == [("postgres", None)]
    assert "POLICY" in outcome.by_hand[0]
    restore(pg, f"{name}_2", content, map_roles={"goner": "postgres", "leaver": "pg_monitor"})
    assert pg.run(owner, f"{name}_2")[0][0] == "postgres"
    assert "pg_monitor=r/postgres" in pg.run(owner, f"{name}_2")[0][1]
    restore(pg, f"{name}_3", content, create_roles=True)
    assert pg.run(owner, f"{name}_3")[0][0] == "goner"
    assert pg.run("select rolcanlogin from pg_roles where rolname = 'goner'") == [(False,)]


def test_everything_in_the_way_is_told_at_once(pg: Server, small: tuple[str, MemoryContent]) -> None:
    _name, content = small
    content.facts = {
        **content.facts,
        "server_version_num": 170_002,
        "server_version": "17.2",
        "collate": "xx_XX.UTF-8",
        "extensions": [
            {"name": "pgtap", "version": "3.4", "schema": "public"},
            {"name": "plpgsql", "version": "1.0", "schema": "x"},
        ],
        "roles": ["nobody_of_that_name"],
    }
    found = stops(pg, "brand_new", content)
    told = "\n".join(f"{finding.text} | {finding.remedy}" for finding in found)
    for part in (
        "older than the source | --allow-older",
        "pgtap 3.4",
        "postgresql-15-pgtap",
        "xx_XX.UTF-8",
        "--locale",
        "nobody_of_that_name",
    ):
        assert part in told
    assert len(found) == 4
    assert "brand_new" not in databases(pg)


def test_one_table_comes_with_its_own(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    pg.run("drop table land.other; drop view land.v; drop table land.parcel; update land.unit set name = 'kept'", name)
    outcome = restore(pg, name, content, tables=("land.parcel",))
    assert pg.run("select count(*), max(id) from land.parcel", name) == [(3000, 3000)]
    assert pg.run("select name from land.unit", name) == [("kept",)]
    assert pg.run("select nextval('land.parcel_id_seq')", name) == [(3001,)]
    assert pg.run("select obj_description('land.parcel_unit'::regclass)", name) == [("by unit",)]
    told = "\n".join(outcome.by_hand)
    assert "parcel_unit_fkey" in told
    assert "land.unit" in told
    with pytest.raises(Exception, match="fired"):
        pg.run("insert into land.parcel default values", name)


def test_tables_that_refer_to_each_other_keep_their_foreign_key(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    outcome = restore(pg, f"{name}_part", content, tables=("land.parcel", "land.unit"))
    assert outcome.by_hand == ()
    keys = "select conname from pg_constraint where contype = 'f'"
    assert pg.run(keys, f"{name}_part") == [("parcel_unit_fkey",)]
    assert pg.run("select count(*) from pg_class where relname in ('other', 'v', 'extra')", f"{name}_part") == [(0,)]


def test_a_table_that_exists_is_refused(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    assert "land.parcel exists already" in stops(pg, name, content, tables=("land.parcel",))[0].text
    with pytest.raises(errors.DecisionNeeded):
        restore(pg, name, content, tables=("land.parcel",))
    with pytest.raises(errors.TargetRefused):
        restore(pg, name, content, tables=("land.no_such",))


def test_a_table_that_fails_leaves_nothing(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    pg.run("drop table land.other; drop view land.v; drop table land.parcel; drop type land.kind", name)
    content.row_changes["table/land.parcel"] = 7
    with pytest.raises(errors.RestoreDiffers):
        restore(pg, name, content, tables=("land.parcel",))
    assert pg.run("select to_regclass('land.parcel'), to_regtype('land.kind')", name) == [(None, None)]


def test_partitions_come_with_their_parent(server: Server, private: Path) -> None:
    name = make_zoo(server)
    content = take(server, name, private)
    restore(server, f"{name}_part", content, tables=("app.sales", "app.every", 'Địa chính."Thửa ""đất""\nmới 🗺"'))
    count = "select count(*), sum(amount) from app.sales"
    assert server.run(count, f"{name}_part") == server.run(count, name)
    assert server.run("select count(*) from app.every", f"{name}_part") == server.run(
        "select count(*) from app.every", name
    )
    assert server.run("select count(*) from pg_inherits where inhparent = 'app.sales'::regclass", f"{name}_part") == [
        (2,)
    ]


@pytest.mark.parametrize(
    ("older", "newer"),
    [pytest.param(11, 15, marks=pytest.mark.matrix), pytest.param(11, 18, marks=pytest.mark.matrix), (15, 18)],
)
def test_a_newer_server_takes_it(older: int, newer: int, request: pytest.FixtureRequest, private: Path) -> None:
    source: Server = request.getfixturevalue(f"postgresql_{older}")
    target: Server = request.getfixturevalue(f"postgresql_{newer}")
    name = make_zoo(source, with_xml=False)  # the wheel's server has no XML
    content = take(source, name, private)
    restore(target, name, content, create_roles=True)
    bits = "select id, float8send(d), float4send(r), float8send(ratio) from app.every order by id"
    assert source.run(bits, name) == target.run(bits, name)
    assert_same_contents(source, name, name, other_server=target)


def test_a_restore_that_is_stopped_leaves_the_old(pg: Server, private: Path) -> None:
    name = pg.new_database("create table t (a int); insert into t select generate_series(1, 200000)")
    content = take(pg, name, private)
    begun = threading.Event()

    class Stopper(SilentObserver):
        def advance(self, label: str, done: int, total: int | None, unit: str) -> None:
            if label == "rows" and done:
                begun.set()
                raise KeyboardInterrupt

    with pytest.raises(BaseException) as caught:
        pg.target(pg.location(name)).restore(content, RestoreChoices(replace=True), Stopper())
    assert begun.is_set()
    assert isinstance(caught.value, KeyboardInterrupt)
    assert not [other for other in databases(pg) if other.startswith(f"{name}__")]
    assert pg.run("select count(*) from t", name) == [(200000,)]


def test_jobs_that_would_run_by_themselves_are_told(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    content.facts = {**content.facts, "extensions": [{"name": "pg_cron", "version": "1.0", "schema": "x"}]}
    found = pg.target(pg.location(f"{name}_back")).preflight(content, RestoreChoices())
    assert [one for one in found if one.level is Level.NOTE and one.text.startswith("the jobs of pg_cron come back")]


def test_one_table_needs_only_its_own_extensions(pg: Server, small: tuple[str, MemoryContent]) -> None:
    name, content = small
    content.facts = {**content.facts, "extensions": [{"name": "pgtap", "version": "3.4", "schema": "public"}]}
    assert stops(pg, f"{name}_part", content, tables=("land.unit",)) == []
    assert stops(pg, f"{name}_part", content) != []


RESTORER = """
import pickle, sys
from pathlib import Path
from drorch.clock import SystemClock
from drorch.sources.interface import RestoreChoices
from drorch.sources.postgresql.location import parse_location
from drorch.sources.postgresql.target import PostgresqlTarget
from tests.support.memory_content import SilentObserver
content = pickle.loads(Path(sys.argv[1]).read_bytes())
print("begins", flush=True)
choices = RestoreChoices(replace=True, terminate_sessions=True)
PostgresqlTarget(parse_location(sys.argv[2]), SystemClock()).restore(content, choices, SilentObserver())
"""


def test_a_restore_killed_anywhere_leaves_the_old_or_the_new(pg: Server, private: Path, tmp_path: Path) -> None:
    """Killed at moments drawn from its whole length, again and again; each run removes what the one before left, and no more."""
    old = "create table t (a int primary key); insert into t select generate_series(1, 20000); "
    name = pg.new_database(old + "".join(f"create table u{number} (a int primary key);" for number in range(60)))
    content = take(pg, name, private)
    specs = [
        replace(spec, canonical_columns=dict(spec.canonical_columns), attributes=dict(spec.attributes))
        for spec in content.specs
    ]
    (tmp_path / "content").write_bytes(pickle.dumps(replace(content, specs=specs)))
    length = restored_by_a_process(pg, f"{name}_measured", tmp_path, None) or 0
    theirs = {f"{name}__drorch_byhand00": "create table somebodys (a int)", f"{name}__drorch_n0t_ours": ""}
    for other, sql in theirs.items():
        pg.run(f"create database {other}")
        pg.run(sql or f"comment on database {other} is 'mine'", other if sql else "postgres")
    killed = swapped = 0
    drawn = [*seeded(20261123, 3, length), length * 0.9]
    sooner = [
        length * 0.6**number for number in range(1, 8)
    ]  # for a machine that has become quicker since it was measured
    for number, delay in enumerate([*drawn, *sooner, None]):
        if killed > 1 and len(drawn) <= number and delay is not None:
            continue
        pg.run("insert into t values (0)", name)  # what is there now has one row more
        took = restored_by_a_process(pg, name, tmp_path, delay)
        killed += delay is not None and took is None
        wait_until_left(pg)
        found = pg.run("select count(*) from t", name)
        assert found in ([(20_000,)], [(20_001,)])
        if found == [(20_000,)]:
            swapped += 1
        else:
            pg.run("delete from t where a = 0", name)
    assert found == [(20_000,)]
    assert killed > 1
    others = {other for other in databases(pg) if other.startswith(f"{name}__")}
    assert {other for other in others if "__drorch_" in other} == set(theirs)
    kept = others - set(theirs)
    assert len(kept) == swapped
    for other in kept:
        assert pg.run("select count(*) from t", other) == [(20_001,)]


def restored_by_a_process(server: Server, name: str, place: Path, kill_after: float | None) -> float | None:
    """Restore over ``name`` in a process of its own; return how long it took, ``None`` if it was killed."""
    url = f"postgresql://postgres@/{name}?host={server.sockets}&port={server.port}"
    argv = [sys.executable, "-c", RESTORER, str(place / "content"), url]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = time.monotonic()
        try:
            assert process.wait(60 if kill_after is None else kill_after) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            return None
        return time.monotonic() - started


def wait_until_left(server: Server) -> None:
    """The server notices a little later that its client was killed."""
    while server.run(
        "select 1 from pg_stat_activity where application_name = 'drorch' and backend_type = 'client backend'"
    ):
        threading.Event().wait(0.05)

"""Tablespaces, and a target with too little disk: what goes where, and what a refusal leaves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drorch import errors
from drorch.sources.interface import Finding, Level, RestoreChoices, RestoreOutcome
from tests.support.memory_content import MemoryContent, SilentObserver, read_capture
from tests.support.postgresql import Server, running_server
from tests.support.postgresql_zoo import assert_same_contents, schema_difference
from tests.support.small_disk import REFUSALS, limited, small_disk
from tests.support.unprivileged import give

PLACED = """
create table here (id int primary key, v text); insert into here select g, 'here ' || g from generate_series(1, 50) g;
create table there (id int primary key using index tablespace slow, v text, unique (v)) tablespace fast;
insert into there select g, 'there ' || g from generate_series(1, 50) g;
create index there_v on there (lower(v)) tablespace slow;
create materialized view seen tablespace fast as select count(*) from there;
create table parts (day date not null, v int) partition by range (day) tablespace fast;
create table parts_1 partition of parts for values from ('2020-01-01') to ('2021-01-01') tablespace slow;
create table parts_2 partition of parts for values from ('2021-01-01') to ('2022-01-01');
insert into parts values ('2020-05-05', 1), ('2021-05-05', 2);
create index parts_v on parts (v) tablespace slow;
"""
WHERE = """select relname, coalesce((select spcname from pg_tablespace t where t.oid = reltablespace), '') from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'i', 'm', 'p', 'I') order by 1"""


def take(server: Server, name: str, private: Path) -> MemoryContent:
    with server.source(server.location(name), private).capture() as capture:
        return read_capture(capture)


def restore(server: Server, name: str, content: MemoryContent, **choices: Any) -> RestoreOutcome:
    return server.target(server.location(name)).restore(content, RestoreChoices(**choices), SilentObserver())


def findings(server: Server, name: str, content: MemoryContent, **choices: Any) -> list[Finding]:
    return list(server.target(server.location(name)).preflight(content, RestoreChoices(**choices)))


def add_tablespace(server: Server, name: str) -> None:
    place = server.directory / f"tablespace-{name}"
    place.mkdir(mode=0o700)
    give(place)
    server.run(f"create tablespace {name} location '{place}'")


@pytest.fixture(scope="module")
def spaces(postgresql_15: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, MemoryContent]]:
    """A database in tablespaces of its own, and what was captured of it."""
    for name in ("fast", "slow", "quick", "home"):
        add_tablespace(postgresql_15, name)
    name = postgresql_15.new_database(PLACED, options="tablespace home", prefix="placed")
    yield name, take(postgresql_15, name, tmp_path_factory.mktemp("private"))
    for (database,) in postgresql_15.run("select datname from pg_database where datname ~ '^placed_'"):
        postgresql_15.run(f"drop database {database}")
    for space in ("fast", "slow", "quick", "home"):
        postgresql_15.run(f"drop tablespace {space}")


def test_all_goes_to_the_default_and_is_told(postgresql_15: Server, spaces: tuple[str, MemoryContent]) -> None:
    name, content = spaces
    told = [finding.text for finding in findings(postgresql_15, "placed_1", content)]
    assert "what was in tablespace home, fast, slow goes to the default tablespace" in told
    restore(postgresql_15, "placed_1", content)
    assert {space for _relation, space in postgresql_15.run(WHERE, "placed_1")} == {""}
    assert_same_contents(postgresql_15, name, "placed_1")


def test_each_goes_where_it_is_mapped(postgresql_15: Server, spaces: tuple[str, MemoryContent]) -> None:
    name, content = spaces
    same = {space: space for space in ("home", "fast", "slow")}
    restore(postgresql_15, "placed_2", content, map_tablespaces=same)
    assert postgresql_15.run(WHERE, "placed_2") == postgresql_15.run(WHERE, name)
    assert schema_difference(postgresql_15, name, "placed_2") == ""
    restore(postgresql_15, "placed_3", content, map_tablespaces={"fast": "quick", "slow": "pg_default", "home": "home"})
    expected = [
        (relation, {"fast": "quick", "slow": "pg_default"}.get(space, space))
        for relation, space in postgresql_15.run(WHERE, name)
    ]
    assert postgresql_15.run(WHERE, "placed_3") == expected
    home = "select spcname from pg_database d join pg_tablespace t on t.oid = dattablespace where datname = 'placed_3'"
    assert postgresql_15.run(home) == [("home",)]


def test_a_mapping_to_the_databases_own_tablespace_is_that(
    postgresql_15: Server, spaces: tuple[str, MemoryContent]
) -> None:
    _name, content = spaces
    restore(postgresql_15, "placed_4", content, map_tablespaces={"fast": "pg_default"})
    assert {space for _relation, space in postgresql_15.run(WHERE, "placed_4")} == {""}


def test_one_table_goes_where_it_is_mapped(postgresql_15: Server, spaces: tuple[str, MemoryContent]) -> None:
    _name, content = spaces
    restore(
        postgresql_15, "placed_5", content, tables=("public.there",), map_tablespaces={"fast": "quick", "slow": "slow"}
    )
    assert postgresql_15.run(WHERE, "placed_5") == [
        ("there", "quick"), ("there_pkey", "slow"), ("there_v", "slow"), ("there_v_key", "")
    ]  # fmt: skip


def test_a_tablespace_that_is_not_there_stops(postgresql_15: Server, spaces: tuple[str, MemoryContent]) -> None:
    _name, content = spaces
    wrong = {"fats": "quick", "fast": "no_such"}
    stops = {
        finding.text: finding.remedy
        for finding in findings(postgresql_15, "placed_6", content, map_tablespaces=wrong)
        if finding.level is Level.STOP
    }
    assert stops == {
        "nothing in the snapshot is in a tablespace fats": "did you mean fast?",
        "the server has no tablespace no_such": "CREATE TABLESPACE no_such LOCATION '...'",
    }


# -- too little disk

WIDE = "create table wide (id int, v text); insert into wide select g, repeat(md5(g::text), 60) from generate_series(1, 6000) g"


@pytest.fixture(scope="module", params=REFUSALS)
def cramped(request: pytest.FixtureRequest) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server on which there is no room for 11 MB, and the mapping that leads there."""
    if request.param == "file-size-limit":
        with running_server(15, before=limited(6 << 20), initdb=["--wal-segsize=1"]) as server:
            yield server, {}
        return
    with tempfile.TemporaryDirectory(prefix="drorch-cramped-") as text:  # not pytest's: the server is another user
        place = Path(text)
        place.chmod(0o755)
        with small_disk(place, 8 << 20) as disk, running_server(15, before=disk.server_prefix) as server:
            (disk.outside / "small").mkdir(mode=0o700)
            give(disk.outside / "small")
            server.run(f"create tablespace small location '{place}/small'")
            yield server, {"pg_default": "small"}


def test_a_target_without_room_says_so_and_loses_nothing(
    cramped: tuple[Server, dict[str, str]], postgresql_15: Server, private: Path
) -> None:
    server, mapping = cramped
    source = postgresql_15.new_database(WIDE, prefix="wide")
    content = take(postgresql_15, source, private)
    server.run("create database land")
    server.run("create table wide (id int); insert into wide values (4711)", "land")
    databases = "select datname from pg_database order by 1"
    before = server.run(databases)
    for choices in ({"replace": True}, {"replace": True, "tables": ("public.wide",)}):
        name = "land" if "tables" not in choices else "elsewhere"
        with pytest.raises(errors.TargetFull) as caught:
            restore(server, name, content, map_tablespaces=mapping, **choices)
        assert "wide" in caught.value.message
        assert server.run(databases) == before
        assert server.run("select id from wide", "land") == [(4711,)]
    # What was refused took no room: a snapshot that fits still goes in.
    fitting = postgresql_15.new_database("create table small (id int); insert into small values (1)", prefix="small")
    restore(server, "land", take(postgresql_15, fitting, private), replace=True, map_tablespaces=mapping)
    assert server.run("select id from small", "land") == [(1,)]


def test_too_little_room_is_seen_before_the_first_byte(postgresql_15: Server, private: Path) -> None:
    content = take(postgresql_15, postgresql_15.new_database("create table t (a int)"), private)
    content.facts = {**content.facts, "size_bytes": 1 << 60}
    told = [finding for finding in findings(postgresql_15, "placed_7", content) if "are free" in finding.text]
    assert [finding.level for finding in told] == [Level.NOTE]
    assert "the source took" in told[0].text

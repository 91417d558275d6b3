"""``--into-schema``: tables come back beside the originals, with all that is theirs; judged by pg_dump and COPY."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drorch import errors
from drorch.sources.interface import Level, RestoreChoices, RestoreOutcome
from tests.support.memory_content import MemoryContent, SilentObserver, read_capture
from tests.support.postgresql import Server
from tests.support.postgresql_programs import DEBIAN
from tests.support.postgresql_zoo import make_zoo

LAND = """
create schema land; create schema "Sổ cũ"; create extension pg_trgm schema land;
create type land.kind as enum ('đất ở', 'b'); create domain land.code as text check (value ~ '^[0-9]+$'); create type land.span as range (subtype = int);
create function land.double(int) returns int language sql immutable as 'select $1 * 2';
create function land.noted() returns trigger language plpgsql as $$ begin insert into land.log values (tg_op); return new; end $$;
create operator land.@+@ (leftarg = int, rightarg = int, function = int4pl);
create collation land.plain from "C";
create sequence land.receipt start 100;
create table land.unit (id land.code primary key, name text collate land.plain);
create table land.parcel (id serial primary key, land int default 7, unit land.code references land.unit, kind land.kind default 'b' not null,
  twice int generated always as (land.double(1)) stored, no bigint default nextval('land.receipt'), during land.span, "land.unit" text default 'land.unit',
  big int generated always as identity, constraint positive check ((land operator(land.@+@) 1) > 0));
create index parcel_trgm on land.parcel using gin ("land.unit" land.gin_trgm_ops); create statistics land.both on land, big from land.parcel;
create unique index parcel_double on land.parcel (land.double(id));
create table "Sổ cũ".page (id int primary key, parcel int references land.parcel, kinds land.kind[]);
create table land.log (what text);
create trigger note after insert on land.parcel for each row execute function land.noted();
alter table land.parcel enable row level security; create policy p on land.parcel using (kind <> 'đất ở'::land.kind);
comment on column land.parcel.kind is 'land.kind'; comment on constraint positive on land.parcel is 'x'; comment on schema land is 'the land';
grant select on land.parcel to pg_monitor; grant usage on schema land to pg_monitor;
insert into land.unit values ('1', 'one'); insert into land.parcel (unit, kind, during) select '1', 'đất ở', '[1,3)' from generate_series(1, 200);
insert into "Sổ cũ".page select g, g, '{b}' from generate_series(1, 20) g;
"""


def take(server: Server, name: str, private: Path) -> MemoryContent:
    with server.source(server.location(name), private).capture() as capture:
        return read_capture(capture)


def restore(
    server: Server, name: str, content: MemoryContent, *tables: str, schema: str = "neu", **choices: Any
) -> RestoreOutcome:
    made = RestoreChoices(tables=tables, into_schema=schema, **choices)
    return server.target(server.location(name)).restore(content, made, SilentObserver())


def dumped(server: Server, name: str, *tables: str) -> list[str]:
    words = [
        DEBIAN / "pg_dump",
        "-h",
        server.sockets,
        "-p",
        server.port,
        "-U",
        "postgres",
        "-s",
        *(f"--table={one}" for one in tables),
        name,
    ]
    told = subprocess.run([*map(str, words)], capture_output=True, text=True, check=True).stdout
    return [line for line in told.splitlines() if not line.startswith(("--", "\\"))]


@pytest.fixture
def land(postgresql_15: Server, private: Path) -> Iterator[tuple[str, MemoryContent]]:
    name = postgresql_15.new_database(LAND, prefix="land")
    yield name, take(postgresql_15, name, private)
    postgresql_15.run(f"drop database {name}")


def test_tables_come_back_beside_the_originals(postgresql_15: Server, land: tuple[str, MemoryContent]) -> None:
    pg, (name, content) = postgresql_15, land
    before = dumped(pg, name)
    pg.run("update land.parcel set land = 8", name)
    outcome = restore(pg, name, content, "land.parcel", "land.unit")
    looks = [re.sub(r"\bneu\b", "land", line) for line in dumped(pg, name, "neu.parcel", "neu.unit")]
    # What an extension owns stays where the extension is; it was replaced in neither.
    assert sorted(looks) == sorted(dumped(pg, name, "land.parcel", "land.unit"))
    assert pg.run("select distinct land from neu.parcel", name) == [(7,)]
    assert pg.run("select distinct land from land.parcel", name) == [(8,)]
    columns = "id, unit, kind::text, twice, no, during::text, big"
    rows = f"select {columns} from land.parcel order by id"
    assert pg.run(rows.replace("land.parcel", "neu.parcel"), name) == pg.run(rows, name)
    # The originals are untouched, and nothing of the copy hangs on them.
    pg.run("set search_path = ''; drop schema land cascade", name)
    assert pg.run("select count(*) from neu.parcel", name) == [(200,)]
    pg.run("insert into neu.unit values ('2', 'two')", name)
    pg.run("alter table neu.parcel disable trigger note; insert into neu.parcel (unit) values ('2')", name)
    assert pg.run("select id, no, kind::text, twice from neu.parcel where unit = '2'", name) == [(201, 300, "b", 2)]
    assert outcome.by_hand == ("FUNCTION land.noted(): now in neu, but its text speaks of schema land",)
    assert any("CREATE TABLE land.parcel" in line for line in before)


def test_the_original_schema_does_not_change(postgresql_15: Server, land: tuple[str, MemoryContent]) -> None:
    name, content = land
    before = dumped(postgresql_15, name)
    restore(postgresql_15, name, content, "land.parcel")
    postgresql_15.run("drop schema neu cascade", name)
    assert dumped(postgresql_15, name) == before


def test_foreign_keys_to_what_is_not_restored_are_left_out_and_listed(
    postgresql_15: Server, land: tuple[str, MemoryContent]
) -> None:
    name, content = land
    outcome = restore(postgresql_15, name, content, '"Sổ cũ".page', schema='with "quote" và dấu')
    assert outcome.by_hand[0].startswith(
        "FK CONSTRAINT Sổ cũ.page page_parcel_fkey: left out, it needs TABLE land.parcel"
    )
    sql = 'select kinds::text, count(*) from "with ""quote"" và dấu".page group by 1'
    assert postgresql_15.run(sql, name) == [("{b}", 20)]


def test_tables_of_two_schemas_meet_in_one(postgresql_15: Server, land: tuple[str, MemoryContent]) -> None:
    name, content = land
    restore(postgresql_15, name, content, "land.parcel", "land.unit", '"Sổ cũ".page')
    keys = "select conname, conrelid::regclass::text, confrelid::regclass::text from pg_constraint where contype = 'f' and connamespace = 'neu'::regnamespace order by 1"
    assert postgresql_15.run(keys, name) == [
        ("page_parcel_fkey", "neu.page", "neu.parcel"),
        ("parcel_unit_fkey", "neu.parcel", "neu.unit"),
    ]


def test_two_tables_of_one_name_are_refused(postgresql_15: Server, private: Path) -> None:
    name = postgresql_15.new_database(
        "create schema a; create schema b; create table a.t (i int); create table b.t (i int)"
    )
    content = take(postgresql_15, name, private)
    with pytest.raises(errors.TargetRefused) as caught:
        restore(postgresql_15, name, content, "a.t", "b.t")
    assert caught.value.found == "a.t and b.t"
    assert postgresql_15.run("select count(*) from pg_namespace where nspname = 'neu'", name) == [(0,)]


def test_a_schema_that_is_there_stops(postgresql_15: Server, land: tuple[str, MemoryContent]) -> None:
    name, content = land
    target = postgresql_15.target(postgresql_15.location(name))
    found = target.preflight(content, RestoreChoices(tables=("land.unit",), into_schema="Sổ cũ"))
    assert [(one.text, one.remedy) for one in found if one.level is Level.STOP] == [
        ("schema Sổ cũ exists already", "name a new one")
    ]
    found = target.preflight(content, RestoreChoices(tables=("land.unit",)))
    assert "--into-schema NAME" in next(one.remedy for one in found if one.level is Level.STOP)


def test_a_failure_leaves_no_schema(postgresql_15: Server, land: tuple[str, MemoryContent]) -> None:
    name, content = land
    content.row_changes["table/land.unit"] = 3
    with pytest.raises(errors.RestoreDiffers):
        restore(postgresql_15, name, content, "land.unit")
    assert postgresql_15.run("select count(*) from pg_namespace where nspname = 'neu'", name) == [(0,)]


def test_the_zoo_fits_into_another_schema(server: Server, private: Path) -> None:
    name = make_zoo(server)
    content = take(server, name, private)
    tables = (
        "app.every",
        "app.sales",
        "app.referring",
        "app.child",
        "app.hashed",
        "app.secret",
        'Địa chính."Thửa ""đất""\nmới 🗺"',
    )
    restore(server, name, content, *tables)
    for table in ("every", "sales", "referring", "child", "hashed", "secret"):
        one, other = (
            server.run(f"select t::text from {schema}.{table} t order by 1", name) for schema in ("app", "neu")
        )
        assert one == other
        assert one
    many = "select count(*) from pg_class where relnamespace = '{}'::regnamespace and relkind = 'I'"
    assert server.run(many.format("neu"), name) == server.run(many.format("app"), name)

"""The command line restores onto what is not like the source: words, exit codes, and what is there afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.installations import (
    Custodian,
    Town,
    land_policy,
    make_account,
    new_installation,
    new_name,
    socket_url,
)
from tests.support.postgresql import BACKUP_PASSWORD, Server

OWNED = """
create role {owner}; create role {group}; create role {person} login password 'x'; grant {group} to {person};
create table parcel (id int primary key, note text); insert into parcel select i, 'thửa ' || i from generate_series(1, 30) i;
alter table parcel owner to {owner}; grant select on parcel to {group};
create function best() returns int language sql security definer as 'select 1'; alter function best() owner to {owner};
"""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--to", "sqlite:///x.db", "--table", "a.b", "--into-schema", "x"), "--into-schema is for PostgreSQL"),
        (("--to", "sqlite:///x.db", "--create-roles-with-logins"), "--create-roles-with-logins is for PostgreSQL"),
        (("--to", "postgresql:///x", "--into-schema", "x"), "--into-schema goes with --table"),
        (("--to", "postgresql:///x", "--map-tablespace", "fast"), "--map-tablespace takes two names"),
        (("--to", "postgresql:///x", "--map-role", "=b"), "--map-role takes two names"),
    ],
)
def test_options_that_would_be_ignored_are_refused(town: Town, words: tuple[str, ...], told: str) -> None:
    answer = town.installation.drorch("restore", "latest:land", *words, expect=2)
    answer.told(told)
    answer.fits()


def test_tables_come_back_beside_the_originals(town: Town) -> None:
    server, name = town.server, new_name("beside")
    server.run(f'create database "{name}" template "{town.first_land}"')
    before = server.run("select count(*), md5(string_agg(note, ',' order by id)) from public.parcel", name)
    tables = ("--table", "public.parcel", "--table", "public.unit", "--into-schema", "lúc trước")
    clash = town.installation.restore("latest:land", town.url(name), *tables[:2], expect=70)
    clash.told("table public.parcel exists already", "--into-schema NAME puts it beside")
    answer = town.installation.restore("latest:land", town.url(name), *tables)
    answer.told("OK", "every byte as at backup")
    answer.fits()
    assert server.run("select count(*), md5(string_agg(note, ',' order by id)) from public.parcel", name) == before
    count = server.run('select count(*) from "lúc trước".parcel', name)
    assert count == server.run("select count(*) from parcel", town.database)
    assert count != [before[0][:1]]
    keys = "select confrelid::regclass::text from pg_constraint where contype = 'f' and connamespace = '\"lúc trước\"'::regnamespace"
    assert server.run(keys, name) == [('"lúc trước".unit',)]
    server.run(f'drop database "{name}"')


def test_roles_that_are_gone_are_a_decision_and_come_back(
    custodian: Custodian, postgresql_15: Server, tmp_path: Path
) -> None:
    pg, installation = postgresql_15, new_installation(tmp_path / "etc", custodian, "disk=disk")
    names = {word: new_name(word) for word in ("owner", "group", "person")}
    database = pg.new_database(OWNED.format(**names), prefix="owned")
    installation.policy("land", land_policy(pg, database))
    installation.secret("land", BACKUP_PASSWORD)
    make_account(pg, installation, "land", database)
    installation.drorch("backup", "land")
    pg.run(f'drop database "{database}"')
    pg.run(f"drop role {', '.join(names.values())}")
    url = socket_url(pg, database)
    plan = installation.restore("latest:land", url, "--plan", expect=70)
    plan.told("STOP", names["owner"], names["group"], "--create-roles")
    plan.fits()
    assert names["person"] not in plan.out
    answer = installation.restore("latest:land", url, "--create-roles-with-logins")
    answer.told("roles are created that can log in:", names["person"], "has no password: alter role")
    owner = "select relowner::regrole::text, (select rolcanlogin from pg_roles where rolname = %s) from pg_class where relname = 'parcel'"
    found = pg.run((owner % f"'{names['person']}'"), database)
    assert found == [(names["owner"], True)]
    again = installation.restore("latest:land", url, "--no-owner", "--replace")
    again.told("owners and rights are left out, as asked", "PUBLIC may not call it")
    for name in [row[0] for row in pg.run(f"select datname from pg_database where datname ~ '^{database}'")]:
        pg.run(f'drop database "{name}"')
    pg.run(f"drop role {', '.join(names.values())}")

"""Roles, owners and rights on a server that is not like the old one; judged by pg_dump and by logging in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from drorch import errors
from drorch.sources.interface import Level, RestoreChoices, RestoreOutcome
from drorch.sources.postgresql.options import RolesChoice
from tests.support.memory_content import MemoryContent, SilentObserver, read_capture
from tests.support.postgresql import Server
from tests.support.postgresql_zoo import dumped_schema, make_zoo, psql

DEFINER = """
create function app.as_owner() returns text language sql security definer as 'select current_user::text';
revoke all on function app.as_owner() from public; alter function app.as_owner() owner to zoo_owner;
create function app.as_caller() returns text language sql as $$ select 'security definer' $$;
"""
FOLK = ("keep1_owner", "keep1_reader", "keep1 đọc")


def take(server: Server, name: str, private: Path, **options: Any) -> MemoryContent:
    with server.source(server.location(name), private, **options).capture() as capture:
        return read_capture(capture)


def restore(
    server: Server, name: str, content: MemoryContent, *, user: str = "postgres", **choices: Any
) -> RestoreOutcome:
    target = server.target(server.location(name, user=user))
    return target.restore(content, RestoreChoices(**choices), SilentObserver())


@pytest.fixture(scope="module")
def orphans(
    postgresql_15: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[MemoryContent, list[str]]]:
    """A zoo whose roles are gone, and how it looked."""
    pg = postgresql_15
    name = make_zoo(pg, keeper="keep1")
    psql(pg, name, DEFINER.replace("zoo_", "keep1_"))
    private = tmp_path_factory.mktemp("private", numbered=True)
    content, looked = take(pg, name, private), dumped_schema(pg, name)
    psql(
        pg,
        name,
        "alter subscription sub disable; alter subscription sub set (slot_name = none); drop subscription sub;",
    )
    pg.run(f'drop database "{name}"')
    drop_folk(pg)
    yield content, looked
    drop_folk(pg)


def drop_folk(server: Server, *names: str) -> None:
    for role in names or (*FOLK, "keep1_login"):
        server.run(f'drop role if exists "{role}"')


def discard(server: Server, *names: str) -> None:
    for name in names:
        for (subscription,) in server.run(
            "select subname from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())",
            name,
        ):
            server.run(f"drop subscription {subscription}", name)
        server.run(f'drop database "{name}"')


@pytest.fixture(autouse=True)
def tidy(postgresql_15: Server) -> Iterator[None]:
    """Whatever a test made of the orphans is gone before the next: roles with objects cannot be dropped."""
    yield
    discard(
        postgresql_15,
        *[row[0] for row in postgresql_15.run("select datname from pg_database where datname ~ '^orphans_'")],
    )
    drop_folk(postgresql_15)


def as_sets(lines: list[str]) -> list[str]:
    """The server lists the roles of a policy in the order in which they were made."""
    return ["".join(sorted(line)) if line.startswith("CREATE POLICY") else line for line in lines]


def test_missing_owners_and_grantees_stop_the_restore(
    postgresql_15: Server, orphans: tuple[MemoryContent, list[str]]
) -> None:
    content, _looked = orphans
    found = postgresql_15.target(postgresql_15.location("orphans_0")).preflight(content, RestoreChoices())
    stops = [finding for finding in found if finding.level is Level.STOP]
    assert len(stops) == 1
    assert all(role in stops[0].text for role in FOLK)
    assert stops[0].remedy == "--create-roles | --map-role keep1 đọc=NAME | --no-owner"
    with pytest.raises(errors.DecisionNeeded):
        restore(postgresql_15, "orphans_0", content)


def test_created_roles_make_all_as_it_was(postgresql_15: Server, orphans: tuple[MemoryContent, list[str]]) -> None:
    content, looked = orphans
    restore(postgresql_15, "orphans_1", content, create_roles=True)
    assert sorted(as_sets(dumped_schema(postgresql_15, "orphans_1"))) == sorted(as_sets(looked))
    assert postgresql_15.run("select bool_or(rolcanlogin) from pg_roles where rolname ~ '^keep1'") == [(False,)]


def test_every_role_is_mapped_everywhere(postgresql_15: Server, orphans: tuple[MemoryContent, list[str]]) -> None:
    content, looked = orphans
    heirs = {role: f"heir_{number}" for number, role in enumerate(FOLK)}
    for heir in heirs.values():
        postgresql_15.run(f"drop role if exists {heir}; create role {heir}")
    restore(postgresql_15, "orphans_2", content, map_roles=heirs)
    found = dumped_schema(postgresql_15, "orphans_2")
    assert not [line for line in found if "keep1" in line.replace("'TO keep1_login'", "")]
    expected = looked
    for role, heir in heirs.items():
        expected = [line.replace(f'"{role}"', heir).replace(role, heir) for line in expected]
    assert sorted(as_sets(found)) == sorted(as_sets(expected))
    discard(postgresql_15, "orphans_2")
    drop_folk(postgresql_15, *heirs.values())


def test_no_owner_names_nobody(postgresql_15: Server, orphans: tuple[MemoryContent, list[str]]) -> None:
    content, looked = orphans
    outcome = restore(postgresql_15, "orphans_3", content, no_owner=True)
    found = dumped_schema(postgresql_15, "orphans_3")
    assert not [line for line in found if "keep1" in line.replace("'TO keep1_login'", "")]
    assert not [line for line in found if line.startswith(("GRANT ", "ALTER DEFAULT PRIVILEGES"))]
    assert not [line for line in found if re.search(r"OWNER TO (?!postgres;)", line)]
    kept = {line for line in looked if line.startswith("CREATE ") and "keep1" not in line}
    assert kept - set(found) == set()
    told = "\n".join(outcome.by_hand)
    for part in ("POLICY", "user mapping", "setting", "FUNCTION app.as_owner()", "subscription sub"):
        assert part.lower() in told.lower(), part
    assert "as_caller" not in told
    # It would run as a superuser for everybody: the restore leaves it to nobody.
    assert postgresql_15.run("select proacl::text from pg_proc where proname = 'as_owner'", "orphans_3") == [
        ("{postgres=X/postgres}",)
    ]


TOWN = """
create role tw_owner; create role tw_readers noinherit; create role tw_other; comment on role tw_readers is 'who may look';
create role tw_an login password 'an-canary-0x1' connection limit 3 valid until '2090-01-01 00:00:00+00'; grant tw_readers to tw_an with admin option;
grant tw_other, pg_monitor to tw_an; alter role tw_an set search_path = land, "$user"; alter role tw_an set work_mem = '7MB';
create role tw_boss login superuser; grant tw_owner to tw_boss;
"""
TOWN_ROLES = ("tw_an", "tw_boss", "tw_other", "tw_readers", "tw_owner")


@pytest.fixture
def town(server: Server, private: Path) -> Iterator[MemoryContent]:
    """A database whose owner and readers are groups of accounts; all of them are gone with their server."""
    drop_folk(server, *TOWN_ROLES)
    psql(server, "postgres", TOWN)
    name = server.new_database(
        "create schema own authorization tw_owner; grant usage on schema own to tw_readers;"
        "create table own.t (a int); alter table own.t owner to tw_owner; grant select on own.t to tw_readers"
    )
    content = take(server, name, private, roles=RolesChoice.WITH_PASSWORDS)
    server.run(f"drop database {name}")
    drop_folk(server, *TOWN_ROLES)
    yield content
    discard(server, *[row[0] for row in server.run("select datname from pg_database where datname ~ '^town_'")])
    drop_folk(server, *TOWN_ROLES)


def test_without_logins_nobody_gets_in(server: Server, town: MemoryContent) -> None:
    outcome = restore(server, "town_1", town, create_roles=True)
    made = server.run("select rolname, rolcanlogin, rolinherit from pg_roles where rolname ~ '^tw_' order by 1")
    assert made == [("tw_owner", False, True), ("tw_readers", False, False)]
    assert outcome.by_hand == (
        "role tw_owner had memberships with roles that are not here: tw_boss",
        "role tw_readers had memberships with roles that are not here: tw_an",
    )


def test_with_logins_the_old_password_opens(server: Server, town: MemoryContent) -> None:
    outcome = restore(server, "town_2", town, create_logins=True)
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user="tw_an", password="an-canary-0x1", dbname="town_2"
    ) as connection:
        row = connection.execute("select current_setting('work_mem'), current_setting('search_path')").fetchone()
        assert row == ("7MB", 'land, "$user"')
        connection.execute("select from own.t")
    assert server.run(
        """select rolconnlimit, rolvaliduntil = '2090-01-01 00:00:00+00', shobj_description(
        (select oid from pg_roles where rolname = 'tw_readers'), 'pg_authid') from pg_roles where rolname = 'tw_an'"""
    ) == [(3, True, "who may look")]
    assert server.run("select admin_option from pg_auth_members where member = 'tw_an'::regrole") == [(True,)]
    assert server.run("select rolsuper, rolcanlogin from pg_roles where rolname = 'tw_boss'") == [(False, True)]
    told = "\n".join(outcome.by_hand)
    for part in ('alter role "tw_boss" SUPERUSER;', 'grant "pg_monitor" to "tw_an";', "not here: tw_other"):
        assert part in told
    assert "canary" not in told
    assert "SCRAM" not in told


def test_a_restore_that_cannot_make_a_role_makes_none(server: Server, town: MemoryContent) -> None:
    blob = town.blobs["roles"]
    lines = [json.loads(line) for line in blob.splitlines()]
    for line in lines:
        if line.get("name") == "tw_readers":
            line["comment"] = "nul \x00 byte"  # the server takes no such comment
    town.blobs["roles"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    with pytest.raises(Exception):  # noqa: B017  (any error will do; what it leaves is the question)
        restore(server, "town_3", town, create_roles=True)
    assert server.run("select rolname from pg_roles where rolname ~ '^tw_'") == []
    assert server.run("select datname from pg_database where datname ~ '^town_3'") == []


def test_a_restore_that_fails_takes_its_roles_back(server: Server, town: MemoryContent) -> None:
    town.row_changes["table/own.t"] = 7
    with pytest.raises(errors.RestoreDiffers):
        restore(server, "town_6", town, create_logins=True)
    assert server.run("select rolname from pg_roles where rolname ~ '^tw_'") == []
    assert server.run("select datname from pg_database where datname ~ '^town_6'") == []


def test_a_setting_that_the_server_does_not_know_is_told(server: Server, town: MemoryContent) -> None:
    more = {"kind": "setting", "role": "tw_an", "name": "no_such_setting", "value": "secret-canary"}
    town.blobs["roles"] += json.dumps(more).encode() + b"\n"
    outcome = restore(server, "town_4", town, create_logins=True)
    assert any("no_such_setting of role tw_an was refused" in line for line in outcome.by_hand)
    assert "secret-canary" not in "".join(outcome.by_hand)


def test_an_account_that_is_no_superuser_makes_roles_and_gives_them_their_tables(
    server: Server, town: MemoryContent
) -> None:
    server.run("drop role if exists tw_restorer; create role tw_restorer login createdb createrole")
    outcome = restore(
        server, "town_5", town, user="tw_restorer", create_roles=True, map_roles={"postgres": "tw_restorer"}
    )
    owner = server.run("select relowner::regrole::text from pg_class where relname = 't'", "town_5")
    assert owner == [("tw_owner",)]
    assert any('revoke "tw_owner" from "tw_restorer";' in line for line in outcome.by_hand)
    discard(server, "town_5")
    drop_folk(server, *TOWN_ROLES)
    server.run("drop role tw_restorer")

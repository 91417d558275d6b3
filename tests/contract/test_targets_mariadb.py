"""Restoring into MariaDB: beside, checked, then moved; what stands in the way is said first, and a kill leaves no mixture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from drorch import errors
from drorch.sources.interface import Level, RestoreChoices, RestoreOutcome
from drorch.sources.mariadb import switch as switching
from drorch.sources.mariadb.failures import ConnectionLost
from drorch.sources.mariadb.options import RolesChoice
from drorch.sources.mariadb.session import Session
from tests.support.mariadb import MariadbServer
from tests.support.memory_content import MemoryContent, SilentObserver, read_capture

WHEN = datetime(2026, 11, 22, 10, 9, tzinfo=UTC)
LAND = (
    "create sequence receipt",
    "create table unit (code int primary key, name varchar(20))",
    "create table parcel (id int primary key default nextval(receipt), unit int, foreign key (unit) references unit (code))",
    "create table log (text varchar(50))",
    "insert into unit values (1, 'new')",
    "insert into parcel (unit) values (1), (1)",
    "create view by_unit as select name, count(*) as parcels from unit join parcel on unit = code group by 1",
    "create trigger parcel_in after insert on parcel for each row insert into log values ('new')",
    "create function what() returns varchar(10) deterministic return 'new'",
    "create procedure only_new() select 'new'",
    "create event nightly on schedule every 1 day do delete from log",
)
OLD = (
    "create sequence receipt start with 500",
    "create table unit (code int primary key, name varchar(20), more int)",
    "create table parcel (id int primary key default nextval(receipt), unit int, foreign key (unit) references unit (code))",
    "create table log (text varchar(50))",
    "create table kept (a int)",
    "insert into unit values (9, 'old', 1)",
    "insert into parcel (unit) values (9)",
    "create view by_unit as select name from unit",
    "create view only_old as select name from unit",
    "create trigger parcel_in after insert on parcel for each row insert into log values ('old')",
    "create trigger only_old before delete on kept for each row insert into log values ('deleted')",
    "create function what() returns varchar(10) deterministic return 'old'",
    "create procedure only_old() select 'old'",
    "create event nightly on schedule every 1 day do delete from kept",
    "create event only_old on schedule every 1 day do delete from kept",
)


def snapshot(mariadb: MariadbServer, *statements: str, short_id: str = "7kq2m9xd") -> tuple[str, MemoryContent]:
    name = mariadb.new_database(*statements, prefix="land")
    with mariadb.source(mariadb.location(name)).capture() as capture:
        return name, read_capture(capture, short_id)


def restore(mariadb: MariadbServer, content: MemoryContent, name: str, **choices: Any) -> RestoreOutcome:
    wanted = RestoreChoices(started_at=WHEN, **choices)
    return mariadb.target(mariadb.tcp(name)).restore(content, wanted, SilentObserver())


def stops(mariadb: MariadbServer, content: MemoryContent, name: str, **choices: Any) -> list[str]:
    found = mariadb.target(mariadb.tcp(name)).preflight(content, RestoreChoices(started_at=WHEN, **choices))
    return [f"{finding.text} | {finding.remedy}" for finding in found if finding.level is Level.STOP]


@pytest.fixture(scope="module")
def land(mariadb: MariadbServer) -> tuple[str, MemoryContent]:
    return snapshot(mariadb, *LAND)


def test_into_an_empty_database_that_exists(mariadb: MariadbServer, land: tuple[str, MemoryContent]) -> None:
    source, content = land
    name = mariadb.new_database(options="character set latin1")
    outcome = restore(mariadb, content, name)
    assert mariadb.compare(source, name, "^event nightly$").startswith("equal: 3 tables, 3 rows")
    assert (outcome.tables, outcome.rows) == (3, 3)
    assert outcome.by_hand == ("event nightly comes disabled: ALTER EVENT nightly ENABLE",)
    assert mariadb.databases(f"{name}_") == []


def test_over_something_is_refused_and_changes_nothing(mariadb: MariadbServer, land: tuple[str, MemoryContent]) -> None:
    _, content = land
    name = mariadb.new_database(*OLD, prefix="old")
    twin = mariadb.new_database(*OLD, prefix="twin")
    (told,) = stops(mariadb, content, name)
    assert f"database {name} exists and has 7 tables" in told
    assert f"{name}__before_20261122_1009" in told
    with pytest.raises(errors.DecisionNeeded) as caught:
        restore(mariadb, content, name)
    assert caught.value.exit_code == 70
    assert caught.value.still_good == "nothing was changed"
    assert mariadb.compare(twin, name, "^event").startswith("equal")
    assert mariadb.databases(f"{name}_") == []


def test_replace_keeps_the_old_one_whole(mariadb: MariadbServer, land: tuple[str, MemoryContent]) -> None:
    source, content = land
    name = mariadb.new_database(*OLD, prefix="old")
    twin = mariadb.new_database(*OLD, prefix="twin")
    mariadb.run(f"grant select on `{name}`.* to drorch_admin@'%'")
    assert stops(mariadb, content, name, replace=True) == []
    outcome = restore(mariadb, content, name, replace=True)
    before = f"{name}__before_20261122_1009"
    rights = "^rights of drorch_admin"
    assert mariadb.compare(source, name, "^event nightly$", rights).startswith("equal: 3 tables, 3 rows")
    assert mariadb.compare(twin, before, "^event").startswith("equal: 4 tables")
    assert before in " ".join(outcome.lines)
    assert mariadb.databases(f"{name}_") == [before]
    events = mariadb.run(f"select event_name, status from information_schema.events where event_schema = '{before}'")
    assert events == [("nightly", "DISABLED"), ("only_old", "DISABLED")]
    mariadb.run("insert into parcel (unit) values (1)", database=name)
    mariadb.run("insert into parcel (unit) values (9)", database=before)
    assert mariadb.run("select text from log", database=name)[-1] == ("new",)
    assert mariadb.run("select text from log", database=before)[-1] == ("old",)
    again = restore(mariadb, content, name, replace=True)
    assert f"{before}_2" in " ".join(again.lines)


class Killed(BaseException):
    """As if the process had died: nothing of ours runs after it."""


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Let the statement number N of the switch be the last that reaches the server."""
    run, switch = Session.run, switching.switch
    state = {"left": -1, "armed": False, "dead": False}

    def counted(self: Session, sql: str | bytes) -> Any:
        if state["dead"]:
            raise ConnectionLost("killed")
        changes = str(sql)[:9] not in ("SELECT ta", "SELECT tr") and not str(sql).startswith(
            ("SELECT", "SHOW", "SET", "USE")
        )
        if state["armed"] and changes:
            if state["left"] == 0:
                state["dead"] = True
                raise Killed
            state["left"] -= 1
        return run(self, sql)

    def armed(*arguments: Any, **keywords: Any) -> Any:
        state["armed"] = True
        return switch(*arguments, **keywords)

    monkeypatch.setattr(Session, "run", counted)
    monkeypatch.setattr("drorch.sources.mariadb.target.switch", armed)

    def arm(statements: int | None) -> None:
        state.update(left=-1 if statements is None else statements, armed=False, dead=False)
        if statements is None:
            monkeypatch.undo()

    return arm


SOME = (1, 4, 7, 10, 14, 18, 24, 30)


@pytest.mark.parametrize(
    "last", [pytest.param(number, marks=() if number in SOME else pytest.mark.slow) for number in range(31)]
)
def test_killed_anywhere_the_tables_are_the_old_or_the_new_and_a_rerun_ends_well(
    mariadb: MariadbServer, land: tuple[str, MemoryContent], killed_at: Any, last: int
) -> None:
    source, content = land
    name = mariadb.new_database(*OLD, prefix="old")
    twin = mariadb.new_database(*OLD, prefix="twin")
    killed_at(last)
    was_killed = False
    try:
        restore(mariadb, content, name, replace=True)
    except (Killed, errors.TargetUnreachable):
        was_killed = True
    killed_at(None)
    tables = {table for (table,) in mariadb.run(f"show tables from `{name}`")}
    names = {row[0] for row in mariadb.run("select name from unit", database=name)}
    assert names in ({"old"}, {"new"})
    assert ("kept" in tables) == (names == {"old"})
    outcome = restore(mariadb, content, name, replace=True)
    assert not any("could not be made" in line for line in outcome.by_hand)
    assert mariadb.compare(source, name, "^event nightly$").startswith("equal: 3 tables, 3 rows")
    kept = [one for one in mariadb.databases(f"{name}_") if "__before_" in one]
    assert mariadb.databases(f"{name}_") == kept  # no side database is left
    assert any(mariadb.compare(twin, one, "^event").startswith("equal: 4 tables") for one in kept)
    assert was_killed or last > 20
    mariadb.run(*(f"drop database `{one}`" for one in (name, twin, *kept)))


def test_an_error_in_the_switch_leaves_everything_as_it_was(
    mariadb: MariadbServer, land: tuple[str, MemoryContent]
) -> None:
    _, content = land
    name = mariadb.new_database(*OLD, prefix="old")
    twin = mariadb.new_database(*OLD, prefix="twin")
    holder = mariadb.connect(name)
    holder.query("lock tables unit write")
    target = mariadb.target(mariadb.tcp(name))
    target._lock_timeout_seconds = 1
    with pytest.raises(errors.TargetError) as caught:
        target.restore(content, RestoreChoices(replace=True, started_at=WHEN), SilentObserver())
    assert "--terminate-sessions" in caught.value.hint
    holder.query("unlock tables")
    assert mariadb.compare(twin, name, "^event").startswith("equal: 4 tables")
    assert mariadb.databases(f"{name}_") == []
    holder.query("lock tables unit write")
    target.restore(content, RestoreChoices(replace=True, terminate_sessions=True, started_at=WHEN), SilentObserver())
    assert mariadb.run("select name from unit", database=name) == [("new",)]
    holder.close()


def test_one_table_comes_with_its_trigger_and_its_sequence(
    mariadb: MariadbServer, land: tuple[str, MemoryContent]
) -> None:
    source, content = land
    name = mariadb.new_database("create table here (a int)", "insert into here values (1)")
    assert "the snapshot has no table parcels" in stops(mariadb, content, name, tables=("parcels",))[0]
    outcome = restore(mariadb, content, name, tables=(f"{source}.parcel",))
    assert (outcome.tables, outcome.rows) == (1, 2)
    assert mariadb.run("select a from here", database=name) == [(1,)]
    assert sorted(mariadb.run("show tables", database=name)) == [("here",), ("parcel",), ("receipt",)]
    assert mariadb.run(f"select trigger_name from information_schema.triggers where trigger_schema = '{name}'") == [
        ("parcel_in",)
    ]
    (told,) = [one for one in stops(mariadb, content, name, tables=("parcel",)) if "table parcel" in one]
    assert "exists already" in told
    fresh = f"{name}_fresh"
    restore(mariadb, content, fresh, tables=("unit",))
    assert mariadb.run("show tables", database=fresh) == [("unit",)]


def test_accounts_that_are_missing_stand_in_the_way(mariadb: MariadbServer) -> None:
    mariadb.run(
        "create user gone@'%' identified by 'x'", "create user stays@'%' identified by 'x'", "create role readers"
    )
    name = mariadb.new_database("create table t (a int)", prefix="land")
    mariadb.run(
        "create definer = gone@'%' procedure p() select 1",
        "create definer = gone@'%' trigger watch before insert on t for each row set new.a = 1",
        "create definer = gone@'%' sql security definer view v as select a from t",
        f"grant select on `{name}`.* to readers",
        f"grant select (a), insert on `{name}`.t to gone@'%' with grant option",
        "grant readers to gone@'%'",
        database=name,
    )
    with mariadb.source(mariadb.location(name)).capture() as capture:
        content = read_capture(capture)
    mariadb.run("drop user gone@'%'", "drop role readers")
    (told,) = stops(mariadb, content, f"{name}_a")
    assert "accounts that run or may use objects are missing: gone@%, readers" in told
    assert "--create-roles" in told
    made = restore(mariadb, content, f"{name}_a", create_roles=True)
    assert "account gone@% was made without a password and is locked" in made.by_hand
    with mariadb.source(mariadb.location(f"{name}_a")).capture() as capture:
        again = read_capture(capture)
    grants = [line for line in content.blobs["roles"].splitlines() if b'"kind":"grant"' in line]
    assert len(grants) == 3
    assert [line for line in again.blobs["roles"].splitlines() if b'"kind":"grant"' in line] == grants
    assert ("readers",) in mariadb.run("select role from mysql.roles_mapping where user = 'gone'")
    mariadb.run("drop user gone@'%'", "drop role readers")
    mapping = {"gone@%": "stays@%", "readers": "stays@%"}
    restore(mariadb, content, f"{name}_b", map_roles=mapping)
    assert mariadb.run(f"select definer from information_schema.views where table_schema = '{name}_b'") == [
        ("stays@%",)
    ]
    granted = [line for (line,) in mariadb.run("show grants for stays@'%'") if f"{name}_b" in line.replace("\\", "")]
    assert len(granted) == 2
    nobody = restore(mariadb, content, f"{name}_c", no_owner=True)
    assert mariadb.run(f"select definer from information_schema.routines where routine_schema = '{name}_c'") == [
        ("drorch_admin@%",)
    ]
    security = f"select security_type from information_schema.%s where %s_schema = '{name}_c'"
    for place in (("views", "table"), ("routines", "routine")):
        assert mariadb.run(security % place) == [("INVOKER",)]  # not with an administrator's rights
    assert any("left out: " in line and " grant" in line for line in nobody.by_hand)
    assert any(line.startswith("trigger watch runs with the rights of the account") for line in nobody.by_hand)
    mariadb.run("drop user stays@'%'")


def test_accounts_come_with_their_hashes_when_both_sides_say_so(mariadb: MariadbServer) -> None:
    mariadb.run(
        "create user logs@'%' identified by 'logs-canary' require ssl", "create user member@'%' identified by 'x'"
    )
    name = mariadb.new_database("create table t (a int)", prefix="land")
    mariadb.run(
        "create role group_of_it",
        f"grant select on `{name}`.* to group_of_it",
        f"grant insert on `{name}`.* to logs@'%'",
    )
    mariadb.run("grant group_of_it to member@'%'")
    with mariadb.source(mariadb.location(name), roles=RolesChoice.WITH_PASSWORDS).capture() as capture:
        content = read_capture(capture)
    mariadb.run("drop user logs@'%', member@'%'", "drop role group_of_it")
    outcome = restore(mariadb, content, f"{name}_back", create_logins=True)
    assert not any("is locked" in line for line in outcome.by_hand)
    words = {"unix_socket": None, "host": "127.0.0.1", "port": mariadb.port, "user": "logs", "password": "logs-canary"}
    mariadb.run("insert into t values (1)", database=f"{name}_back", ssl_ca=str(mariadb.authority), **words)
    assert mariadb.run("select user from mysql.roles_mapping where role = 'group_of_it' and admin_option = 'N'") == [
        ("member",)
    ]
    mariadb.run("drop user logs@'%', member@'%'", "drop role group_of_it")


def test_an_older_server_a_foreign_engine_a_missing_engine(
    mariadb: MariadbServer, land: tuple[str, MemoryContent]
) -> None:
    _, content = land
    newer = dataclasses.replace(content, facts={**content.facts, "server_version": "12.3.1-MariaDB"})
    assert "--allow-older" in stops(mariadb, newer, "nowhere")[0]
    assert stops(mariadb, newer, "nowhere", allow_older=True) == []
    foreign = dataclasses.replace(content, facts={"engine": "postgresql"})
    with pytest.raises(errors.TargetRefused, match="not of MariaDB"):
        stops(mariadb, foreign, "nowhere")
    schema = content.blobs["schema"].replace(b"ENGINE=InnoDB", b"ENGINE=ROCKSDB")
    odd = dataclasses.replace(content, blobs={**content.blobs, "schema": schema})
    assert "mariadb-plugin-rocksdb" in " ".join(stops(mariadb, odd, "nowhere"))
    mariadb.run("create user little@'%' identified by 'little-canary'", "grant select on mysql.* to little@'%'")
    target = mariadb.target(mariadb.tcp("nowhere", user="little", password="little-canary"))
    found = [one.text for one in target.preflight(content, RestoreChoices()) if one.level is Level.STOP]
    assert any("lacks SELECT, INSERT" in text and "on nowhere" in text for text in found)
    assert any("SET USER" in text for text in found)
    mariadb.run("drop user little@'%'")


def test_rows_that_do_not_read_back_are_refused(mariadb: MariadbServer) -> None:
    _, content = snapshot(
        mariadb, "create table t (a int, e enum('x', 'y'))", "insert into t values (1, 'x'), (2, 'y')"
    )
    blobs = {**content.blobs, "table/t": content.blobs["table/t"].replace(b"\x01y", b"\x01z")}
    with pytest.raises(errors.RestoreDiffers, match="do not read back"):
        restore(mariadb, dataclasses.replace(content, blobs=blobs), "land_bad")
    blobs["table/t"] = blobs["table/t"][:-1]
    cut = dataclasses.replace(content, blobs=blobs)
    with pytest.raises((errors.ObjectCorrupt, AssertionError)):
        restore(mariadb, cut, "land_bad")
    assert mariadb.databases("land_bad") == []


def test_a_side_database_that_is_not_ours_is_left_alone(
    mariadb: MariadbServer, land: tuple[str, MemoryContent]
) -> None:
    _, content = land
    mariadb.run("create database ours__drorch_7kq2m9xd", "create table ours__drorch_7kq2m9xd.t (a int)")
    with pytest.raises(errors.TargetRefused, match="is not drorch's"):
        restore(mariadb, content, "ours")
    assert mariadb.run("show tables from ours__drorch_7kq2m9xd") == [("t",)]
    mariadb.run("drop database ours__drorch_7kq2m9xd")

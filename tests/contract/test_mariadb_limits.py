"""MariaDB at its limits and in its corners: what is wide, full, late, or set otherwise on the server."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from drorch import errors
from drorch.sources.interface import Level, RestoreChoices
from drorch.sources.mariadb import preflight
from drorch.sources.mariadb.databases import Occupation
from drorch.sources.mariadb.options import NonTransactional
from drorch.sources.mariadb.replica import lateness
from drorch.sources.mariadb.selection import select
from drorch.sources.mariadb.source import MariadbSource
from tests.support.mariadb import MariadbServer
from tests.support.taken_snapshot import SilentObserver, TakenSnapshot, take

WIDEST = 1_017  # InnoDB's own limit


@contextmanager
def globally(server: MariadbServer, **values: str) -> Iterator[None]:
    before = {name: str(server.run(f"select @@global.{name}")[0][0]) for name in values}

    def give(those: dict[str, str]) -> None:
        for name, value in those.items():
            server.run(f"set global {name} = {value if value.isdecimal() else repr(value)}")

    give(values)
    try:
        yield
    finally:
        give(before)


def taken(source: MariadbSource) -> TakenSnapshot:
    with source.capture() as capture:
        return take(capture)


def goes_round(server: MariadbServer, name: str, **options: object) -> str:
    content = taken(server.backup_source(name, **options))
    server.target(server.location(f"{name}_back")).restore(content, RestoreChoices(), SilentObserver())
    return server.compare(name, f"{name}_back")


def test_a_table_as_wide_as_the_engine_allows(mariadb: MariadbServer) -> None:
    columns = ", ".join(f"c{number} tinyint default {number % 100}" for number in range(WIDEST))
    name = mariadb.new_database(f"create table wide ({columns})", "insert into wide (c0) values (1), (2), (null)")
    assert goes_round(mariadb, name).startswith("equal: 1 table, 3 rows")


def test_a_table_that_the_target_has_no_room_for(mariadb: MariadbServer) -> None:
    name = mariadb.new_database(
        "create table register (id int primary key, v varchar(1000)) engine=memory",
        "insert into register select seq, repeat('x', 1000) from seq_1_to_400",
    )
    content = taken(mariadb.backup_source(name, non_transactional=NonTransactional.LOCK))
    with globally(mariadb, max_heap_table_size="16384"), pytest.raises(errors.TargetFull) as full:
        mariadb.target(mariadb.location(f"{name}_back")).restore(content, RestoreChoices(), SilentObserver())
    assert "writing table register" in full.value.message
    assert full.value.exit_code == 74
    assert mariadb.databases(f"{name}_back") == [], "what was begun is removed"


def test_what_a_server_sets_for_every_session_changes_nothing(mariadb: MariadbServer) -> None:
    """Globals that sessions inherit: time-stamps with silent defaults, lists that are cut, sessions that may not write."""
    with globally(mariadb, explicit_defaults_for_timestamp="1"):
        name = mariadb.new_database(
            "create table t (id int primary key, first timestamp not null, second timestamp null,"
            " third timestamp not null default current_timestamp on update current_timestamp)",
            "insert into t values (1, '2026-11-23 01:02:03', null, '2026-11-23 01:02:03')",
        )
    odd = {
        "explicit_defaults_for_timestamp": "0",
        "tx_read_only": "1",
        "sql_mode": "ORACLE,PAD_CHAR_TO_FULL_LENGTH",
        "group_concat_max_len": "8",
        "sql_select_limit": "1",
        "foreign_key_checks": "1",
    }
    source = mariadb.backup_source(name)
    with globally(mariadb, **odd):
        content = taken(source)
        mariadb.target(mariadb.location(f"{name}_back")).restore(content, RestoreChoices(), SilentObserver())
    assert mariadb.compare(name, f"{name}_back").startswith("equal: 1 table, 1 row")


@pytest.mark.parametrize(
    ("lag", "connection", "told"),
    [
        ("0", "", ""),
        ("900", "", ""),
        ("901", "", "15 min 1 s"),
        ("7200", "north", "2 h on connection north"),
        ("", "", "replication has stopped (reading: Yes, replaying: No)"),
    ],
)
def test_how_late_a_replica_is(lag: str, connection: str, told: str) -> None:
    state = {
        "Connection_name": connection,
        "Slave_IO_Running": "Yes",
        "Slave_SQL_Running": "No",
        "Seconds_Behind_Master": lag,
    }
    assert lateness([state], 900) == told
    assert lateness([], 900) == "", "it is no replica"


def test_a_replica_that_does_not_replay_is_refused_when_the_policy_asks(mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table t (a int)")
    asking = {"max_lag_seconds": 900}
    plain = mariadb.source(mariadb.backup_location(name), **asking)
    with pytest.raises(errors.SourceRightsMissing, match="how late the server is") as lacking, plain.capture():
        pass
    assert "REPLICA MONITOR" in lacking.value.hint
    assert "how late" in " ".join(one.text for one in plain.examine() if one.level is Level.FAIL)
    taken(mariadb.source(mariadb.location(name), **asking))  # it is a primary
    mariadb.run("change master 'north' to master_host='127.0.0.1', master_port=1, master_user='x'")
    try:
        late = mariadb.source(mariadb.location(name), **asking)
        with pytest.raises(errors.StandbyLag) as stopped, late.capture():
            pass
        assert "replication has stopped on connection north" in stopped.value.found
        assert "a replica that is late" in " ".join(one.text for one in late.examine())
        taken(mariadb.source(mariadb.location(name)))  # who does not ask is not told
    finally:
        mariadb.run("reset slave 'north' all")


def test_names_that_a_server_would_write_in_small_letters_stop_a_restore(mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table Parcel (a int)", "create table unit (a int)")
    content = taken(mariadb.backup_source(name))
    server = preflight.Server(
        version="10.11.6-MariaDB", accounts=None, occupied=Occupation(exists=False), leftovers=(), lowers_names=True
    )
    found = list(preflight._about_place(select(content, ()), RestoreChoices(), "land", server))
    assert any("small letters" in one.text and "Parcel" in one.text for one in found if one.level is Level.STOP)
    same = dataclasses.replace(server, lowers_names=False)
    assert all(
        one.level is not Level.STOP
        for one in preflight._about_place(select(content, ()), RestoreChoices(), "land", same)
    )

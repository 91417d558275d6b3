"""What a backup of PostgreSQL tells beside its sizes: what it left out, and what the policy's probes answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.installations import (
    Custodian,
    Installation,
    land_policy,
    make_account,
    new_installation,
    socket_url,
)
from tests.support.postgresql import BACKUP_PASSWORD, Server

SCRIPT = """
create extension postgres_fdw;
create server elsewhere foreign data wrapper postgres_fdw options (host 'localhost');
create user mapping for postgres server elsewhere options (user 'x', password 'canary-mapping-77');
create table parcel (id int primary key, note text);
insert into parcel select i, 'thửa ' || i from generate_series(1, 40) i;
create table request_log (id int, caller text);
insert into request_log values (1, '0912-canary-345');
"""
PROBES = "probes:\n  parcels: select count(*) from parcel\n  newest: select max(note) from parcel where id < 3\n"


@pytest.fixture
def land(custodian: Custodian, postgresql_15: Server, tmp_path: Path) -> tuple[Installation, Server, str]:
    installation = new_installation(tmp_path / "etc", custodian, "disk=disk")
    database = postgresql_15.new_database(SCRIPT, prefix="told")
    installation.secret("land", BACKUP_PASSWORD)
    installation.policy("land", land_policy(postgresql_15, database))
    make_account(postgresql_15, installation, "land", database)
    return installation, postgresql_15, database


def test_what_is_left_out_and_what_probes_answer_is_told(land: tuple[Installation, Server, str]) -> None:
    installation, server, database = land
    text = land_policy(server, database, exclude_data="[public.request_log, public.requets_log]")
    installation.policy("land", text + PROBES)
    (snapshot,) = installation.drorch("backup", "land", "--json").json()["snapshots"]
    assert snapshot["left_out"] == [
        {"kind": "excluded_data", "names": ["public.request_log"]},
        {"kind": "left_out", "names": ["the options of the user mapping of postgres on elsewhere"]},
        {"kind": "exclude_data_unused", "names": ["public.requets_log"]},
    ]
    assert snapshot["probes"] == {"parcels": "40", "newest": "thửa 2"}
    told = installation.drorch("backup", "land")
    told.told("copies=1/1 left_out=3")
    plan = installation.restore(snapshot["snapshot"], socket_url(server, f"{database}_back"), "--plan", expect=None)
    plan.told("comes without rows (exclude_data): public.request_log")


@pytest.mark.parametrize(
    ("sql", "code", "words"),
    [
        ("select count(*) from no_such", 20, "no_such"),
        ("select id from parcel", 20, "one value"),
        ("select 1; select 2", 20, "multiple commands"),
        ("delete from parcel returning 1", 20, "read-only"),
        ("select pg_read_file('PG_VERSION')", 23, "pg_read_file"),
    ],
)
def test_a_failing_probe_fails_the_run_by_name(
    land: tuple[Installation, Server, str], sql: str, code: int, words: str
) -> None:
    installation, server, database = land
    installation.policy("land", land_policy(server, database) + f"probes:\n  good: select 1\n  odd_one: {sql}\n")
    failed = installation.drorch("backup", "land", expect=None)
    failed.told("probe odd_one:", words, "Nothing was stored")
    assert installation.snapshots() == []
    assert failed.code == code
    assert server.run("select count(*) from parcel", database) == [(40,)]


@pytest.mark.parametrize("choice", ["always", "never"])
def test_rows_need_not_be_digested(land: tuple[Installation, Server, str], choice: str) -> None:
    installation, server, database = land
    installation.policy("land", land_policy(server, database, rows_digest=choice))
    (snapshot,) = installation.drorch("backup", "land", "--json").json()["snapshots"]
    assert snapshot["rows"] == 41
    installation.drorch("verify", "--read-data", "100", *installation.custodian.opens).told("OK 1 snapshot")

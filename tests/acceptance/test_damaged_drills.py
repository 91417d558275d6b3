"""Drills that must not pass, each failing for the right reason, and drills that must: the false passes and false alarms of the field."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.installations import (
    BARE,
    ROOT,
    Answer,
    Custodian,
    Installation,
    civil_policy,
    make_civil,
    new_installation,
    run,
)
from tests.support.postgresql import Server
from tests.support.postgresql_programs import readable_wheel

FAULTY = ROOT / "tests/support/damaged_drill.py"
LAND = """
drop schema public cascade;
create schema dia_chinh;
create table dia_chinh.parcel (id int primary key, unit text not null, area float8, share float4, note text, held interval);
insert into dia_chinh.parcel select i, 'u' || i % 7, i * 0.1, i / 3.0, 'thửa ' || i, i * interval '1 second' from generate_series(1, 4000) i;
create table dia_chinh.owner (id int primary key, parcel int references dia_chinh.parcel, name text);
insert into dia_chinh.owner select i, i, 'chủ ' || i from generate_series(1, 500) i;
create index parcel_unit on dia_chinh.parcel (unit);
create view dia_chinh.by_unit as select unit, count(*) from dia_chinh.parcel group by 1;
"""
FAIL, INCONCLUSIVE = 50, 52


@dataclass(frozen=True, kw_only=True)
class Office:
    """An installation whose production is gone when it is drilled."""

    installation: Installation
    first_civil: str

    def drill(self, name: str, *more: str, fault: str = "none", argument: str = "", expect: int | None = 0) -> Drill:
        words = ["drill", "run", name, *self.installation.custodian.opens, "--json", *more]
        command = [sys.executable, str(FAULTY), fault, argument, *words, "--config", str(self.installation.settings)]
        return Drill(answer=run(command, expect=expect, env=BARE, cwd=self.installation.base))


@dataclass(frozen=True, kw_only=True)
class Drill:
    """What one drill answered."""

    answer: Answer

    @property
    def only(self) -> dict[str, Any]:
        (one,) = self.answer.json()["drills"]
        found: dict[str, Any] = one
        return found

    def check(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in self.only["report"]["checks"] if one["check"] == name)
        return found

    def bad(self) -> set[str]:
        """Return the names of the checks that failed."""
        return {one["check"] for one in self.only["report"]["checks"] if one["outcome"] == "FAIL"}

    def said(self, check: str) -> str:
        return str(self.check(check))


@pytest.fixture(scope="module")
def office(custodian: Custodian, postgresql_15: Server, tmp_path_factory: pytest.TempPathFactory) -> Office:
    installation = new_installation(tmp_path_factory.mktemp("drills") / "etc", custodian, "disk=disk", "vault=vault")
    database = postgresql_15.new_database(LAND, prefix="land")
    url = f"host: {postgresql_15.sockets}\n    port: {postgresql_15.port}\n    database: {database}\n    user: postgres"
    installation.policy("land", f'name: land\nsource:\n  postgresql:\n    {url}\nschedule: "30 1 * * *"\n')
    civil = installation.base / "civil.db"
    installation.policy("civil", civil_policy(civil))
    make_civil(civil)
    first = installation.drorch("backup", "civil", "--json").json()["snapshots"][0]["snapshot"]
    with closing(sqlite3.connect(civil)) as connection:
        connection.execute("update birth set name = 'Trần Văn Đổi' where id = 7")
        connection.commit()
    installation.drorch("backup", "civil", "land")
    postgresql_15.run(f"drop database {database}")  # what a drill needs is in the store
    civil.unlink()
    return Office(installation=installation, first_civil=first)


def test_a_drill_passes_without_production_and_without_a_schema_that_new_databases_have(office: Office) -> None:
    assert office.drill("land").only["verdict"] == "pass"


def test_another_version_that_prints_floats_and_views_in_its_own_way_is_no_false_alarm(office: Office) -> None:
    settings = office.installation.settings
    text = settings.read_text()
    settings.write_text(f"{text}\ntools: {{postgresql: {readable_wheel()}}}\n")
    other = "create or replace view dia_chinh.by_unit as select unit, count(*) + 1 as count from dia_chinh.parcel group by 1"
    try:
        drill = office.drill("land", expect=None)
        changed = office.drill("land", fault="postgresql", argument=other, expect=FAIL)
    finally:
        settings.write_text(text)
    assert drill.only["verdict"] == "pass", drill.answer.out
    assert drill.only["report"]["sandbox"]["engine_version"].startswith("18.")
    assert "as this version prints them" in drill.said("schema")  # the view was made anew, and both compared
    assert changed.bad() == {"schema"}
    assert "by_unit" in changed.said("schema")


@pytest.mark.parametrize(
    ("statement", "bad", "named"),
    [
        ("update dia_chinh.parcel set area = area + 0.1 where id = 2741", {"content"}, "id = 2741"),
        ("delete from dia_chinh.owner where id = 321", {"content"}, "id = 321"),
        ("drop index dia_chinh.parcel_unit", {"schema"}, "parcel_unit"),
        (
            "drop view dia_chinh.by_unit; alter table dia_chinh.owner drop constraint owner_parcel_fkey",
            {"schema"},
            "by_unit",
        ),
    ],
    ids=["one changed cell", "a missing row", "a missing index", "objects whose statements failed"],
)
def test_damage_is_found_and_named(office: Office, statement: str, bad: set[str], named: str) -> None:
    drill = office.drill("land", fault="postgresql", argument=statement, expect=FAIL)
    assert drill.bad() == bad
    assert named in drill.said(*bad)
    assert "thửa" not in drill.answer.out  # of rows only keys


def test_rows_in_another_order_are_the_same_rows(office: Office) -> None:
    drill = office.drill(
        "land", fault="postgresql", argument="update dia_chinh.parcel set note = note where id % 3 = 0"
    )
    assert drill.only["verdict"] == "pass", drill.answer.out


def test_a_restore_that_wrote_nothing_is_no_restore(office: Office) -> None:
    for name in ("land", "civil"):
        assert office.drill(name, fault="rolled-back", expect=FAIL).only["verdict"] == "fail"


def test_another_snapshot_in_its_place_is_noticed(office: Office) -> None:
    drill = office.drill("civil", fault="swapped", argument=office.first_civil, expect=FAIL)
    assert "content" in drill.bad()
    assert "id = 7" in drill.said("content")
    assert drill.only["report"]["snapshot"]["id"] != office.first_civil


def test_what_is_left_over_fails_the_drill(office: Office) -> None:
    drill = office.drill("civil", fault="left-over", expect=FAIL)
    assert drill.bad() == {"wiped"}
    for path in (office.installation.base / "var/temporary").glob("drorch-sb-*"):
        assert str(path) in drill.said("wiped")
        shutil.rmtree(path)


def test_a_damaged_snapshot_fails_and_no_other_snapshot_or_store_takes_its_place(
    office: Office, tmp_path: Path
) -> None:
    copy = office.installation.copy(tmp_path / "etc")
    latest = copy.snapshots("civil")[0]["snapshot"]
    for pack in (path for path in (copy.base / "disk").rglob("*") if path.is_file() and path.stat().st_size > 20_000):
        content = bytearray(pack.read_bytes())
        content[5_000:-5_000] = bytes(len(content) - 10_000)
        pack.chmod(0o600)
        pack.write_bytes(content)
    drill = Office(installation=copy, first_civil="").drill("civil", "--store", "disk", expect=FAIL)
    assert drill.bad() & {"key", "restore"}
    snapshot = drill.only["report"]["snapshot"]
    assert snapshot is None or (snapshot["id"], snapshot["store"]) == (latest, "disk")
    Office(installation=copy, first_civil="").drill("civil", "--store", "vault")


def test_a_check_that_lacks_its_tool_proves_nothing(office: Office) -> None:
    drill = office.drill("land", fault="no-tools", expect=INCONCLUSIVE)
    assert "pg_dump" in str(drill.only["report"]["checks"])


def test_without_room_nothing_is_begun_and_nothing_is_proven(office: Office) -> None:
    drill = office.drill("civil", fault="no-room", expect=INCONCLUSIVE)
    assert "room for about" in drill.said("restore")
    assert "1 MB are free" in drill.only["summary"]
    assert (drill.bad(), drill.only["report"]["sandbox"]) == (set(), None)


def test_tables_without_rows_prove_nothing_by_being_equal(office: Office, tmp_path: Path) -> None:
    copy = office.installation.copy(tmp_path / "etc")  # no other test may find this backup as the latest
    civil = copy.base / "civil.db"
    with closing(sqlite3.connect(civil)) as connection:
        connection.executescript(
            "create table birth (id integer primary key, name text); create table marriage (id int)"
        )
    copy.drorch("backup", "civil")
    drill = Office(installation=copy, first_civil="").drill("civil", expect=None)
    assert drill.only["verdict"] != "pass"
    assert "every table was empty" in drill.said("content")

"""Policy file -> backup -> restore, by the real command line; the independent comparer judges."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.installations import (
    BARE,
    COMMAND,
    ROOT,
    Custodian,
    Installation,
    Town,
    civil_policy,
    equal,
    land_policy,
    make_account,
    new_name,
    run,
)
from tests.support.postgresql import BACKUP_PASSWORD

CHINOOK = ROOT.parent / "shared/data/chinook"


def test_postgresql_comes_back_equal(town: Town) -> None:
    target = new_name("back")
    answer = town.installation.restore("latest:land", town.url(target))
    answer.told("OK", "is the snapshot of", "every byte as at backup")
    answer.fits()
    assert "equal: 4 tables" in town.same_land(target)
    assert "parcel" in town.same_land(target, other=town.first_land, expect=1), "the judge sees the change"


def test_sqlite_comes_back_equal(town: Town, tmp_path: Path) -> None:
    target = tmp_path / "back.db"
    town.installation.restore("latest:civil", f"sqlite://{target}").told("OK", "2 of 2 tables")
    equal("sqlite", str(town.civil), str(target))
    equal("sqlite", str(town.first_civil), str(target), expect=1)


def test_an_older_snapshot_by_its_id_is_what_was_then(town: Town, tmp_path: Path) -> None:
    target, name = tmp_path / "back.db", new_name("back")
    town.installation.restore(town.first["civil"]["snapshot"][:8], f"sqlite://{target}")
    equal("sqlite", str(town.first_civil), str(target))
    town.installation.restore(town.first["land"]["snapshot"], town.url(name))
    town.same_land(name, other=town.first_land)


def test_before_picks_the_newest_that_is_not_later(town: Town, tmp_path: Path) -> None:
    target = tmp_path / "back.db"
    after_first = datetime.fromisoformat(town.first["civil"]["restore_point"]) + timedelta(seconds=1)
    before = after_first.strftime("%Y-%m-%dT%H:%M:%SZ")
    town.installation.restore("latest:civil", f"sqlite://{target}", "--before", before)
    equal("sqlite", str(town.first_civil), str(target))
    early = town.installation.restore("latest:civil", f"sqlite://{target}x", "--before", "2001-01-01 00:00", expect=48)
    early.told("no snapshot fits latest:civil")


def test_a_second_run_without_changes_stores_almost_nothing(town: Town, copied: Installation) -> None:
    for name in ("land", "civil"):
        copied.drorch("backup", name)  # other tests make roles, and roles belong to a snapshot
        again = copied.drorch("backup", name, "--json").json()["snapshots"][0]
        assert again["bytes_stored"] <= 64_000
        assert again["objects_stored"] <= 8
        assert again["chunks"]["new"] == 0
        assert again["rows"] == town.second[name]["rows"]


def test_one_table_alone(town: Town) -> None:
    target = new_name("part")
    town.server.new_database()
    town.installation.restore("latest:land", town.url(target), "--table", "public.parcel", "--table", "public.unit")
    same = "select md5(string_agg(p::text, '|' order by id)) from parcel p"
    assert town.server.run(same, target) == town.server.run(same, town.database)
    assert town.server.run("select to_regclass('public.nothing')", target) == [(None,)]


def test_a_plan_says_what_stands_in_the_way_and_changes_nothing(town: Town) -> None:
    target = town.server.new_database("create table mine (a int); insert into mine values (1)")
    answer = town.installation.restore("latest:land", town.url(target), "--plan", expect=70)
    answer.told("PLAN", "nothing is changed", "STOP", "--replace", "need", "your decision")
    answer.fits()
    free = town.installation.restore("latest:land", town.url(new_name("free")), "--plan")
    free.told("Nothing stands in the way.")
    assert town.server.run("select * from mine", target) == [(1,)]


def test_a_target_with_data_is_refused_until_it_may_be_replaced(town: Town) -> None:
    target = town.server.new_database("create table mine (a int); insert into mine values (1)", prefix="old")
    refused = town.installation.restore("latest:land", town.url(target), expect=70)
    refused.told("ERROR", "expected" if "expected" in refused.err else "found", "hint", "nothing was changed")
    assert town.server.run("select * from mine", target) == [(1,)]
    answer = town.installation.restore("latest:land", town.url(target), "--replace")
    town.same_land(target)
    (kept,) = town.server.run(f"select datname from pg_database where datname like '{target}\\_\\_before\\_%'")
    assert town.server.run("select * from mine", kept[0]) == [(1,)]
    answer.told(f"{kept[0]}")
    assert not town.server.run(f"select 1 from pg_database where datname like '{target}\\_\\_drorch%'")


def test_a_sqlite_file_is_refused_until_it_may_be_replaced(town: Town, tmp_path: Path) -> None:
    target = tmp_path / "mine.db"
    with closing(sqlite3.connect(target)) as connection:
        connection.execute("create table mine (a)")
    before = target.read_bytes()
    town.installation.restore("latest:civil", f"sqlite://{target}", expect=70)
    assert target.read_bytes() == before
    town.installation.restore("latest:civil", f"sqlite://{target}", "--replace")
    equal("sqlite", str(town.civil), str(target))
    assert before in [path.read_bytes() for path in tmp_path.iterdir()], "the old file stays"


def test_a_bare_machine_needs_the_store_the_key_and_the_digest_only(town: Town, tmp_path: Path) -> None:
    target = tmp_path / "back.db"
    words = ("--store", str(town.installation.base / "vault"), "--trust", town.installation.trust)
    opens = town.installation.custodian.opens
    run([*COMMAND, "restore", "latest:civil", *words, *opens, "--to", f"sqlite://{target}"], cwd=tmp_path)
    equal("sqlite", str(town.civil), str(target))
    name = new_name("bare")
    run([*COMMAND, "restore", "latest:land", *words, *opens, "--to", town.url(name)], cwd=tmp_path)
    town.same_land(name)
    listed = run([*COMMAND, "snapshots", *words, "--json"], cwd=tmp_path).json()["snapshots"]
    assert {one["snapshot"] for one in listed} == {one["snapshot"] for one in town.installation.snapshots()}
    assert not (tmp_path / "drorch.yaml").exists()


def test_without_anybody_to_ask_an_unknown_trust_root_is_refused(town: Town, tmp_path: Path) -> None:
    words = ("--store", str(town.installation.base / "vault"), *town.installation.custodian.opens)
    to = f"sqlite://{tmp_path / 'back.db'}"
    answer = run([*COMMAND, "restore", "latest:civil", *words, "--to", to], expect=42, cwd=tmp_path)
    answer.told("nobody vouches", "--trust DIGEST", town.installation.trust)
    taken = run([*COMMAND, "restore", "latest:civil", *words, "--to", to, "--trust-on-first-use"], cwd=tmp_path)
    taken.told("unauthenticated")


def test_with_the_hosts_disk_gone_store_and_key_restore_every_snapshot(copied: Installation, tmp_path: Path) -> None:
    listed = copied.snapshots("civil")
    store = tmp_path / "rescued"
    shutil.move(copied.base / "vault", store)
    trust = copied.trust
    shutil.rmtree(copied.base)
    for number, snapshot in enumerate(listed):
        target = tmp_path / f"back-{number}.db"
        words = ["restore", snapshot["snapshot"][:8], "--store", str(store), "--trust", trust]
        run([*COMMAND, *words, *copied.custodian.opens, "--to", f"sqlite://{target}"], cwd=tmp_path)
        with closing(sqlite3.connect(target)) as connection:
            assert connection.execute("select count(*) from birth").fetchone() == (500,)
    assert len(listed) == 2


def test_an_empty_environment_works_and_prints_vietnamese(copied: Installation) -> None:
    copied.policy("sổ", civil_policy(copied.base / "civil.db", "sổ"))
    assert set(BARE) == {"PATH", "HOME"}
    broken = copied.drorch("policy", "validate", expect=10)
    broken.told("sổ.yaml")
    (copied.base / "policies/sổ.yaml").unlink()
    text = copied.settings.read_text().replace('owner: "to be filled in"', "owner: UBND tỉnh Lâm Đồng")
    copied.settings.write_text(text)
    copied.drorch("backup", "civil")
    copied.drorch("policy", "show", "civil").told("UBND tỉnh Lâm Đồng")


@pytest.mark.skipif(not CHINOOK.is_dir(), reason="needs ../shared")
def test_chinook_in_both_engines(town: Town, custodian: Custodian, copied: Installation, tmp_path: Path) -> None:
    text = (CHINOOK / "Chinook_PostgreSql.sql").read_text(encoding="utf-8")
    statements = text.split("\\c chinook;", 1)[1]
    database, target = town.server.new_database(statements, prefix="chinook"), new_name("chinook_back")
    copied.policy("chinook", land_policy(town.server, database, "chinook"))
    make_account(town.server, copied, "chinook", database)
    shutil.copy(CHINOOK / "Chinook_Sqlite.sqlite", copied.base / "chinook.db")
    copied.policy("chinook-lite", civil_policy(copied.base / "chinook.db", "chinook-lite"))
    copied.secret("land", BACKUP_PASSWORD)
    copied.drorch("backup", "chinook", "chinook-lite").told("chinook ok", "chinook-lite ok", "copies=2/2")
    copied.restore("latest:chinook", town.url(target))
    assert "11 tables" in town.same_land(target, other=database)
    copied.restore("latest:chinook-lite", f"sqlite://{tmp_path / 'back.db'}")
    assert "11 tables" in equal("sqlite", str(copied.base / "chinook.db"), str(tmp_path / "back.db"))

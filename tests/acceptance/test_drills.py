"""The restore tests that we ship, drilled on real PostgreSQL, MariaDB, SQLite, files and Firebird, by the command line."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfWriter

from tests.acceptance.test_command import CANARY, ledger_policy
from tests.acceptance.test_mariadb import POLICY as MARIADB_POLICY
from tests.support.file_trees import scans_policy
from tests.support.firebird import Firebird
from tests.support.installations import (
    BARE,
    ROOT,
    ZONE,
    Answer,
    Custodian,
    Installation,
    civil_policy,
    land_policy,
    make_account,
    new_installation,
    on_terminal,
)
from tests.support.mariadb import BACKUP_PASSWORD as MARIADB_PASSWORD
from tests.support.mariadb import MariadbServer, mariadb_program
from tests.support.postgresql import BACKUP_PASSWORD, Server

LAND = """
create table unit (code text primary key, name text not null);
create table parcel (id bigint generated always as identity primary key, unit text not null references unit, sheet int,
  parcel_no int, updated timestamptz default now());
create index parcel_place on parcel (unit, sheet, parcel_no);
create view by_unit as select unit, count(*) from parcel group by 1;
insert into unit values ('00678', 'Đức Trọng'), ('00676', 'Lâm Hà');
insert into parcel (unit, sheet, parcel_no) select '00676', i % 50, i from generate_series(1, 1500) i;
insert into parcel (unit, sheet, parcel_no) values ('00678', 45, 123);
"""
PERMITS = """
create table permit (id int primary key auto_increment, place varchar(80) not null, given date);
create table stage (id int primary key auto_increment, permit int not null, foreign key (permit) references permit (id));
insert into permit (place, given) values ('Đức Trọng', '2024-05-01'), ('Lâm Hà', '2025-06-02');
insert into stage (permit) values (1), (1), (2);
"""
PEOPLE = """
people:
  operator1: {name: Cán bộ vận hành 1, role: operator, key: keys/operator1.pub}
  verifier1: {name: Cán bộ kiểm tra 1, role: verifier, key: keys/verifier1.pub}
"""


@dataclass(frozen=True, kw_only=True)
class Office:
    """An installation with shipped restore tests."""

    installation: Installation
    more: Mapping[str, str] = field(default_factory=dict)

    def drorch(self, *words: str, expect: int | None = 0) -> Answer:
        return self.installation.drorch(*words, expect=expect, env=BARE | dict(self.more))

    def ship(self, *names: str) -> None:
        """Put restore tests that we ship in place."""
        folder = self.installation.base / "restore_tests"
        folder.mkdir(exist_ok=True)
        for name in names:
            shutil.copy(ROOT / "restore_tests" / name, folder / name)

    def drill(self, name: str, *words: str, expect: int | None = 0) -> Answer:
        return self.drorch("drill", "run", name, *self.installation.custodian.opens, *words, expect=expect)

    def report(self, name: str, *words: str, expect: int = 0) -> Any:
        """Drill and return the one report of ``--json``."""
        (drilled,) = self.drill(name, "--json", *words, expect=expect).json()["drills"]
        return drilled["report"]


def outcomes(report: Any) -> dict[str, str]:
    return {check["check"]: check["outcome"] for check in report["checks"]}


ALL_OK = dict.fromkeys(
    (
        "key",
        "restore",
        "chunks",
        "content",
        "probes",
        "schema",
        "constraints",
        "encoding",
        "queries",
        "files",
        "controls",
        "wiped",
    ),
    "ok",
)


def new_office(base: Path, custodian: Custodian) -> Office:
    installation = new_installation(base / "etc", custodian, "disk=disk", "vault=vault")
    with installation.settings.open("a", encoding="utf-8") as file:
        file.write(PEOPLE)
    return Office(installation=installation)


@pytest.fixture(scope="module")
def office(custodian: Custodian, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """One installation for all systems: each has a policy and a restore test of its own."""
    return new_office(tmp_path_factory.mktemp("office"), custodian)


@pytest.fixture(scope="module")
def land(custodian: Custodian, postgresql_15: Server, tmp_path_factory: pytest.TempPathFactory) -> Office:
    office = new_office(tmp_path_factory.mktemp("land"), custodian)
    database = postgresql_15.new_database(LAND, prefix="drilled")
    text = land_policy(postgresql_15, database, "lamdong-land")
    office.installation.policy(
        "lamdong-land", text + "probes: {newest_record: select max(updated) from public.parcel}\n"
    )
    office.installation.secret("land", BACKUP_PASSWORD)
    make_account(postgresql_15, office.installation, "lamdong-land", database)
    office.drorch("backup", "lamdong-land")
    office.ship("lamdong-land.yaml")
    return office


def test_a_land_register_in_postgresql(land: Office) -> None:
    people = ("--operator", "operator1", "--verifier", "verifier1")
    reports = land.installation.base / "var/state/reports"
    earlier = set(reports.iterdir()) if reports.exists() else set()
    code, said = on_terminal(
        land.installation.command("drill", "run", "lamdong-land", *people, *land.installation.custodian.opens)
    )
    assert code == 0, said
    for words in (
        "snapshot",
        "(latest), copy in ",
        "ok    content equals the snapshot",
        "2 of 2 tables",
        "ok    2 of 2 queries",
        "flipped byte, wrong key: refused",
        "PASS  all 2 tables came back equal, usable after",
        "newest record in it: ",
        "not yet by operator1, verifier1",
        "evidence    disk, vault: evidence/",
        "report      ",
        "--as verifier1",
    ):
        assert words in said, said
    papers = sorted(set(reports.iterdir()) - earlier)
    assert [path.name[26:] for path in papers] == [".en.pdf", ".vi.pdf"]
    assert all(path.read_bytes().startswith(b"%PDF-") for path in papers)
    report = land.report("lamdong-land", "--no-paper")
    assert set(reports.iterdir()) - earlier == set(papers)
    assert outcomes(report) == ALL_OK
    assert report["verdict"] == "pass"
    first = land.drorch("drill", "list", "--json").json()["drills"][1]
    assert {report["snapshot"]["store"], first["store"]} == {"disk", "vault"}, "each store in turn"
    assert report["before"]["drill"] == first["drill"]
    due = datetime.fromisoformat(report["coverage"].pop("next_due")).astimezone(ZONE)
    assert (due.day, due.hour, due.month % 3) == (1, 5, 1), "quarterly, as the shipped test says"
    assert report["coverage"] == {"within_days": 90, "drilled": 1, "sources": 1}
    content = next(check for check in report["checks"] if check["check"] == "content")
    assert [one["name"] for one in content["compared"]] == ["public.parcel", "public.unit"]
    assert report["rto"]["actual_ms"] > 0
    land.drorch("drill", "list", "--unsigned").told("lamdong-land", "pass")
    land.drorch("drill", "show", report["drill"][:12]).told("content equals the snapshot", "2 of 2 queries")
    land.drorch("drill", "coverage").told("restored within 90 days: 1 of 1")


def test_a_question_with_another_answer_fails_and_one_without_an_answer_proves_nothing(land: Office) -> None:
    test = land.installation.base / "restore_tests/questions.yaml"
    shipped = (ROOT / "restore_tests/lamdong-land.yaml").read_text(encoding="utf-8")
    text = shipped.replace("name: lamdong-land\n", "name: questions\n")
    test.write_text(text.replace("expect: 1\n", "expect: 2\n"), encoding="utf-8")
    answer = land.drill("questions", expect=50)
    answer.told(
        "FAIL queries",
        '"Parcel 123 on sheet 45 of unit 00678 exists once"',
        "expected 2",
        "found 1",
        "lamdong-land FAIL",
    )
    test.write_text(
        text.replace("select count(*) from parcel where unit", "select id from parcel where false and unit"),
        encoding="utf-8",
    )
    land.drill("questions", expect=52).told("OPEN queries", "no single value", "lamdong-land OPEN")
    test.write_text(text + "skip: {files: a database has none}\n", encoding="utf-8")
    report = land.report("questions", expect=3)
    assert report["verdict"] == "pass_with_findings"
    land.drorch("drill", "list").told("fail", "inconclusive", "pass with findings")


def test_a_wrong_key_ends_before_anything_is_started(land: Office, tmp_path: Path) -> None:
    before = land.drorch("drill", "list", "--json").json()["drills"]
    passphrase = tmp_path / "wrong"
    passphrase.write_text("not the passphrase\n")
    key = str(land.installation.custodian.key)
    land.drorch("drill", "run", "lamdong-land", "--key", key, "--passphrase-file", str(passphrase), expect=44)
    land.drorch("drill", "run", "lamdong-land", expect=43).told("drill_key")
    assert list((land.installation.base / "var/temporary").glob("drorch-sb-*")) == []
    land.drorch("history", "lamdong-land").told("drill", "failed: key-wrong")
    assert land.drorch("drill", "list", "--json").json()["drills"] == before


def test_people_are_two_and_known(land: Office) -> None:
    land.drill("lamdong-land", "--operator", "nobody", expect=2).told("nobody is called nobody")
    land.drill("lamdong-land", "--operator", "verifier1", expect=2).told("verifier1 is no operator")


def test_the_schedule_is_drilled_once(custodian: Custodian, tmp_path: Path) -> None:
    office = new_office(tmp_path, custodian)
    registry(tmp_path / "registry.db")
    office.installation.policy("civil", civil_policy(tmp_path / "registry.db"))
    office.drorch("backup", "civil")
    tests = office.installation.base / "restore_tests"
    tests.mkdir(exist_ok=True)
    (tests / "daily.yaml").write_text("name: daily\npolicy: civil\nschedule: every 1d\n")
    office.installation.secret("drill.key", custodian.key.read_text())
    office.installation.secret("drill.passphrase", custodian.passphrase.read_text())
    settings = office.installation.settings
    lines = "keys:\n  drill_key: file:secrets/drill.key\n  drill_passphrase: file:secrets/drill.passphrase\n"
    settings.write_text(settings.read_text().replace("keys:\n", lines))
    office.drorch("drill", "due", "--plan").told("daily due since")
    office.drorch("drill", "due").told("civil PASS")
    office.drorch("drill", "due").told("Nothing is due.")
    (made,) = office.drorch("drill", "list", "--json").json()["drills"]
    assert (made["verdict"], made["test"]) == ("pass", "daily")


def registry(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "create table dossier (id integer primary key, owner text);"
            "insert into dossier (owner) values ('Đỗ Thị Bốn');"
        )


def test_permits_in_mariadb(office: Office, mariadb: MariadbServer) -> None:
    database = mariadb.new_database(prefix="capphep")
    mariadb_program(mariadb, f"use {database};\n{PERMITS}")
    user, authority = "permit_reader", mariadb.authority
    text = MARIADB_POLICY.format(port=mariadb.port, database=database, user=user, authority=authority)
    office.installation.policy("xaydung-capphep", text.replace("name: hotich", "name: xaydung-capphep"))
    office.installation.secret("hotich", MARIADB_PASSWORD)
    script = office.drorch("policy", "grants", "xaydung-capphep").out
    mariadb_program(mariadb, script.replace("the password, typed here", MARIADB_PASSWORD))
    office.drorch("backup", "xaydung-capphep")
    office.ship("xaydung-capphep.yaml")
    report = office.report("xaydung-capphep")
    assert outcomes(report) == ALL_OK, report["checks"]
    constraints = next(check for check in report["checks"] if check["check"] == "constraints")
    assert [one["found"] for one in constraints["compared"]] == ["0 orphans"]


def test_the_islands_registry_in_sqlite(office: Office, tmp_path: Path) -> None:
    registry(tmp_path / "registry.db")
    text = (
        civil_policy(tmp_path / "registry.db", "dackhu-phuquy-spool")
        + "probes: {dossiers: select count(*) from dossier}\n"
    )
    office.installation.policy("dackhu-phuquy-spool", text)
    office.drorch("backup", "dackhu-phuquy-spool")
    office.ship("dackhu-phuquy-spool.yaml")
    report = office.report("dackhu-phuquy-spool")
    assert outcomes(report) == ALL_OK
    assert "Đỗ" not in str(report), "no report shows what is in a row"


def make_scans(tree: Path) -> None:
    (tree / "2024").mkdir(parents=True)
    Image.new("RGB", (40, 30), "white").save(tree / "2024/trang 1.tif")
    Image.new("RGB", (40, 30), "white").save(tree / "2024/ảnh.jpg")
    document = PdfWriter()
    document.add_blank_page(200, 300)
    with (tree / "2024/giấy chứng nhận.pdf").open("wb") as file:
        document.write(file)
    (tree / "danh mục.csv").write_text("số,tên\n1,Đức Trọng\n", encoding="utf-8")


def test_scans_that_must_open(office: Office, tmp_path: Path) -> None:
    tree = tmp_path / "hsdc"
    make_scans(tree)
    office.installation.policy("ldg-hsdc-scan", scans_policy(tree).replace("name: scans", "name: ldg-hsdc-scan"))
    office.drorch("backup", "ldg-hsdc-scan")
    office.ship("ldg-hsdc-scan.yaml")
    report = office.report("ldg-hsdc-scan")
    assert outcomes(report) == ALL_OK, report["checks"]
    files = next(check for check in report["checks"] if check["check"] == "files")
    assert files["note"] == "1 JPEG, 1 PDF, 1 TIFF"
    (tree / "2024/trang 2.tif").write_bytes(b"II*\0 no picture")
    office.drorch("backup", "ldg-hsdc-scan")
    broken = office.report("ldg-hsdc-scan")
    assert broken["verdict"] == "pass_with_findings"
    assert outcomes(broken) == ALL_OK | {"files": "finding"}


def test_a_ledger_in_firebird(office: Office, tmp_path: Path) -> None:
    firebird = Firebird(folder=tmp_path)
    firebird.make(tmp_path / "kttc.fdb")
    office.installation.policy("tckh-kttc-huyen", ledger_policy(tmp_path / "kttc.fdb"))
    office.installation.secret("kttc.user", "SYSDBA\n")
    office.installation.secret("kttc.password", CANARY)
    office = Office(installation=office.installation, more={"LOCKS": str(tmp_path)})
    office.drorch("backup", "tckh-kttc-huyen")
    office.ship("tckh-kttc-huyen.yaml")
    report = office.report("tckh-kttc-huyen")
    assert outcomes(report) == ALL_OK, report["checks"]
    content = next(check for check in report["checks"] if check["check"] == "content")
    assert "`verify` ended with 0" in content["found"]
    assert CANARY not in str(report)

"""A restore or a check that hangs, in every kind of sandbox: the drill ends in its time, proves neither, and leaves nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.installations import (
    BARE,
    ROOT,
    Custodian,
    Installation,
    civil_policy,
    make_civil,
    new_installation,
    run,
)
from tests.support.postgresql import Server

FAULTY = ROOT / "tests/support/damaged_drill.py"
LIMIT_SECONDS = 10
INCONCLUSIVE = 52
BOOKS = """name: books
source:
  command: {capture: [/bin/cat, BOOKS], restore: [/bin/sh, -c, "cat > $0; sleep 600", "{target}"], minimum_size: 1kB}
schedule: "0 2 * * *"
"""
ENDLESS = {
    "sqlite-query": (
        "civil",
        "with recursive c (n) as (select 1 union all select n + 1 from c) select count(*) from c",
    ),
    "postgresql-query": ("land", "select count(*) from pg_sleep(600)"),
}


@pytest.fixture(scope="module")
def office(custodian: Custodian, postgresql_15: Server, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = new_installation(tmp_path_factory.mktemp("limits") / "etc", custodian, "disk=disk")
    database = postgresql_15.new_database("create table unit (code text primary key); insert into unit values ('1')")
    url = f"host: {postgresql_15.sockets}\n    port: {postgresql_15.port}\n    database: {database}\n    user: postgres"
    made.policy("land", f'name: land\nsource:\n  postgresql:\n    {url}\nschedule: "30 1 * * *"\n')
    civil, books = made.base / "civil.db", made.base / "books.bak"
    make_civil(civil)
    books.write_bytes(b"books " * 1_000)
    made.policy("civil", civil_policy(civil))
    made.policy("books", BOOKS.replace("BOOKS", str(books)))
    made.drorch("backup", "land", "civil", "books")
    (made.base / "restore_tests").mkdir(exist_ok=True)
    for name, (policy, sql) in ENDLESS.items():
        question = f'queries:\n  - name: endless\n    sql: "{sql}"\n    expect: 1\n'
        restore_test(made, name, policy, question)
    restore_test(made, "postgresql-restore", "land")
    restore_test(made, "command-restore", "books")
    return made


def restore_test(office: Installation, name: str, policy: str, more: str = "") -> None:
    text = f"name: {name}\npolicy: {policy}\ntimeout: {LIMIT_SECONDS}s\n{more}"
    (office.base / "restore_tests" / f"{name}.yaml").write_text(text, encoding="utf-8")


def drill(office: Installation, name: str, fault: Sequence[str] = ("none", "")) -> Any:
    words = ["drill", "run", name, *office.custodian.opens, "--json", "--config", str(office.settings)]
    answer = run([sys.executable, str(FAULTY), *fault, *words], expect=INCONCLUSIVE, env=BARE, cwd=office.base)
    (drilled,) = answer.json()["drills"]
    return drilled["report"]


def seconds_of(report: Any) -> float:
    first, last = (datetime.fromisoformat(report["timeline"][place]["at"]) for place in (0, -1))
    return (last - first).total_seconds()


def processes_with(word: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [str(path)] if word.encode() in path.read_bytes() else []
        except OSError:
            continue
    return found


def test_whatever_hangs_is_stopped_in_time_and_proves_neither(office: Installation) -> None:
    faults = {"postgresql-restore": ("postgresql", "select pg_sleep(600)")}
    names = [*ENDLESS, "postgresql-restore", "command-restore"]
    with ThreadPoolExecutor(len(names)) as pool:  # they mostly wait
        reports = dict(
            zip(names, pool.map(lambda name: drill(office, name, faults.get(name, ("none", ""))), names), strict=True)
        )
    for name, report in reports.items():
        assert report["verdict"] == "inconclusive", name
        assert seconds_of(report) >= LIMIT_SECONDS, f"{name} did not hang"
        assert "not ended after 10 s, the time-out of this drill" in str(report["checks"]), name
        assert report["rto"]["not_measured"] == "not reached: stopped after 10 s", name
        wiped = next(check for check in report["checks"] if check["check"] == "wiped")
        assert wiped["found"] in {"nothing left", "there was none"}, name
    assert list((office.base / "var/temporary").glob("drorch-sb-*")) == []
    assert processes_with(str(office.base / "var/temporary")) == []

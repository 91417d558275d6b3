"""Every scenario of a restore test, by the command line: what was lost, how the snapshot was reached, what the report says of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.installations import (
    Custodian,
    Installation,
    civil_policy,
    make_civil,
    new_installation,
)
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN

BOOKS = """name: books
source:
  command: {capture: [/bin/cat, BOOKS], restore: [/usr/bin/tee, "{target}"], verify: [/usr/bin/test, -s, "{target}"], minimum_size: 1kB}
schedule: "0 2 * * *"
"""


@pytest.fixture(scope="module")
def office(custodian: Custodian, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = new_installation(tmp_path_factory.mktemp("scenarios") / "etc", custodian, "disk=disk", "vault=vault")
    civil, books = made.base / "civil.db", made.base / "books.bak"
    made.policy("civil", civil_policy(civil))
    made.policy("books", BOOKS.replace("BOOKS", str(books)))
    make_civil(civil)
    books.write_bytes(b"books " * 1_000)
    pinned = made.drorch("backup", "civil", "--json").json()["snapshots"][0]["snapshot"]
    made.drorch("pin", pinned, "--reason", "before the merger")
    with closing(sqlite3.connect(civil)) as connection:
        connection.execute("delete from birth where id > 400")
        connection.commit()
    made.drorch("backup", "civil", "books")
    civil.unlink()
    books.unlink()
    (made.base / "restore_tests").mkdir(exist_ok=True)
    return made


def drill(office: Installation, policy: str, scenario: str, *words: str, expect: int | None = 0, **more: str) -> Any:
    name = f"{policy}-{scenario.replace('_', '-')}"
    lines = [
        f"name: {name}",
        f"policy: {policy}",
        f"scenario: {scenario}",
        *(f"{key}: {value}" for key, value in more.items()),
    ]
    (office.base / "restore_tests" / f"{name}.yaml").write_text("\n".join(lines) + "\n")
    key = () if "--share" in words else office.custodian.opens
    answer = office.drorch("drill", "run", name, *key, *words, "--json", expect=expect)
    if answer.code not in (0, 3, 50, 51, 52):
        return answer
    return answer.json()["drills"][0]


def told(found: Any) -> str:
    return " ".join(text for check in found["report"]["checks"] for text in check["told"])


def rows(found: Any) -> str:
    return str([check["expected"] for check in found["report"]["checks"] if check["check"] == "content"])


def test_without_the_first_store(office: Installation) -> None:
    found = drill(office, "civil", "first_store_lost")
    assert found["verdict"].startswith("pass")
    assert found["report"]["snapshot"]["store"] == "vault"
    assert "disk counted as lost: restored from vault" in told(found)


def test_back_to_what_was_pinned_before_the_cut_over(office: Installation) -> None:
    found = drill(office, "civil", "bad_cut_over")
    assert found["verdict"].startswith("pass")
    assert found["report"]["snapshot"]["selection"] == "before_cut_over"
    assert "before the merger" in told(found)
    assert "501 rows" in rows(found)


def test_from_nothing_but_a_bucket(custodian: Custodian, seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    """The fresh process gets the bucket's address, and its key in the file that AWS tools read."""
    base = tmp_path / "etc"
    (base / "secrets").mkdir(mode=0o750, parents=True)
    for name, text in (("access-key", ADMIN.access_key), ("secret-key", ADMIN.secret_key)):
        path = base / f"secrets/hanoi.{name}"
        path.touch(mode=0o600)
        path.write_text(text)
    store = f"hanoi=s3://{seaweedfs.make_bucket()}/main"
    made = new_installation(base, custodian, store, options=("--endpoint", seaweedfs.endpoint))
    civil = made.base / "civil.db"
    made.policy("civil", civil_policy(civil))
    make_civil(civil)
    made.drorch("backup", "civil")
    civil.unlink()
    (made.base / "restore_tests").mkdir(exist_ok=True)
    found = drill(made, "civil", "cold_start")
    assert found["verdict"].startswith("pass"), found["summary"]
    assert "a process with an empty home, from s3://" in told(found)
    assert ADMIN.secret_key not in str(found)


@pytest.mark.parametrize("policy", ["civil", "books"])
def test_from_nothing_but_a_store_a_key_and_the_sheet(office: Installation, policy: str) -> None:
    found = drill(office, policy, "cold_start")
    assert found["verdict"].startswith("pass"), found["summary"]
    assert "a process with an empty home" in told(found)
    assert found["report"]["scenario"] == "cold_start"


def test_one_table(office: Installation) -> None:
    found = drill(office, "civil", "one_table", tables="[main.birth]", expect=None)
    assert "1 table" in str(found["report"]["checks"])


def test_the_custodians_bring_their_shares(office: Installation, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("shares")
    words = ["keys", "split", *office.custodian.opens, "--threshold", "2", "--shares", "3", "--directory", str(place)]
    office.drorch(*words)
    sheets = [word for path in sorted(place.glob("*.txt"))[1:] for word in ("--share", str(path))]
    found = drill(office, "civil", "custodians", *sheets)
    assert found["verdict"].startswith("pass")
    assert found["report"]["people"]["quorum"] == 2
    assert found["report"]["people"]["custodians"] == ["share 2", "share 3"]
    assert "2 shares made key" in told(found)
    answer = drill(office, "civil", "custodians", expect=43)
    answer.told("custodians' shares", "--share FILE")
    cold = drill(office, "civil", "cold_start", *sheets)
    assert cold["verdict"].startswith("pass")

"""Every store is away: snapshots wait in the spool, restore from there, are shipped when a store is back, and leave the spool empty."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.installations import Custodian, Installation, civil_policy, make_civil, new_installation


@pytest.fixture(scope="module")
def place(custodian: Custodian, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Two stores and a spool; one backup was made while all was well."""
    base = tmp_path_factory.mktemp("spool") / "etc"
    installation = new_installation(base, custodian, "hanoi=hanoi", "dalat=dalat")
    text = installation.settings.read_text()
    installation.settings.write_text(
        text.replace("stores:\n", "stores:\n  waiting:\n    directory: spool\n    spool: 1GB\n", 1)
    )
    (base / "spool").mkdir()
    make_civil(base / "civil.db")
    installation.policy("civil", civil_policy(base / "civil.db"))
    installation.drorch("backup", "civil")
    return installation


def births(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("select count(*) from birth").fetchone()[0])


def objects(place: Installation, directory: str) -> int:
    return sum(1 for path in (place.base / directory).glob("l/**/*") if path.is_file())


def test_an_outage_from_its_beginning_to_its_end(place: Installation, tmp_path: Path) -> None:
    assert objects(place, "spool") == 0  # with a store at hand nothing waits
    for store in ("hanoi", "dalat"):
        (place.base / store).rename(place.base / f"{store}.away")
    with closing(sqlite3.connect(place.base / "civil.db")) as connection:
        connection.execute("insert into birth (name, born) values ('Trần Văn Đảo', '2026-11-23')")
        connection.commit()

    # backups wait: not one copy, and said so
    for _ in range(2):
        answer = place.drorch("backup", "civil", "--json", expect=3)
    (snapshot,) = answer.json()["snapshots"]
    assert [(one["store"], one["state"]) for one in snapshot["copies"]] == [
        ("waiting", "complete"),
        ("hanoi", "failed"),
        ("dalat", "failed"),
    ]
    shown = place.drorch("status")
    shown.told(
        "waits in waiting only, which is no copy", "0 of 1 are in every store", "ago (away), hanoi ", "min ago (away)"
    )
    shown.fits()

    # and are good by themselves
    place.restore("latest:civil", f"sqlite://{tmp_path / 'now.db'}", expect=None)
    assert births(tmp_path / "now.db") == births(place.base / "civil.db")

    # a store is back: what waited goes there, the spool is free
    (place.base / "hanoi.away").rename(place.base / "hanoi")
    shipped = place.drorch("copy", "--to", "hanoi", "--json", expect=None).json()
    assert shipped["problems"] == []
    assert len(shipped["snapshots"]) == 2
    assert shipped["spool_freed_bytes"] > 0
    assert objects(place, "spool") == 0
    (place.base / "dalat.away").rename(place.base / "dalat")
    place.drorch("copy", "--to", "dalat")
    place.drorch("verify")

    # life goes on, and what waited is a snapshot like any other
    place.drorch("backup", "civil")
    place.drorch("verify")
    place.restore(snapshot["snapshot"], f"sqlite://{tmp_path / 'then.db'}")
    assert births(tmp_path / "then.db") == births(place.base / "civil.db")
    assert len(place.snapshots("civil")) == 4


def test_the_spool_is_no_store_of_a_policy(place: Installation) -> None:
    policy = place.base / "policies" / "civil.yaml"
    text = policy.read_text()
    policy.write_text(f"{text}stores: [waiting]\n")
    place.drorch("backup", "civil", expect=2).told("waiting is the spool")
    policy.write_text(text)

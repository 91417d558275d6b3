"""Letting snapshots go, by command: what is shown, what is refused, what is left."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from drorch.catalog.sqlite import open_sqlite
from tests.support.catalogs import a_drill
from tests.support.installations import Installation, equal
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN


def change(installation: Installation) -> None:
    with closing(sqlite3.connect(installation.base / "civil.db")) as connection:
        connection.execute("insert into birth (name) values (hex(randomblob(50000)))")
        connection.commit()


def with_four(installation: Installation) -> list[str]:
    """Four snapshots of one day, of which the policy keeps the first and the newest; a copy of the first database beside."""
    shutil.copy(installation.base / "civil.db", installation.base / "first.db")
    made = []
    for _ in range(4):
        made.append(installation.drorch("backup", "civil", "--json").json()["snapshots"][0]["snapshot"])
        change(installation)
    return made


@pytest.fixture
def busy(office: Installation) -> tuple[Installation, list[str]]:
    return office, with_four(office)


def packs(installation: Installation) -> set[Path]:
    return {path for path in (installation.base / "disk").glob("l/*/p/*/*") if path.is_file()}


def ids(installation: Installation) -> set[str]:
    return {one["snapshot"] for one in installation.snapshots()}


def test_the_plan_is_shown_confirmed_and_carried_out(busy: tuple[Installation, list[str]], tmp_path: Path) -> None:
    office, made = busy
    with closing(open_sqlite(office.base / "var/state/catalog.sqlite")) as catalog:
        catalog.record_drill(a_drill(source="civil", policy="civil", snapshot=made[1], verdict="pass"))
    before = packs(office)
    plan = office.drorch("prune", "--plan")
    plan.fits()
    plan.told(
        "PLAN nothing is changed", "civil in disk: 2 of 4 snapshots go", "STOP 2 of 4 snapshots of civil would go"
    )
    plan.told("STOP no snapshot of civil in disk that has passed a drill would be left")
    plan.told(f"GOES {made[1][:8]}", f"stays {made[0][:8]}", "(made by hand)")
    assert packs(office) == before
    digest = office.drorch("prune", "--plan", "--json").json()["digest"]
    stopped = office.drorch("prune", expect=4)
    stopped.told("more than a quarter", digest, "Nothing was deleted.")
    office.drorch("prune", "--confirm", "0" * 12, expect=2).told("is not the one that was confirmed")
    assert packs(office) == before
    office.drorch("prune", "--confirm", digest).told("OK 2 snapshots let go", "civil in disk: 2 snapshots")
    assert packs(office) < before
    (run,) = [one for one in office.drorch("history", "--json").json()["runs"] if one["operation"] == "prune"]
    assert run["state"] == "complete"
    office.drorch("history", "--run", run["run"]).told(f"{made[1]} goes:", "older than the newest snapshot")
    assert ids(office) == {made[0], made[3]}
    office.drorch("verify", "--read-data", "100", *office.custodian.opens).told(
        "OK 2 snapshots are whole", "given up by a prune"
    )
    office.restore(made[0], f"sqlite://{tmp_path / 'back.db'}")
    equal("sqlite", str(office.base / "first.db"), str(tmp_path / "back.db"))
    assert office.drorch("prune", "--quiet").out == ""
    office.drorch("prune").told("OK nothing has to go")
    shutil.rmtree(office.base / "var/state")
    office.drorch("catalog", "rebuild")
    assert ids(office) == {made[0], made[3]}
    office.restore(made[1], f"sqlite://{tmp_path / 'gone.db'}", expect=None)
    assert not (tmp_path / "gone.db").exists()
    office.drorch("backup", "civil").told("civil ok")


def test_what_is_pinned_or_held_stays_and_a_lost_catalog_loses_neither(busy: tuple[Installation, list[str]]) -> None:
    office, made = busy
    office.drorch("pin", made[1][:8], "--reason", "before the cut-over").told("OK", "is pinned in disk")
    office.drorch("hold", made[2][:8], "--reason", "case 12").told("is held in disk")
    office.drorch("snapshots", "held").told(made[2][:8], "of civil", "held in disk: case 12")
    shutil.rmtree(office.base / "var/state")
    office.drorch("catalog", "rebuild")
    office.drorch("prune", "--plan").told("pinned: before the cut-over", "held: case 12", "0 of 4 snapshots go")
    office.drorch("pin", made[1][:8], "--release").told("is not pinned any more")
    office.drorch("prune").told("OK 1 snapshot let go")
    assert ids(office) == {made[0], made[2], made[3]}
    office.drorch("pin", made[1], expect=4).told("was given up in disk before")
    office.drorch("hold", made[2], expect=2).told("--reason")
    office.drorch("pin", made[2], "--until", "01/01/2020", expect=2).told("over when it begins")

    # -- and only a machine that maintains, with its key, may
    key = office.base / "secrets/maintenance.key"
    key.rename(office.base / "elsewhere.key")
    office.drorch("prune", expect=12).told("the machine that holds the maintenance key")
    office.drorch("prune", "--plan").told("0 of 3 snapshots go")  # to look needs no key
    shutil.copy(office.base / "secrets/host.key", key)
    office.drorch("prune", expect=44).told("does not hold the maintenance key")
    settings = office.settings.read_text()
    office.settings.write_text(settings + "\nroles: [backup]\n")
    for words in (["prune", "--plan"], ["pin", made[0]]):
        office.drorch(*words, expect=13).told("add it to `roles:`")


def test_a_bucket_is_pruned_like_a_directory(office: Installation, seaweedfs: SeaweedFS) -> None:
    """The same four snapshots, copied into a bucket: their dates are those of the copy, and nothing more goes for that."""
    made = with_four(office)
    bucket = seaweedfs.make_bucket()
    text = office.settings.read_text()
    office.secret("s3.access-key", ADMIN.access_key)
    office.secret("s3.secret-key", ADMIN.secret_key)
    store = (
        f"stores:\n  s3:\n    s3: s3://{bucket}/main\n    endpoint: {seaweedfs.endpoint}\n"
        "    access_key: file:secrets/s3.access-key\n    secret_key: file:secrets/s3.secret-key\n"
    )
    office.settings.write_text(text.replace("stores:\n", store, 1))
    office.drorch("copy", "--to", "s3", "--new").told("OK 4 snapshots copied")
    plan = office.drorch("prune", "--plan", "--json").json()
    assert {lane["store"]: [one["keep"] for one in lane["snapshots"]] for lane in plan["lanes"]} == {
        "disk": [True, False, False, True],
        "s3": [True, False, False, True],
    }
    office.drorch("prune", "--confirm", plan["digest"]).told("civil in s3: 2 snapshots", "civil in disk: 2 snapshots")
    office.drorch("verify", "--read-data", "100").told("OK 2 snapshots are whole in s3, disk")
    assert ids(office) == {made[0], made[3]}

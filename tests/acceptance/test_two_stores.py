"""Two stores, and one of them damaged, emptied or away: what verify names, what a restore does by itself, what copy brings back.

The stores are directories, which are broken the way a disk or a thief does it; the nights away are on two buckets of a real S3 server.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.installations import (
    Custodian,
    Installation,
    civil_policy,
    equal,
    make_civil,
    new_installation,
)
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN

STORES = ("hanoi", "dalat")
SCANS = 40


def with_register(installation: Installation) -> Installation:
    """Add a register with a table of noise that fills a pack of its own, and back it up into both stores."""
    make_civil(installation.base / "civil.db")
    noise = random.Random(1)
    with closing(sqlite3.connect(installation.base / "civil.db")) as connection:
        connection.execute("create table scan (id integer primary key, page blob)")
        connection.executemany("insert into scan (page) values (?)", ((noise.randbytes(9_000),) for _ in range(SCANS)))
        connection.commit()
    installation.policy("civil", civil_policy(installation.base / "civil.db"))
    installation.drorch("backup", "civil").told("civil ok", "copies=2/2")
    return installation


@pytest.fixture(scope="module")
def whole(custodian: Custodian, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    stores = [f"{store}={store}" for store in STORES]
    return with_register(new_installation(tmp_path_factory.mktemp("pair") / "etc", custodian, *stores))


@pytest.fixture
def pair(whole: Installation, tmp_path: Path) -> Installation:
    """An installation with one backup in both of two directories, to be broken."""
    return whole.copy(tmp_path / "etc")


def packs(installation: Installation, store: str) -> list[Path]:
    """Return the packs of a store, the largest first: it holds the table ``scan``."""
    found = [path for path in (installation.base / store).glob("l/*/p/*/*") if path.is_file()]
    return sorted(found, key=lambda path: path.stat().st_size, reverse=True)


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(raw)


def cut(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


HARMS: dict[str, Callable[[Path], None]] = {"altered": flip, "cut": cut, "deleted": Path.unlink}


def change(installation: Installation, seed: int) -> None:
    with closing(sqlite3.connect(installation.base / "civil.db")) as connection:
        connection.execute("insert into scan (page) values (?)", (random.Random(seed).randbytes(200_000),))
        connection.commit()


def restored(installation: Installation, place: Path) -> dict[str, Any]:
    """Restore the latest snapshot, let the independent comparer judge it, and return what --json told."""
    document: dict[str, Any] = installation.restore("latest:civil", f"sqlite://{place / 'j.db'}", "--json").json()
    assert equal("sqlite", str(installation.base / "civil.db"), str(place / "j.db")).startswith("equal")
    return document


def test_a_lost_pack_is_named_with_its_store_and_with_the_key_its_tables(pair: Installation) -> None:
    lost = packs(pair, "hanoi")[0]
    lost.unlink()
    answer = pair.drorch("verify", expect=47)
    answer.fits()
    answer.told(
        "FAIL something is wrong in hanoi", "hanoi: the pack is gone", lost.name[:12], "of civil", "Still good: 1"
    )
    answer = pair.drorch("verify", "--read-data", "100", *pair.custodian.opens, expect=47)
    answer.fits()
    answer.told("FAIL hanoi: the pack is gone", "touches table/scan")
    assert "dalat:" not in answer.out
    assert "table/marriage" not in answer.out
    answer.told("drorch copy --to hanoi --repair")
    findings = pair.drorch("verify", "--json", *pair.custodian.opens, expect=47).json()["findings"]
    (gone,) = [one for one in findings if one["kind"] == "missing" and "/p/" in one["object"]]
    assert (gone["store"], gone["sources"], gone["streams"]) == ("hanoi", ["civil"], ["table/scan"])


def test_damage_in_a_file_tree_is_named_by_its_files(custodian: Custodian, tmp_path: Path) -> None:
    office = new_installation(tmp_path / "etc", custodian, *[f"{store}={store}" for store in STORES])
    scans = tmp_path / "scans"
    (scans / "Đức Trọng").mkdir(parents=True)
    noise = random.Random(2)
    for number in range(8):
        (scans / f"Đức Trọng/hồ sơ {number}.pdf").write_bytes(noise.randbytes(3_000_000))
    office.policy("scans", f'name: scans\nsource:\n  files:\n    paths: ["{scans}"]\nschedule: "0 3 * * *"\n')
    office.drorch("backup", "scans")
    packs(office, "hanoi")[0].unlink()  # the largest: the first 16 MiB
    answer = office.drorch("verify", *office.custodian.opens, expect=47)
    answer.fits()
    answer.told("hanoi: the pack is gone", "files: Đức Trọng/hồ sơ 0.pdf, Đức Trọng/hồ sơ 1.pdf")
    (gone,) = [
        one
        for one in office.drorch("verify", "--json", *office.custodian.opens, expect=47).json()["findings"]
        if one["kind"] == "missing" and "/p/" in one["object"]
    ]
    assert 5 <= len(gone["files"]) < 8


def test_an_altered_pack_is_found_by_reading_and_its_tables_by_the_key(pair: Installation) -> None:
    flip(packs(pair, "dalat")[0])
    pair.drorch("verify").told("OK 1 snapshot is whole")  # its size is right, and nothing was read
    pair.drorch("verify", "--read-data", "100", expect=40).told("FAIL dalat: the pack is no good", "of civil")
    pair.drorch("verify", "--read-data", "100", *pair.custodian.opens, expect=40).told("touches table/scan")


@pytest.mark.parametrize("harm", ["altered", "deleted"])
def test_a_restore_takes_what_is_damaged_from_the_other_store_and_says_so(
    pair: Installation, tmp_path: Path, harm: str
) -> None:
    pack = packs(pair, "hanoi")[0]
    HARMS[harm](pack)
    if harm == "altered":
        answer = pair.restore("latest:civil", f"sqlite://{tmp_path / 'people.db'}")
        answer.fits()
        answer.told("OK", "in hanoi could not be used", "another copy was")
    faults = restored(pair, tmp_path)["faults"]
    assert faults == [{"store": "hanoi", "object": str(pack.relative_to(pair.base / "hanoi"))}]


def test_a_restore_without_the_first_store_takes_the_second_and_says_so(pair: Installation, tmp_path: Path) -> None:
    (pair.base / "hanoi").rename(pair.base / "unplugged")
    answer = pair.restore("latest:civil", f"sqlite://{tmp_path / 'back.db'}")
    answer.fits()
    answer.told("OK", "note hanoi could not be used", "read from dalat")
    document = restored(pair, tmp_path)
    assert (document["stores"], document["stores_left_out"]) == (["dalat"], ["hanoi"])


def test_a_snapshot_that_no_store_has_whole_is_put_together_from_both(pair: Installation, tmp_path: Path) -> None:
    first, *rest = packs(pair, "hanoi")
    assert rest
    first.unlink()
    for path in packs(pair, "dalat")[1:]:
        path.unlink()
    pair.drorch("verify", expect=47).told("no whole copy", "drorch copy --to STORE --repair")
    assert {fault["store"] for fault in restored(pair, tmp_path)["faults"]} == {"hanoi"}


def test_what_no_store_has_is_refused_and_the_target_stays_away(pair: Installation, tmp_path: Path) -> None:
    for store in STORES:
        packs(pair, store)[0].unlink()
    pair.restore("latest:civil", f"sqlite://{tmp_path / 'back.db'}", expect=47)
    assert not (tmp_path / "back.db").exists()
    pair.drorch("copy", "--to", "hanoi", "--repair", expect=3).told("PARTIAL hanoi was read through", "FAIL")


@pytest.mark.parametrize("harm", HARMS)
def test_copy_mends_a_store_from_the_other(pair: Installation, tmp_path: Path, harm: str) -> None:
    pack = packs(pair, "hanoi")[0]
    HARMS[harm](pack)
    answer = pair.drorch("copy", "--to", "hanoi", "--repair")
    answer.fits()
    answer.told("OK hanoi was read through: 1 object put anew", "whole there: 1 snapshot")
    if harm == "altered":
        pair.drorch("copy", "--to", "hanoi", "--repair").told("all was good")
    shutil.rmtree(pair.base / "dalat")
    answer = pair.drorch("verify", "--store", "hanoi", "--read-data", "100")
    answer.told("OK 1 snapshot is whole")
    assert "no snapshot needs" not in answer.out
    restored(pair, tmp_path)


def test_a_copy_for_repair_overwrites_nothing(pair: Installation) -> None:
    pack = packs(pair, "hanoi")[0]
    flip(pack)
    altered = pack.read_bytes()
    document = pair.drorch("copy", "--to", "hanoi", "--repair", "--json").json()
    assert (document["ok"], document["objects"]) == (True, 1)
    assert pack.read_bytes() == altered
    assert pack.with_name(f"{pack.name}~1").exists()


def test_a_bucket_that_was_away_for_nights_is_caught_up_without_a_private_key(
    custodian: Custodian, seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    base = tmp_path / "etc"
    (base / "secrets").mkdir(mode=0o750, parents=True)
    for store in STORES:
        for name, text in (("access-key", ADMIN.access_key), ("secret-key", ADMIN.secret_key)):
            path = base / "secrets" / f"{store}.{name}"
            path.touch(mode=0o600)
            path.write_text(text)
    buckets = {store: seaweedfs.make_bucket() for store in STORES}
    urls = [f"{store}=s3://{bucket}/main" for store, bucket in buckets.items()]
    office = with_register(new_installation(base, custodian, *urls, options=("--endpoint", seaweedfs.endpoint)))
    secret = base / "secrets/dalat.secret-key"
    secret.write_text("wrong")
    change(office, 1)
    office.drorch("backup", "civil", expect=3).told("civil PARTIAL", "copies=1/2")
    secret.write_text(ADMIN.secret_key)
    change(office, 3)
    office.drorch("backup", "civil", expect=3).told("copies=1/2")  # it lacks what came before
    office.drorch("status", "--check", expect=3).told("is in 1 of 2 stores, not in dalat")
    office.drorch("copy", "--to", "dalat").told("OK 2 snapshots copied to dalat")
    office.drorch("status", "--check")
    office.drorch("verify", "--read-data", "100").told("OK 3 snapshots are whole in hanoi, dalat")
    office.drorch("backup", "civil").told("civil ok", "copies=2/2")
    client = seaweedfs.client()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=buckets["hanoi"]):
        for item in page.get("Contents", []):
            client.delete_object(Bucket=buckets["hanoi"], Key=item["Key"])
    assert restored(office, tmp_path)["stores_left_out"] == ["hanoi"]

"""Every store is away, a bucket and a directory: snapshots wait in the spool, restore from there, are shipped when a store is back, and leave the spool empty."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.test_object_storage import with_credentials
from tests.support.installations import (
    BARE,
    COMMAND,
    Custodian,
    civil_policy,
    make_civil,
    new_installation,
    run,
)
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN

NOBODY = "http://127.0.0.1:1"  # where nothing ever listens
SLOW_BYTES_PER_SECOND = 250_000


class Outpost:
    """A bucket, a directory and a spool of 1 MB; one backup was made while all was well."""

    def __init__(self, base: Path, custodian: Custodian, seaweedfs: SeaweedFS) -> None:
        self.endpoint = seaweedfs.endpoint
        self.buckets = {name: seaweedfs.make_bucket() for name in ("hanoi", "island")}
        with_credentials(base, ADMIN.access_key, ADMIN.secret_key)
        stores = (f"hanoi=s3://{self.buckets['hanoi']}/main", "dalat=dalat")
        self.installation = new_installation(base, custodian, *stores, options=("--endpoint", self.endpoint))
        self.base = base
        self.edit("stores:\n", "stores:\n  waiting: {directory: spool, spool: 1MB}\n")
        self.edit("/main\n", "/main\n    patience: 1s\n")
        (base / "spool").mkdir()
        make_civil(base / "civil.db")
        self.installation.policy("civil", civil_policy(base / "civil.db"))
        self.installation.drorch("backup", "civil")

    def edit(self, old: str, new: str) -> None:
        text = self.installation.settings.read_text()
        assert old in text, text
        self.installation.settings.write_text(text.replace(old, new, 1))

    def bucket_is_away(self) -> None:
        self.edit(f"    endpoint: {self.endpoint}", f"    endpoint: {NOBODY}")

    def bucket_is_back(self) -> None:
        self.edit(f"    endpoint: {NOBODY}", f"    endpoint: {self.endpoint}")

    def register(self, name: str, scan: bytes = b"") -> None:
        with closing(sqlite3.connect(self.base / "civil.db")) as connection:
            connection.execute("insert into birth (name, scan) values (?, ?)", (name, scan))
            connection.commit()

    def spooled(self) -> int:
        return sum(1 for path in (self.base / "spool").glob("l/**/*") if path.is_file())


@pytest.fixture(scope="module")
def outpost(custodian: Custodian, seaweedfs: SeaweedFS, tmp_path_factory: pytest.TempPathFactory) -> Outpost:
    return Outpost(tmp_path_factory.mktemp("outpost") / "etc", custodian, seaweedfs)


def births(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("select count(*) from birth").fetchone()[0])


def test_an_outage_from_its_beginning_to_its_end(outpost: Outpost, tmp_path: Path) -> None:
    place, base = outpost.installation, outpost.base
    assert outpost.spooled() == 0  # with a store at hand nothing waits
    before = len(place.snapshots("civil"))
    outpost.bucket_is_away()
    (base / "dalat").rename(base / "dalat.away")
    outpost.register("Trần Văn Đảo")

    # backups wait: not one copy, and said so
    for _ in range(2):
        answer = place.drorch("backup", "civil", "--json", expect=3)
    (snapshot,) = answer.json()["snapshots"]
    states = {one["store"]: one["state"] for one in snapshot["copies"]}
    assert states == {"waiting": "complete", "hanoi": "failed", "dalat": "failed"}
    acknowledged = births(base / "civil.db")
    shown = place.drorch("status")
    shown.told(
        "waits in waiting only, which is no copy", "0 of 1 are in every store", "ago (away), hanoi ", "min ago (away)"
    )
    shown.fits()

    # what the spool has no room for is refused, and nothing that was acknowledged is lost by it
    outpost.register("sổ quá lớn", os.urandom(2_000_000))
    place.drorch("backup", "civil", expect=35).told(
        "holds as much as it may", "give `spool:` more room", "what is in it stays"
    )
    place.restore("latest:civil", f"sqlite://{tmp_path / 'now.db'}", expect=None)
    assert births(tmp_path / "now.db") == acknowledged

    # the bucket is back: what waited goes there, the spool is free
    outpost.bucket_is_back()
    shipped = place.drorch("copy", "--to", "hanoi", "--json", expect=None).json()
    assert shipped["problems"] == []
    assert len(shipped["snapshots"]) == 2
    assert shipped["spool_freed_bytes"] > 0
    assert outpost.spooled() == 0
    (base / "dalat.away").rename(base / "dalat")
    place.drorch("copy", "--to", "dalat")

    # life goes on, and what waited is a snapshot like any other
    place.drorch("backup", "civil")
    place.drorch("verify")
    place.restore(snapshot["snapshot"], f"sqlite://{tmp_path / 'then.db'}")
    assert births(tmp_path / "then.db") == acknowledged
    assert len(place.snapshots("civil")) == before + 3


def test_a_disk_is_carried_from_one_bucket_into_another(outpost: Outpost, tmp_path: Path) -> None:
    place = outpost.installation
    keys = "access_key: file:secrets/hanoi.access-key, secret_key: file:secrets/hanoi.secret-key"
    island = f"  island: {{s3: 's3://{outpost.buckets['island']}/main', endpoint: '{outpost.endpoint}', {keys}}}\n"
    outpost.edit("stores:\n", f"stores:\n{island}")
    (tmp_path / "disk").mkdir()
    place.drorch("courier", "export", str(tmp_path / "disk"), "--from", "hanoi")
    place.drorch("courier", "ingest", str(tmp_path / "disk"), "--to", "island", "--new")
    outpost.edit(island, "")
    environment = BARE | {
        "AWS_ACCESS_KEY_ID": ADMIN.access_key,
        "AWS_SECRET_ACCESS_KEY": ADMIN.secret_key,
        "AWS_ENDPOINT_URL": outpost.endpoint,
        "AWS_REGION": "us-east-1",
    }
    store = ("--store", f"s3://{outpost.buckets['island']}/main", "--trust", place.trust)
    words = ["restore", "latest:civil", *store, "--to", f"sqlite://{tmp_path / 'island.db'}", *place.custodian.opens]
    run([*COMMAND, *words], env=environment, cwd=tmp_path)
    assert births(tmp_path / "island.db") == births(outpost.base / "civil.db")


def test_a_bucket_gets_no_more_of_the_line_than_it_may_have(outpost: Outpost) -> None:
    outpost.edit("    patience: 1s\n", '    patience: 1s\n    bandwidth: "2 Mbit/s"\n')
    outpost.register("sổ mới", os.urandom(600_000))
    began = time.monotonic()
    (snapshot,) = outpost.installation.drorch("backup", "civil", "--json").json()["snapshots"]
    seconds = time.monotonic() - began
    outpost.edit('    bandwidth: "2 Mbit/s"\n', "")
    assert snapshot["bytes_stored"] > 600_000
    assert seconds > 600_000 / SLOW_BYTES_PER_SECOND * 0.8  # the last object is on its way when its turn comes


def test_the_spool_is_no_store_of_a_policy(outpost: Outpost) -> None:
    policy = outpost.base / "policies" / "civil.yaml"
    text = policy.read_text()
    policy.write_text(f"{text}stores: [waiting]\n")
    outpost.installation.drorch("backup", "civil", expect=2).told("waiting is the spool")
    policy.write_text(text)

"""A bucket with Object Lock, from the command line: what is promised, what is refused, what somebody's deletion cannot do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_object_storage import with_credentials
from tests.support.installations import Custodian, Installation, civil_policy, equal, make_civil, new_installation
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN


@pytest.fixture(scope="module")
def bucket(seaweedfs: SeaweedFS) -> str:
    name = f"locked-{os.urandom(6).hex()}"
    client = seaweedfs.client()
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    client.close()
    return name


@pytest.fixture(scope="module")
def place(
    custodian: Custodian, seaweedfs: SeaweedFS, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    base = tmp_path_factory.mktemp("locked") / "etc"
    with_credentials(base, ADMIN.access_key, ADMIN.secret_key)
    made = new_installation(base, custodian, f"hanoi=s3://{bucket}/main", options=("--endpoint", seaweedfs.endpoint))
    text = made.settings.read_text()
    line = next(line for line in text.splitlines() if "s3: s3://" in line)
    made.settings.write_text(text.replace(line, f"{line}\n    object_lock: 35d", 1))
    make_civil(base / "civil.db")
    made.policy("civil", civil_policy(base / "civil.db"))
    return made


def alerts(place: Installation) -> set[tuple[str, str]]:
    """What `status` says of the stores."""
    codes = {"lock_short", "snapshot_withheld", "snapshot_foreign"}
    found = place.drorch("status", "--json").json()["alerts"]
    return {(one["code"], one["subject"]) for one in found if one["code"] in codes}


def test_a_locked_bucket_keeps_what_somebody_deletes(
    place: Installation, seaweedfs: SeaweedFS, bucket: str, tmp_path: Path
) -> None:
    # `init` ran before the lock was named: the trust record has none yet, and that is told and mended
    (copy,) = place.drorch("backup", "civil", "--json").json()["snapshots"][0]["copies"]
    assert copy["locked_until"]
    found = place.drorch("verify", "--json", expect=36).json()["findings"]
    assert {(one["kind"], one["object"]) for one in found if one["level"] == "error"} == {("lock", "trust/0")}
    place.drorch("lock", "extend", "--plan").told("PLAN", "no lock is due")  # by its date trust/0 would be locked
    place.drorch("status").told("LOCK", "the repository's own records in hanoi", "lock extend --ask --store hanoi")
    place.drorch("lock", "extend", "--ask").told("OK", "1 lock extended")
    place.drorch("verify").told("OK")
    assert alerts(place) == set()
    client = seaweedfs.client()
    listed: list[dict[str, Any]] = client.list_objects_v2(Bucket=bucket, Prefix="main/l/")["Contents"]
    packs = [one["Key"] for one in listed if "/p/" in one["Key"]]
    for key in packs:
        client.delete_object(Bucket=bucket, Key=key)  # somebody with every right
    client.close()
    place.restore("latest:civil", f"sqlite://{tmp_path / 'back.db'}")
    equal("sqlite", str(place.base / "civil.db"), str(tmp_path / "back.db"))
    told = place.drorch("verify", expect=None)
    assert told.code != 0
    told.told("somebody deleted it", packs[0].removeprefix("main/")[:14])
    assert alerts(place) == {("snapshot_withheld", "civil in hanoi")}
    place.drorch("status").told("HIDDEN", "civil in hanoi", "somebody deleted it")


def test_a_lock_that_binds_for_years_needs_a_name(place: Installation) -> None:
    text = place.settings.read_text()
    place.settings.write_text(text.replace("object_lock: 35d", "object_lock: 800d"))
    place.drorch("policy", "validate", expect=None).told("more than 400 days", "accepted_by")
    place.settings.write_text(text.replace("object_lock: 35d", 'object_lock: {for: 800d, accepted_by: "Văn phòng"}'))
    place.drorch("policy", "validate")
    place.settings.write_text(text)

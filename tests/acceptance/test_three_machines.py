"""Three machines, three configurations, three credentials, one night: A backs up, B drills, C prunes; and what none of them can do."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drorch.catalog.interface import OccurrenceRecord, OccurrenceState
from drorch.catalog.sqlite import open_sqlite
from drorch.errors import KeyWrong
from drorch.format.keyfile import KeyKind, read_host_key_file, read_key_file, seal_key_file
from drorch.storage.bucket_policies import bucket_policy
from tests.acceptance.test_object_storage import with_credentials
from tests.support.daemon_in_other_time import Daemon, daemon_of
from tests.support.installations import (
    BARE,
    COMMAND,
    PASSPHRASE,
    ZONE,
    Custodian,
    Installation,
    civil_policy,
    equal,
    make_civil,
    new_installation,
    run,
)
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN, MACHINES, Credential

SOON = timedelta(seconds=20)  # after the jitter
BY_HAND = 4  # and one at night, of which the first of the day and the newest three stay
UPKEEP = 'upkeep: {verify: "0 7,8 * * *", read_data: 50%, prune: "0 6 * * *", copy: never, lock: never}\n'


@dataclass(frozen=True, kw_only=True)
class Three:
    """The machines, and the bucket between them."""

    a: Installation
    b: Installation
    c: Installation
    bucket: str
    seaweedfs: SeaweedFS

    def client(self, machine: Installation) -> Any:
        names = {self.a.base: "backup-machine", self.b.base: "drill-machine", self.c.base: "maintenance-machine"}
        return self.seaweedfs.client(MACHINES[names[machine.base]])

    def objects(self, kind: str) -> list[str]:
        client = self.seaweedfs.client()
        found = client.list_objects_v2(Bucket=self.bucket, Prefix="main/l/").get("Contents", [])
        client.close()
        return [one["Key"] for one in found if f"/{kind}/" in one["Key"]]


def as_machine(installation: Installation, credential: Credential, role: str) -> None:
    """Say in drorch.yaml what the machine may do, and give it a credential of its own."""
    with_credentials(installation.base, credential.access_key, credential.secret_key)
    with installation.settings.open("a") as file:
        file.write(f"roles: [{role}]\n{UPKEEP}")


def with_key(installation: Installation, old: str, new: str) -> None:
    text = installation.settings.read_text()
    assert old in text
    installation.settings.write_text(text.replace(old, new))


@pytest.fixture
def three(custodian: Custodian, seaweedfs: SeaweedFS, tmp_path: Path) -> Three:
    """Make the installation as its founder does, then part it."""
    tmp_path.chmod(0o755)
    bucket = seaweedfs.make_bucket()
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    words = ["keys", "generate", "drill-host", "--directory", str(tmp_path)]
    run([*COMMAND, *words, "--passphrase-file", str(tmp_path / "passphrase")])
    with_credentials(tmp_path / "a", ADMIN.access_key, ADMIN.secret_key)
    options = ["--endpoint", seaweedfs.endpoint, "--recipient", str(tmp_path / "drill-host.pub")]
    options += ["--drill-machine", "drill1"]
    a = new_installation(tmp_path / "a", custodian, f"hanoi=s3://{bucket}/main", options=options)
    make_civil(a.base / "civil.db")
    a.policy("civil", f"{civil_policy(a.base / 'civil.db')}retention: {{keep_last: 3}}\n")
    (a.base / "restore_tests/civil.yaml").write_text('name: civil-comes-back\npolicy: civil\nschedule: "0 5 * * *"\n')
    writer = read_host_key_file((a.base / "secrets/host.key").read_text()).key.signing_key().key_id.raw[:6].hex()
    (a.base / "keys/root.key").unlink()  # to the safe
    b, c = (Installation(base=tmp_path / name, custodian=custodian) for name in "bc")
    for other in (b, c):
        shutil.copytree(a.base, other.base)
        (other.base / "civil.db").unlink()
        (other.base / "secrets/host.key").unlink()
    for machine, moved in ((a, ("maintenance", "drill-machine")), (b, ("maintenance",)), (c, ("drill-machine",))):
        for name in moved:
            (machine.base / f"secrets/{name}.key").unlink()
    for name in ("drill-host.key", "passphrase"):
        b.secret(name, (tmp_path / name).read_text())
        (tmp_path / name).unlink()
    keys = "file:secrets/drill-machine.key\n  drill_key: file:secrets/drill-host.key\n  drill_passphrase: file:secrets/passphrase\n "
    with_key(b, "file:secrets/host.key", keys)
    with_key(c, "file:secrets/host.key", "file:secrets/maintenance.key")
    for machine, (name, credential) in zip((a, b, c), MACHINES.items(), strict=True):
        as_machine(machine, credential, name.removesuffix("-machine"))
    policies = {}
    for user, role in zip(MACHINES, ("writer", "drill", "maintainer"), strict=True):
        policy = json.loads(
            bucket_policy(role, bucket=bucket, prefix="main", writer=writer if role == "writer" else "")
        )
        # SeaweedFS does not know s3:if-none-match: docs/stores/STORES.md
        policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] != "NeverOverwrite"]
        policies[user] = policy
    seaweedfs.attach(bucket, policies)
    return Three(a=a, b=b, c=c, bucket=bucket, seaweedfs=seaweedfs)


@pytest.fixture
def daemons(three: Three) -> Iterator[tuple[Daemon, Daemon, Daemon]]:
    with ExitStack() as stack:
        a, b, c = (stack.enter_context(daemon_of(machine)) for machine in (three.a, three.b, three.c))
        yield a, b, c


def change(installation: Installation) -> None:
    with closing(sqlite3.connect(installation.base / "civil.db")) as connection:
        connection.execute("insert into birth (name) values (hex(randomblob(50000)))")
        connection.commit()


def local(day: datetime, hour: int) -> datetime:
    return day.astimezone(ZONE).replace(hour=hour, minute=0, second=0, microsecond=0)


def test_a_night_of_three_machines(three: Three, daemons: tuple[Daemon, Daemon, Daemon], tmp_path: Path) -> None:
    a, b, c = three.a, three.b, three.c
    for _ in range(BY_HAND):
        a.drorch("backup", "civil")
        change(a)
    for daemon in daemons:
        daemon.shift = local(daemon.now, 1) + timedelta(days=2) - daemon.now
        daemon.start()
    night = local(daemons[0].now, 0)

    daemons[0].travel(local(night, 2) + SOON)
    assert daemons[0].wait_for_end("civil", local(night, 2)).state is OccurrenceState.OK
    packs = three.objects("p")

    daemons[1].travel(local(night, 5) + SOON)
    drilled = daemons[1].wait_for_end("civil-comes-back", local(night, 5), kind="drill")
    assert drilled.state is OccurrenceState.OK, drilled.reason
    nobody_attended(b, drilled)

    daemons[2].travel(local(night, 6) + SOON)
    pruned = daemons[2].wait_for_end("", local(night, 6), kind="prune")
    assert pruned.state is OccurrenceState.OK, pruned.reason
    assert 0 < len(three.objects("p")) < len(packs)

    c_reads_everything_in_two_checks(daemons[2], night)
    they_know_what_a_backs_up(daemons[1], daemons[2])

    # each did its own, and nothing else was promised
    for daemon, kinds in zip(daemons, (["backup"], ["drill"], ["verify", "verify", "prune"]), strict=True):
        assert [one.kind for one in daemon.occurrences(kind=None)] == kinds
        assert daemon.stop() == 0
    for machine in (a, b, c):
        holds_no_key_of_another(machine, has_private=machine is b)
    a_can_neither_open_nor_delete(three, tmp_path)
    b_can_neither_add_nor_delete(three)
    c_cannot_decrypt(three, tmp_path)
    bare = BARE | environment(three, ADMIN)
    run([*COMMAND, *restore_words(three, tmp_path / "back.db"), *a.custodian.opens], env=bare, cwd=tmp_path)
    equal("sqlite", str(a.base / "civil.db"), str(tmp_path / "back.db"))


def nobody_attended(machine: Installation, drilled: OccurrenceRecord) -> None:
    """The evidence of a drill that the daemon ran says so, and for which occurrence."""
    with closing(open_sqlite(machine.base / "var/state/catalog.sqlite")) as catalog:
        (record,) = catalog.drills()
    assert (record.trigger, record.operator, record.scheduled_for) == ("schedule", None, drilled.slot)
    machine.drorch("drill", "show", record.drill).told("unattended: machine")


def c_reads_everything_in_two_checks(daemon: Daemon, night: datetime) -> None:
    """The second check begins where the first one ended, as the catalog says."""
    for hour in (7, 8):
        daemon.travel(local(night, hour) + SOON)
        verified = daemon.wait_for_end("", local(night, hour), kind="verify")
        assert verified.state is OccurrenceState.OK, verified.reason
    (checked,) = daemon.installation.drorch("status", "--json").json()["rolling_checks"]
    assert (checked["percent"], checked["last_round_ended_at"] is None) == (0, False)


def they_know_what_a_backs_up(*daemons: Daemon) -> None:
    """They have read in the bucket what A did: nothing is late with them, and nothing is judged."""
    for daemon in daemons:
        daemon.wait_for(lambda: daemon.lanes() != set(), "it has read the bucket")  # noqa: B023 - called at once
        (source,) = daemon.installation.drorch("status", "--check", "--json").json()["sources"]
        found = (source["state"], source["problem"], source["copies"])
        assert found == ("elsewhere", None, {"complete": 1, "promised": 1})


def holds_no_key_of_another(machine: Installation, *, has_private: bool) -> None:
    """No file of the machine, caches and catalog included, is the private key of a recipient; B has its own."""
    found = []
    for path in machine.base.rglob("*"):
        if path.is_file():
            try:
                found.append(read_key_file(path.read_text()).kind)
            except (KeyWrong, UnicodeDecodeError):
                continue
    assert found == ([KeyKind.RECIPIENT] if has_private else [])


def environment(three: Three, credential: Credential) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": credential.access_key,
        "AWS_SECRET_ACCESS_KEY": credential.secret_key,
        "AWS_ENDPOINT_URL": three.seaweedfs.endpoint,
        "AWS_REGION": "us-east-1",
    }


def restore_words(three: Three, target: Path) -> list[str]:
    store = ("--store", f"s3://{three.bucket}/main", "--trust", three.a.trust)
    return ["restore", "latest:civil", *store, "--to", f"sqlite://{target}"]


def denied(client: Any, bucket: str, call: str, key: str, **words: Any) -> None:
    """Assert that the store itself refuses the call."""
    with pytest.raises(ClientError) as told:
        getattr(client, call)(Bucket=bucket, Key=key, **words)
    assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, (call, key)


def a_can_neither_open_nor_delete(three: Three, tmp_path: Path) -> None:
    client = three.client(three.a)
    pack, manifest = three.objects("p")[0], three.objects("m")[0]
    denied(client, three.bucket, "get_object", pack)
    for name in (pack, manifest):
        denied(client, three.bucket, "delete_object", name)
    client.close()
    # not with the custodian's key either: its credential gets no pack
    three.a.restore("latest:civil", f"sqlite://{tmp_path / 'no.db'}", expect=47).told("refused the call")
    cannot_open(three, tmp_path, three.a.base / "secrets/host.key")
    three.a.drorch("prune", expect=13).told("`maintenance` among the roles")


def cannot_open(three: Three, tmp_path: Path, host_key: Path) -> None:
    """What the file holds opens nothing, though all of the bucket be given and its seed be taken for that of a reader."""
    seed = read_host_key_file(host_key.read_text()).key.signing_seed
    forged = tmp_path / f"{host_key.stem}-forged.key"
    forged.write_text(
        seal_key_file(kind=KeyKind.RECIPIENT, seed=seed, label="forged", passphrase=PASSPHRASE, random_bytes=os.urandom)
    )
    words = ["--key", str(forged), "--passphrase-file", str(three.a.custodian.passphrase)]
    bare = BARE | environment(three, ADMIN)
    run([*COMMAND, *restore_words(three, tmp_path / "no.db"), *words], env=bare, cwd=tmp_path, expect=43)
    assert not (tmp_path / "no.db").exists()


def b_can_neither_add_nor_delete(three: Three) -> None:
    client = three.client(three.b)
    pack = three.objects("p")[0]
    denied(client, three.bucket, "delete_object", pack)
    for name in (f"{pack}0", three.objects("m")[0].rpartition("/")[0] + "/999999999999", "main/trust/1"):
        denied(client, three.bucket, "put_object", name, Body=b"forged")
    client.close()
    three.b.drorch("backup", "civil", expect=13).told("`backup` among the roles")


def c_cannot_decrypt(three: Three, tmp_path: Path) -> None:
    client = three.client(three.c)
    assert client.get_object(Bucket=three.bucket, Key=three.objects("p")[0])["Body"].read()  # it has the bytes
    client.close()
    cannot_open(three, tmp_path, three.c.base / "secrets/maintenance.key")
    three.c.drorch("drill", "run", "civil", expect=13).told("`drill` among the roles")

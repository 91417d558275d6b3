"""Two writers and two readers of one format: what drorch writes ``tools/recover.py`` reads, and drorch reads the forge's."""

from __future__ import annotations

import hashlib
import json
import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drorch.errors import DrorchError
from drorch.format.keyfile import KeyKind, KeyOrigin, ScryptCost, seal_key_file
from drorch.format.keys import RecipientKey
from drorch.ids import Digest, RepositoryId
from drorch.repository.listing import list_lane, list_lanes
from drorch.repository.opening import Replica, open_repository
from drorch.repository.reader import SnapshotReader
from drorch.storage.filesystem import FilesystemStore
from tests.support.forge import Forge, SigningKey
from tests.support.register import Register
from tests.support.repositories import Household, back_up, counting_random, seed
from tools import recover

GOLDEN = Path(__file__).resolve().parents[1] / "golden/repository-1"
EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))


def recovered(directory: Path, snapshot: str, private: bytes, trust: str, to: Path) -> dict[str, bytes]:
    """What the independent reader makes of a snapshot."""
    key = to.with_suffix(".seed")
    key.write_text(private.hex(), encoding="ascii")
    words = ["--seed-hex-file", str(key), "--trust", trust, "restore", snapshot, "--to", str(to)]
    assert recover.main([str(directory), *words]) == 0
    lines = [json.loads(line) for line in (to / "streams.jsonl").read_text(encoding="utf-8").splitlines()]
    return {line["name"]: (to / line["file"]).read_bytes() for line in lines}


def read_by_drorch(directory: Path, trust: str, private: bytes) -> dict[str, dict[str, bytes]]:
    """Every committed snapshot, read by drorch."""
    replica = Replica(name="store", store=FilesystemStore(directory))
    repository = open_repository([replica], bytes.fromhex(trust))
    found = {}
    for lane in list_lanes(repository):
        for snapshot in list_lane(repository, lane).snapshots:
            with closing(SnapshotReader(repository, snapshot.link, [RecipientKey.from_seed(private)])) as reader:
                found[str(snapshot.link.manifest.run)] = {
                    entry.name: b"".join(bytes(piece) for piece in reader.stream(entry)) for entry in reader.entries()
                }
    return found


def streams(day: int) -> dict[str, bytes]:
    """Two big tables, of which one changes, and small ones."""
    dice = random.Random(1)
    steady = dice.randbytes(1_500_000) + bytes(3_000_000)
    table = b"".join(b"%d\t%d\tTh\xe1\xbb\xada\n" % (row, row * row % 7919) for row in range(150_000))
    table = table[: day * 100_000] + b"changed\n" * 500 + table[day * 100_000 :]
    small = {f"table/small_{number}": b"%d\n" % (number * day) for number in range(50)}
    return {
        "schema": b'{"sql":"CREATE TABLE x ()"}\n',
        "table/parcel": table,
        "table/steady": steady,
        "table/empty": b"",
        **small,
    }


def test_the_independent_reader_reads_what_drorch_writes(tmp_path: Path) -> None:
    household = Household()
    directory = tmp_path / "store"
    directory.mkdir()
    repository = household.create(FilesystemStore(directory))
    trust = hashlib.sha256((directory / "trust/0").read_bytes()).hexdigest()
    made: dict[str, dict[str, bytes]] = {}
    for day in (1, 2):
        taken = back_up(repository, streams(day), random_bytes=counting_random(f"day {day}"))
        made[str(taken.run)] = streams(day)
    for number, (run, wanted) in enumerate(made.items()):
        to = tmp_path / f"out-{number}"
        assert recovered(directory, run, seed("test custodian"), trust, to) == wanted


def test_the_independent_reader_reads_deltas(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    directory.mkdir()
    repository = Household().create(FilesystemStore(directory))
    trust = hashlib.sha256((directory / "trust/0").read_bytes()).hexdigest()
    register = Register()
    for day in range(4):
        wanted = {"schema": b"create", "table/parcel": register.stream()}
        taken = back_up(
            repository,
            wanted,
            cache=tmp_path / "cache",
            base_limit_bytes=10**9,
            random_bytes=counting_random(f"day {day}"),
        )
        register.update()
    assert taken.totals.delta_bytes == len(wanted["table/parcel"])
    assert recovered(directory, str(taken.run), seed("test custodian"), trust, tmp_path / "out") == wanted


def test_each_pack_that_is_lost_costs_the_independent_reader_its_rows_and_no_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names, places and definitions stand twice: what is not written is named, and it is what lay in that pack."""
    directory = tmp_path / "store"
    directory.mkdir()
    repository = Household().create(FilesystemStore(directory))
    trust = hashlib.sha256((directory / "trust/0").read_bytes()).hexdigest()
    runs = {
        str(back_up(repository, streams(day), random_bytes=counting_random(f"day {day}")).run): streams(day)
        for day in (1, 2)
    }
    (tmp_path / "seed.hex").write_text(seed("test custodian").hex(), encoding="ascii")
    words = [str(directory), "--seed-hex-file", str(tmp_path / "seed.hex"), "--trust", trust]
    lost_with: list[int] = []
    for number, pack in enumerate(sorted(directory.glob("l/*/p/*/*"))):
        aside = pack.rename(tmp_path / "aside")
        for run, wanted in runs.items():
            to = tmp_path / f"out-{number}-{run}"
            code = recover.main([*words, "restore", run, "--to", str(to)])
            said = capsys.readouterr().out
            lines = [json.loads(line) for line in (to / "streams.jsonl").read_text(encoding="utf-8").splitlines()]
            written = {line["name"]: (to / line["file"]).read_bytes() for line in lines}
            lost = wanted.keys() - written.keys()
            assert written == {name: content for name, content in wanted.items() if name not in lost}
            assert all(f"LOST  {name}: bytes " in said for name in lost)
            assert "schema" in written
            assert (code == 0) == (not lost)
            lost_with.append(len(lost))
        aside.rename(pack)
    assert lost_with.count(0) > 4
    assert max(lost_with) >= 50  # the container with the small tables


def test_drorch_reads_the_golden_repository() -> None:
    found = read_by_drorch(GOLDEN / "repository", EXPECTED["trust"], bytes.fromhex(EXPECTED["recipient_seed"]))
    digests = {run: {n: hashlib.sha256(raw).hexdigest() for n, raw in each.items()} for run, each in found.items()}
    assert digests == {
        snapshot["id"]: {name: stream["sha256"] for name, stream in snapshot["streams"].items()}
        for snapshot in EXPECTED["snapshots"]
        if snapshot["state"] == "committed"
    }


def test_drorch_reads_the_forge(tmp_path: Path) -> None:
    forge = Forge(tmp_path / "repository", chunk_bytes=16384, delta_depth=4, fanout=3)
    forge.trust()
    made = {forge.snapshot(streams(day)).run_text: streams(day) for day in range(1, 6)}
    assert read_by_drorch(forge.directory, forge.trust_root, forge.recipient.seed) == made


def test_drorch_refuses_a_forged_repository_sealed_to_the_genuine_recipient(tmp_path: Path) -> None:
    genuine = Forge(tmp_path / "genuine")
    genuine.trust()
    forger = Forge(tmp_path / "forged", seed=b"evil", recipients=genuine.recipients, repository=genuine.repository)
    forger.trust()
    forger.snapshot({"a": b"forged"})
    with pytest.raises(DrorchError):
        read_by_drorch(forger.directory, genuine.trust_root, genuine.recipient.seed)
    assert read_by_drorch(forger.directory, forger.trust_root, genuine.recipient.seed)


@pytest.mark.parametrize("who", ["a stranger with the writer's key id", "the maintainer", "another writer"])
def test_drorch_takes_nothing_from_who_may_not_write_here(tmp_path: Path, who: str) -> None:
    forge = Forge(tmp_path / "repository")
    another = SigningKey(b"\x03" * 32)
    forge.trust(writers=[forge.writer, another])
    forge.snapshot({"a": b"genuine"})
    stranger = SigningKey(b"\x01" * 32)
    stranger.key_id = forge.writer.key_id
    signer = {"the maintainer": forge.maintainer, "another writer": another}.get(who, stranger)
    forge.snapshot({"a": b"forged"}, signer=signer)
    try:
        found = read_by_drorch(forge.directory, forge.trust_root, forge.recipient.seed)
    except DrorchError:
        found = {}
    assert b"forged" not in {raw for each in found.values() for raw in each.values()}


@pytest.mark.parametrize("is_bound", [True, False])
def test_the_independent_reader_opens_key_files_of_drorch(tmp_path: Path, is_bound: bool) -> None:  # noqa: FBT001
    forge = Forge(tmp_path / "repository")
    forge.trust()
    run = forge.snapshot({"a": b"1"}).run_text
    origin = KeyOrigin(repository=RepositoryId(forge.repository), trust_root=Digest(bytes.fromhex(forge.trust_root)))
    text = seal_key_file(
        kind=KeyKind.RECIPIENT,
        seed=forge.recipient.seed,
        label="Két sắt 2",
        origin=origin if is_bound else None,
        passphrase="ba con mèo đen",
        random_bytes=counting_random(),
        cost=ScryptCost(n=2**12),
    )
    (tmp_path / "key").write_text(text, encoding="utf-8")
    (tmp_path / "passphrase").write_text("ba con mèo đen\n", encoding="utf-8")
    words = ["--key", str(tmp_path / "key"), "--passphrase-file", str(tmp_path / "passphrase")]
    words += [] if is_bound else ["--trust", forge.trust_root]
    assert recover.main([str(forge.directory), *words, "restore", run, "--to", str(tmp_path / "out")]) == 0

"""Bytes that change, objects that vanish, hosts that burn, repositories that are forged: right bytes or an error of ours, never others."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from blake3 import blake3

from drorch.errors import ChainBroken, ChunkUnavailable, DrorchError, SnapshotUnknown, TrustMismatch
from drorch.format import names
from drorch.format.objects import ObjectType
from drorch.format.pack import parse_pack
from drorch.operations.choose import choose
from drorch.repository.checker import CheckRequest, check
from drorch.repository.opening import Replica, Repository, open_repository
from drorch.repository.reader import SnapshotReader
from drorch.storage.filesystem import FilesystemStore
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from tests.support.forge import Forge
from tests.support.forge import RecipientKey as ForgedRecipient
from tests.support.pack_sets import sign_pack_sets
from tests.support.repositories import (
    EPOCH,
    Household,
    ManualClock,
    back_up,
    counting_random,
    read_back,
    seed,
    snapshots,
)

HOUSEHOLD = Household()
Streams = dict[str, bytes]


def streams(day: int) -> Streams:
    steady, new = random.Random(0).randbytes(150_000), random.Random(day).randbytes(100_000)
    return {"schema": b"create", "table/steady": steady, "table/new": new, "table/small": b"%d" % day}


class Kept:
    """A repository of three snapshots, as objects."""

    def __init__(self) -> None:
        store = MemoryStore(ManualClock())
        repository = HOUSEHOLD.create(store)
        self.root = repository.trust.root_digest.raw
        self.model = {
            back_up(repository, streams(day), random_bytes=counting_random(f"{day}")).run: streams(day)
            for day in (1, 2, 3)
        }
        self.objects = {stat.name: store.read(stat.name, limit_bytes=10**8) for stat in store.list_objects("")}

    def store(self) -> MemoryStore:
        store = MemoryStore(ManualClock())
        for name, content in self.objects.items():
            store.put_if_absent(name, content)
        return store

    def open(self, *stores: ObjectStore) -> Repository:
        return open_repository([Replica(name=f"s{n}", store=store) for n, store in enumerate(stores)], self.root)

    def read_all(self, *stores: ObjectStore) -> int:
        """Read whatever can be read; every snapshot is equal or refuses. Return how many were equal."""
        equal = 0
        try:
            repository = self.open(*stores)
            listed = snapshots(repository)
        except DrorchError:
            return 0
        for one in listed:
            try:
                found = read_back(repository, one)
            except DrorchError:
                continue
            assert found == self.model[one.link.manifest.run]
            equal += 1
        return equal


@pytest.fixture(scope="module")
def kept() -> Kept:
    return Kept()


def damaged(store: MemoryStore, name: str, content: bytes | None) -> MemoryStore:
    store.delete([name])
    if content is not None:
        store.put_if_absent(name, content)
    return store


def changes(kept: Kept) -> Iterator[tuple[str, bytes | None]]:
    """Every object: gone, one bit flipped at two places, cut short, grown."""
    dice = random.Random(9)
    for name, content in kept.objects.items():
        yield name, None
        for _ in range(2):
            at = dice.randrange(len(content))
            yield name, content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :]
        yield name, content[: dice.randrange(len(content))]
        yield name, content + b"\0"


def test_no_single_damage_gives_wrong_bytes(kept: Kept) -> None:
    assert kept.read_all(kept.store()) == 3
    results = {(name, kept.read_all(damaged(kept.store(), name, content))) for name, content in changes(kept)}
    assert {0, 2, 3} <= {equal for _, equal in results}  # some damages cost snapshots, some nothing


def test_records_that_change_places_are_noticed() -> None:
    """Every tag is right: it is the id that the tree asks for which tells one genuine record from another."""
    store = MemoryStore(ManualClock())
    repository = HOUSEHOLD.create(store)
    content = {f"table/{number}": random.Random(number).randbytes(100_000) for number in range(2)}
    back_up(repository, content)
    (snapshot,) = snapshots(repository)
    swapped = 0
    for name in [stat.name for stat in store.list_objects("") if "/p/" in stat.name]:
        raw = store.read(name, limit_bytes=10**7)
        _, places = parse_pack(raw)
        for (one, length), (other, other_length) in pairwise(places):
            if length == other_length:
                first, second = raw[one : one + length], raw[other : other + length]
                exchanged = raw[:one] + second + raw[one + length : other] + first + raw[other + length :]
                damaged(store, name, exchanged)
                swapped += 1
    assert swapped > 0
    with pytest.raises(ChunkUnavailable):
        read_back(repository, snapshot)


def test_no_single_damage_costs_anything_that_a_second_store_holds(kept: Kept) -> None:
    for number, (name, content) in enumerate(changes(kept)):
        broken, whole = damaged(kept.store(), name, content), kept.store()
        stores = (broken, whole) if number % 2 else (whole, broken)
        assert kept.read_all(*stores) == 3, name


def test_what_exists_twice_in_one_store_costs_nothing(kept: Kept) -> None:
    """Run records, pack lists and manifests stand in commits too; trees have twins; the index is the writer's own."""
    for name in kept.objects:
        if any(part in name for part in ("/r/", "/q/", "/x/")) or (name[-2:] in {"01", "02", "03"} and "/m/" in name):
            assert kept.read_all(damaged(kept.store(), name, None)) == 3, name
            flipped = bytes([kept.objects[name][40] ^ 1])
            altered = kept.objects[name][:40] + flipped + kept.objects[name][41:]
            assert kept.read_all(damaged(kept.store(), name, altered)) == 3, name


def streams_left(repository: Repository) -> tuple[dict[str, set[str]], int]:
    """Return what can still be read of each snapshot, and how many streams cannot; their names must all be there."""
    left: dict[str, set[str]] = {}
    lost = 0
    for one in snapshots(repository):
        with closing(SnapshotReader(repository, one.link, [HOUSEHOLD.custodian])) as reader:
            entries = list(reader.entries())
            for entry in entries:
                try:
                    content = b"".join(reader.stream(entry))
                except ChunkUnavailable:
                    lost += 1
                else:
                    assert blake3(content).digest() == entry.bytes_digest
                    left.setdefault(str(one.link.manifest.run), set()).add(entry.name)
    return left, lost


@pytest.mark.parametrize("content", [None, b"DRORCH\x04"], ids=["gone", "altered"])
def test_a_pack_that_is_lost_costs_the_rows_that_lay_in_it_and_no_name(kept: Kept, content: bytes | None) -> None:
    """Each pack in turn: entries, trees and definitions have twins, so every snapshot can say what it held."""
    every, _ = streams_left(kept.open(kept.store()))
    outcomes = []
    for name in (name for name in kept.objects if "/p/" in name):
        left, lost = streams_left(kept.open(damaged(kept.store(), name, content)))
        assert left.keys() == every.keys()
        assert all("schema" in names for names in left.values())
        assert sum(map(len, every.values())) == sum(map(len, left.values())) + lost
        outcomes.append(lost)
    assert outcomes.count(0) == 6  # in each run one pack of nodes, entries and definitions, and one of their twins
    assert 0 < max(outcomes) <= 4  # the steady table is in all three snapshots
    assert len(outcomes) > 9


def test_two_packs_that_hold_the_same_are_both_needed_and_both_checked(kept: Kept) -> None:
    """What the needs left out would not be copied, and would be swept."""
    packs = [name for name in kept.objects if "/p/" in name]
    for name in packs:
        report = check(kept.open(damaged(kept.store(), name, None)), CheckRequest())
        assert [finding.name for finding in report.errors] == [name]
        assert report.errors[0].snapshots


def test_a_chunk_whose_twin_was_lost_is_stored_twice_again(kept: Kept) -> None:
    for name in (name for name in kept.objects if "/p/" in name):
        store = damaged(kept.store(), name, None)
        made = back_up(kept.open(store), streams(3), random_bytes=counting_random("4"))
        added = [stat.name for stat in store.list_objects("") if "/p/" in stat.name and stat.name not in kept.objects]
        for one in added:
            left, lost = streams_left(kept.open(damaged(copy_of(store), one, None)))
            assert len(left[str(made.run)]) + lost >= len(streams(3))
            assert "schema" in left[str(made.run)]


def copy_of(store: MemoryStore) -> MemoryStore:
    copy = MemoryStore(ManualClock())
    for stat in list(store.list_objects("")):
        copy.put_if_absent(stat.name, store.read(stat.name, limit_bytes=10**8))
    return copy


def test_one_damaged_commit_costs_one_snapshot(kept: Kept) -> None:
    for name, content in kept.objects.items():
        if name.endswith(".c"):
            assert kept.read_all(damaged(kept.store(), name, content[:-1] + b"\0")) == 2


def test_what_is_latest_is_not_guessed_from_a_damaged_list(kept: Kept) -> None:
    lane = next(lane for lane in map(names.lane_of, kept.objects) if lane)
    store = kept.store()
    store.delete([names.commit(lane, 3)])
    damaged(store, names.manifest(lane, 3), b"nothing")
    repository = kept.open(store)
    with pytest.raises(ChainBroken) as refused:
        choose(repository, "latest:land")
    second = list(kept.model)[1]
    assert second.short in refused.value.hint
    assert choose(repository, second.short).link.manifest.run == second


def test_a_damaged_segment_or_list_does_not_stop_the_next_backup(kept: Kept) -> None:
    for name, content in kept.objects.items():
        if "/x/" in name or "/q/" in name or name.endswith("3.c"):
            store = damaged(kept.store(), name, content[:-1] + bytes([content[-1] ^ 1]))
            repository = kept.open(store)
            made = back_up(repository, streams(4), random_bytes=counting_random("4"))
            assert made.sequence == 4
            (listed,) = [one for one in snapshots(repository) if one.link.manifest.run == made.run]
            assert read_back(repository, listed) == streams(4)


def test_packs_that_vanished_are_stored_again_by_the_next_backup(kept: Kept) -> None:
    store = kept.store()
    store.delete([name for name in kept.objects if "/p/" in name])
    repository = kept.open(store)
    made = back_up(repository, streams(3), random_bytes=counting_random("4"))
    assert made.totals.known_chunks == 0
    assert read_back(repository, snapshots(repository)[-1]) == streams(3)


def test_bucket_and_one_key_restore_everything_when_the_host_has_burnt(tmp_path: Path) -> None:
    """Nothing is left but a directory of objects, 32 bytes of a key and the digest on paper."""
    bucket, cache = tmp_path / "bucket", tmp_path / "host"
    bucket.mkdir()
    cache.mkdir()
    repository = HOUSEHOLD.create(FilesystemStore(bucket))
    made = {}
    for source in ("land", "civil"):
        for day in (1, 2):
            random_bytes = counting_random(f"{source}{day}")
            taken = back_up(repository, streams(day), source=source, cache=cache, random_bytes=random_bytes)
            made[taken.run] = streams(day)
    paper = repository.trust.root_digest.raw[:16]
    shutil.rmtree(cache)
    del repository
    copy = tmp_path / "elsewhere"
    shutil.copytree(bucket, copy)
    shutil.rmtree(bucket)
    found = open_repository([Replica(name="copy", store=FilesystemStore(copy))], paper)
    assert {one.link.manifest.run: read_back(found, one) for one in snapshots(found)} == made


@pytest.mark.parametrize("listed_as", [ObjectType.RETIRE_LIST, ObjectType.DAMAGE_LIST])
def test_a_maintainer_who_lists_every_pack_costs_space_and_hides_nothing(kept: Kept, listed_as: ObjectType) -> None:
    store = kept.store()
    repository = kept.open(store)
    lane = next(lane for lane in map(names.lane_of, kept.objects) if lane)
    name = names.retire_list(lane, 0) if listed_as is ObjectType.RETIRE_LIST else names.damage_list(lane, 0)
    listed = sign_pack_sets(
        listed_as,
        repository=repository.trust.repository,
        lane=lane,
        number=0,
        packs=dict.fromkeys(kept.model, b"\xff"),
        made_at=EPOCH,
        key=HOUSEHOLD.maintainer,
    )
    store.put_if_absent(name, listed)
    assert kept.read_all(store) == 3
    assert check(repository, CheckRequest()).errors == ()
    made = back_up(repository, streams(3), random_bytes=counting_random("4"))
    assert made.totals.known_chunks == 0
    assert read_back(repository, snapshots(repository)[-1]) == streams(3)


# -- forged repositories


@pytest.fixture
def forged(tmp_path: Path) -> Forge:
    """Everything made anew by somebody who has the genuine public keys and repository id, sealed to the genuine custodian."""
    custodian = ForgedRecipient(seed("test custodian"))
    forge = Forge(tmp_path / "forged", seed=b"evil", recipients=[custodian], repository=seed("test")[:16])
    forge.trust()
    forge.snapshot(streams(1), source="land")
    return forge


def test_a_forged_repository_opens_for_who_trusts_it_and_for_nobody_else(forged: Forge, kept: Kept) -> None:
    store = FilesystemStore(forged.directory)
    replica = Replica(name="forged", store=store)
    believed = open_repository([replica], bytes.fromhex(forged.trust_root))
    assert read_back(believed, snapshots(believed)[0]) == streams(1)  # the forgery is a good one
    with pytest.raises(TrustMismatch):
        open_repository([replica], kept.root)
    both = kept.open(kept.store(), store)
    assert [replica.name for replica in both.replicas] == ["s0"]
    assert isinstance(both.unusable["s1"], TrustMismatch)
    report = check(both, CheckRequest())
    assert {(finding.store, finding.name) for finding in report.errors} == {("s1", "trust/0")}


def test_forged_lanes_beside_genuine_ones_count_for_nothing(forged: Forge, kept: Kept) -> None:
    """The forger cannot exchange the trust records, so he adds his lane to the genuine ones."""
    store = kept.store()
    for path in forged.directory.rglob("*"):
        if path.is_file() and not path.relative_to(forged.directory).as_posix().startswith("trust/"):
            store.put_if_absent(path.relative_to(forged.directory).as_posix(), path.read_bytes())
    repository = kept.open(store)
    with pytest.raises(SnapshotUnknown):
        choose(repository, forged.snapshots[0].run_text)
    newest = list(kept.model)[-1]
    assert choose(repository, "latest:land").link.manifest.run == newest
    assert choose(repository, newest.short).link.manifest.run == newest
    report = check(repository, CheckRequest())
    assert {names.lane_of(finding.name) for finding in report.errors} == {names.lane_of(f"{forged.folder}/m")}
    assert set(report.good) == {str(run) for run in kept.model}


def test_what_strangers_sign_in_a_genuine_lane_ends_it_and_nothing_else(kept: Kept) -> None:
    """Manifests and commits of a stranger behind the genuine ones: the genuine ones stay."""
    stranger = Household(name="stranger")
    other = MemoryStore(ManualClock())
    made = back_up(stranger.create(other), streams(9), household=stranger)
    lane = next(lane for lane in map(names.lane_of, kept.objects) if lane)
    store = kept.store()
    raw = other.read(names.manifest(made.lane, 1), limit_bytes=10**6)
    store.put_if_absent(names.manifest(lane, 4), raw)
    assert kept.read_all(store) == 3
    report = check(kept.open(store), CheckRequest())
    assert [finding.name for finding in report.errors] == [names.manifest(lane, 4)]

"""Reading back: what is gone or damaged in one place is taken from another, with flat memory and few words."""

from __future__ import annotations

import random
from contextlib import closing

import pytest

from drorch.errors import ChunkUnavailable, ObjectMissing, StoreUnavailable
from drorch.format.tree import ChunkPlace, LeafEntry, Place
from drorch.ids import ChunkId, RunId
from drorch.repository.copies import Copies
from drorch.repository.fetching import SPAN_PLAIN_BYTES, spans
from drorch.repository.opening import Replica, Repository
from drorch.repository.reader import SnapshotReader
from drorch.storage.memory import MemoryStore
from tests.support.faulty_store import FaultyStore
from tests.support.repositories import Household, ManualClock, back_up, counting_random, read_back, seed, snapshots

STREAMS = {"table": random.Random(1).randbytes(3_000_000), "small": b"kept"}
RUN = RunId(seed("run")[:16])


@pytest.fixture
def stores() -> tuple[FaultyStore, FaultyStore]:
    return FaultyStore(MemoryStore(ManualClock())), FaultyStore(MemoryStore(ManualClock()))


@pytest.fixture
def repository(stores: tuple[FaultyStore, FaultyStore]) -> Repository:
    repository = Household().create(*stores)
    back_up(repository, STREAMS, random_bytes=counting_random("first"))
    back_up(repository, {**STREAMS, "small": b"new"}, random_bytes=counting_random("second"))
    return repository


def test_what_compresses_a_hundredfold_is_not_read_all_at_once() -> None:
    size, plain = 40_000, 4 * 2**20
    entries = [
        LeafEntry(ChunkPlace(ChunkId(seed(f"{n}")), RUN, Place(ordinal=0, offset=n * size, length=size)), plain)
        for n in range(100)
    ]
    found = spans(entries)
    assert [entry for span in found for entry in span.entries] == entries
    assert max(sum(entry.plain_length for entry in span.entries) for span in found) <= SPAN_PLAIN_BYTES


def test_neighbours_are_read_at_once() -> None:
    entries = [
        LeafEntry(ChunkPlace(ChunkId(seed(f"{n}")), RUN, Place(ordinal=0, offset=n * 1_000, length=1_000)), 4_000)
        for n in range(100)
    ]
    assert len(spans(entries)) == 1


@pytest.mark.parametrize("folder", ["q", "r", "m"])
def test_second_copies_in_the_commits_are_used(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore], folder: str
) -> None:
    for store in stores:
        listed = [stat.name for stat in store.list_objects("l/") if f"/{folder}/" in stat.name]
        store.delete([name for name in listed if not name.endswith(".c")])
    found = snapshots(repository)
    assert [read_back(repository, one) for one in found] == [STREAMS, {**STREAMS, "small": b"new"}]


def test_a_store_that_does_not_answer_is_waited_for_once(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore]
) -> None:
    (_, second) = snapshots(repository)
    fault = stores[0].plan("read", StoreUnavailable("away"), times=1_000)
    ranges = stores[0].plan("read_range", StoreUnavailable("away"), times=1_000)
    reader = SnapshotReader(repository, second.link, [Household().custodian])
    with closing(reader):
        content = {entry.name: b"".join(reader.stream(entry)) for entry in reader.entries()}
    assert content == {**STREAMS, "small": b"new"}
    assert fault.fired + ranges.fired <= 3


def test_stores_that_have_the_snapshot_are_asked_first(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore]
) -> None:
    (_, second) = snapshots(repository)
    stores[0].delete([stat.name for stat in stores[0].list_objects("l/")])
    reader = SnapshotReader(repository, second.link, [Household().custodian], stores=["store1"])
    with closing(reader):
        assert {entry.name: b"".join(reader.stream(entry)) for entry in reader.entries()}["small"] == b"new"
        assert reader.faults == ()


def test_a_fault_is_told_once_however_often_it_is_met() -> None:
    empty, full = MemoryStore(ManualClock()), MemoryStore(ManualClock())
    full.put_if_absent("a", b"x")
    copies = Copies((Replica(name="empty", store=empty), Replica(name="full", store=full)))
    for _ in range(10):
        assert copies.first_good("a", lambda store, name: store.read(name, limit_bytes=10)) == b"x"
    assert [(fault.store, fault.name) for fault in copies.faults] == [("empty", "a")]


def test_what_is_nowhere_is_missing_and_what_is_nowhere_good_is_unavailable() -> None:
    one, other = MemoryStore(ManualClock()), MemoryStore(ManualClock())
    copies = Copies((Replica(name="one", store=one), Replica(name="other", store=other)))
    with pytest.raises(ObjectMissing):
        copies.first_good("a", lambda store, name: store.read(name, limit_bytes=10))
    for store in (one, other):
        store.put_if_absent("a", b"much too long")
    with pytest.raises(ChunkUnavailable):
        copies.first_good("a", lambda store, name: store.read(name, limit_bytes=10))


def test_a_long_lane_is_listed_without_its_second_copies(repository: Repository) -> None:
    """Ten thousand links with them would weigh a quarter of a gigabyte."""
    assert [one.link.second_copies for one in snapshots(repository)] == [None, None]

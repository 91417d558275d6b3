"""A stream of the last snapshot stands in the next one without its bytes, as long as every pack of it can be relied on."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.errors import Bug, NothingDone
from drorch.format import names
from drorch.format.manifest import ordinals_of
from drorch.ids import RunId
from drorch.repository.beginning import RunPlace, begin_run
from drorch.repository.checker import CheckRequest, check
from drorch.repository.data_checker import Depth
from drorch.repository.opening import Repository
from drorch.repository.run_parts import CommittedSnapshot, StreamToStore
from drorch.repository.writer import RunWriter
from drorch.storage.memory import MemoryStore
from tests.support.repositories import (
    EPOCH,
    Household,
    ManualClock,
    counting_random,
    pieces,
    read_back,
    snapshots,
    summary,
)

BIG = random.Random(5).randbytes(9_000_000)
SMALL = b"less than what has a tree of its own"


@dataclass
class Lane:
    """One lane whose runs store some streams and carry others."""

    cache: Path | None
    stores: tuple[MemoryStore, ...] = field(default_factory=lambda: (MemoryStore(ManualClock()),))
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.household = Household()
        self.repository: Repository = self.household.create(*self.stores)
        self.random_bytes = counting_random()

    def run(
        self, given: Mapping[str, bytes], carried: tuple[str, ...] = (), *, commits: bool = True
    ) -> CommittedSnapshot | None:
        with closing(self.begin()) as writer:
            for ordinal, name in enumerate(carried):
                assert writer.holds(name)
                writer.carry(ordinal, name)
            for ordinal, (name, content) in enumerate(given.items(), start=len(carried)):
                writer.store(lasting(ordinal, name), pieces(content))
            return writer.commit(summary()) if commits else None

    def begin(self) -> RunWriter:
        material = begin_run(
            self.repository,
            self.household.host,
            RunPlace(source="scans"),
            run=RunId(self.random_bytes(16)),
            cache=self.cache,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )
        return RunWriter(
            material, clock=self.clock, random_bytes=self.random_bytes, compression_level=1, seal_threads=1
        )

    def holds(self, *wanted: str) -> list[bool]:
        with closing(self.begin()) as writer:
            return [writer.holds(name) for name in wanted]

    def last(self) -> dict[str, bytes]:
        return read_back(self.repository, snapshots(self.repository)[-1])


def lasting(ordinal: int, name: str, *, is_lasting: bool = True) -> StreamToStore:
    return StreamToStore(
        ordinal=ordinal,
        name=name,
        kind=5,
        row_format=0,
        canonical_columns={},
        attributes={"n": name},
        is_lasting=is_lasting,
    )


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path)


def test_a_carried_stream_is_read_back_as_it_was(lane: Lane) -> None:
    lane.run({"a": BIG, "b": SMALL})
    lane.run({"c": b"new"}, carried=("a", "b"))
    assert lane.last() == {"a": BIG, "b": SMALL, "c": b"new"}


def test_it_can_be_carried_from_run_to_run(lane: Lane) -> None:
    lane.run({"a": BIG})
    for number in range(4):
        committed = lane.run({f"c{number}": bytes([number]) * 100}, carried=("a",))
        assert committed is not None
        assert committed.bytes_stored < 100_000
    assert lane.last() == {"a": BIG, "c3": b"\3" * 100}


def test_a_manifest_needs_what_is_carried_and_nothing_else(lane: Lane) -> None:
    """The checker recomputes what a snapshot needs from its trees; it must be the same to the last pack."""
    lane.run({"a": BIG, "b": SMALL, "gone": random.Random(6).randbytes(40_000_000)})
    lane.run({"c": b"new"}, carried=("a", "b"))
    request = CheckRequest(depth=Depth(recipients=(lane.household.custodian,)))
    assert check(lane.repository, request).errors == ()
    first, second = (one.link.manifest for one in snapshots(lane.repository))
    of_first = {need.run: set(ordinals_of(need.bitmap)) for need in second.needs}[first.run]
    everything = {need.run: set(ordinals_of(need.bitmap)) for need in first.needs}[first.run]
    assert of_first
    assert len(everything - of_first) >= 2


def test_only_what_the_last_committed_snapshot_held_is_held(lane: Lane) -> None:
    lane.run({"a": BIG, "b": SMALL})
    assert lane.holds("a", "b", "c") == [True, True, False]
    lane.run({"c": b"new"}, carried=("a",), commits=False)
    assert lane.holds("a", "b", "c") == [True, True, False]
    lane.run({"c": b"new"}, carried=("a",))
    assert lane.holds("a", "b", "c") == [True, False, True]


def test_what_is_not_lasting_is_not_held(lane: Lane) -> None:
    with closing(lane.begin()) as writer:
        writer.store(lasting(0, "a", is_lasting=False), pieces(BIG))
        writer.commit(summary())
    assert lane.holds("a") == [False]


def test_carrying_what_is_not_held_is_a_bug(lane: Lane) -> None:
    with closing(lane.begin()) as writer, pytest.raises(Bug):
        writer.carry(0, "a")


def test_a_lost_cache_holds_nothing(tmp_path: Path) -> None:
    lane = Lane(tmp_path / "one")
    lane.run({"a": BIG})
    lane.cache = tmp_path / "two"
    assert lane.holds("a") == [False]
    lane.cache = None
    assert lane.holds("a") == [False]


def test_a_cache_that_is_damaged_holds_nothing(lane: Lane) -> None:
    lane.run({"a": BIG})
    assert lane.cache is not None
    (index,) = lane.cache.glob("*.index")
    raw = index.read_bytes()
    at = raw.index(b'{"n":"a"}')
    index.write_bytes(raw[:at] + b'{"n":"b"}' + raw[at + 9 :])
    assert lane.holds("a") == [False]


@pytest.mark.parametrize("kind", ["pack", "run record"])
def test_a_stream_of_which_something_is_missing_in_one_store_is_not_held(tmp_path: Path, kind: str) -> None:
    lane = Lane(tmp_path, stores=(MemoryStore(ManualClock()), MemoryStore(ManualClock())))
    lane.run({"a": BIG, "b": SMALL})
    (snapshot,) = snapshots(lane.repository)
    lane_id, run = snapshot.link.lane, snapshot.link.manifest.run
    assert lane.holds("a") == [True]
    name = {
        "pack": next(stat.name for stat in lane.stores[1].list_objects(names.packs_prefix(lane_id))),
        "run record": names.run_record(lane_id, run),
    }[kind]
    lane.stores[1].delete([name])
    assert not all(lane.holds("a", "b"))


def test_a_stream_is_stored_afresh_within_a_year(lane: Lane) -> None:
    lane.run({"a": BIG})
    later = ManualClock(EPOCH + timedelta(days=300))
    lane.stores[0]._clock = later
    assert lane.holds("a") == [True]
    lane.stores[0]._clock = ManualClock(EPOCH + timedelta(days=366))
    assert lane.holds("a") == [False]


def test_a_run_that_loses_its_place_in_the_lane_carries_nothing_over(lane: Lane) -> None:
    lane.run({"a": BIG})
    writer = lane.begin()
    with closing(writer):
        writer.store(lasting(0, "b"), pieces(SMALL))
        lane.cache, cache = None, lane.cache  # as another process has it: this one's file is in use
        late = lane.begin()
        lane.cache = cache
        with closing(late):
            late.store(lasting(0, "c"), pieces(b"late"))
            late.commit(summary())
        with pytest.raises(NothingDone):
            writer.commit(summary())
    assert lane.holds("a", "b") == [True, False]

"""Deltas from the writer to the reader: small, whole whatever becomes of the cache, and never deeper than two."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from drorch.format.index import IndexEntry
from drorch.format.manifest import ordinals_of
from drorch.format.record import KIND_CHUNK, RecordContext, RecordHeader, chunk_id
from drorch.format.similarity import Sketcher
from drorch.format.tree import MOST_BASES, LeafEntry, Place
from drorch.ids import ChunkId, LaneId, RepositoryId, RunId
from drorch.repository.anchors import CANDIDATES, Anchor, Anchors
from drorch.repository.base_cache import BaseCache, CacheKeys
from drorch.repository.checker import CheckRequest, check
from drorch.repository.data_checker import Depth
from drorch.repository.deltas import Deltas, Plan
from drorch.repository.index import LaneIndex
from drorch.repository.needs import NeedsCollector
from drorch.repository.opening import Repository
from drorch.repository.reader import SnapshotReader
from drorch.repository.run_parts import CommittedSnapshot
from drorch.repository.sealing import Sealer
from drorch.repository.streams import TreeWriter
from drorch.repository.walking import leaf_entries
from drorch.storage.interface import Bytes
from drorch.storage.memory import MemoryStore
from tests.support.register import Register
from tests.support.repositories import (
    Household,
    ManualClock,
    back_up,
    counting_random,
    read_back,
    snapshots,
)

ROOM = 10**9


class Days:
    """A lane that grows by one snapshot a day."""

    def __init__(self, cache: Path, room: int = ROOM) -> None:
        self.store = MemoryStore(ManualClock())
        self.repository: Repository = Household().create(self.store)
        self.cache = cache
        self.room = room
        self.made: list[dict[str, bytes]] = []

    def back_up(self, content: bytes) -> CommittedSnapshot:
        streams = {"schema": b"create table parcel ()", "table/parcel": content}
        self.made.append(streams)
        return back_up(
            self.repository,
            streams,
            cache=self.cache,
            base_limit_bytes=self.room,
            random_bytes=counting_random(f"day {len(self.made)}"),
        )

    def read(self) -> list[dict[str, bytes]]:
        found = sorted(snapshots(self.repository), key=lambda one: one.link.sequence)
        return [read_back(self.repository, one) for one in found]

    def entries(self, number: int) -> list[LeafEntry]:
        """Return the leaves of the table in one snapshot."""
        (one,) = [one for one in snapshots(self.repository) if one.link.sequence == number]
        with closing(SnapshotReader(self.repository, one.link, [Household().custodian])) as reader:
            (table,) = [entry for entry in reader.entries() if entry.name == "table/parcel"]
            assert table.tree is not None
            return list(leaf_entries(reader.fetcher, table.tree))

    def problems(self) -> list[str]:
        """Return what a full check with the key finds."""
        depth = Depth(read_data_percent=100, recipients=(Household().custodian,), seed=bytes(32))
        return [str(finding) for finding in check(self.repository, CheckRequest(depth=depth)).errors]


@pytest.fixture
def days(tmp_path: Path) -> Days:
    return Days(tmp_path / "cache")


def test_half_a_percent_of_the_rows_costs_little_and_comes_back(days: Days) -> None:
    register = Register()
    first = days.back_up(register.stream())
    register.update()
    second = days.back_up(register.stream())
    assert second.pack_bytes < first.pack_bytes / 8
    totals = second.totals
    assert (totals.new_chunks, totals.known_chunks) == (1, 1), "new is the list of streams, known are the definitions"
    assert totals.delta_bytes == len(register.stream())
    assert totals.delta_stored_bytes < first.pack_bytes / 10
    assert days.read() == days.made
    assert days.problems() == []


def test_a_snapshot_needs_the_packs_of_its_bases(days: Days) -> None:
    register = Register()
    first = days.back_up(register.stream())
    register.update()
    second = days.back_up(register.stream())
    newest = max(snapshots(days.repository), key=lambda one: one.link.sequence)
    needs = {need.run: set(ordinals_of(need.bitmap)) for need in newest.link.manifest.needs}
    assert set(needs) == {first.run, second.run}
    below = {base.place.ordinal for entry in days.entries(2) for base in entry.bases if base.run == first.run}
    assert below
    assert below <= needs[first.run]


def test_deltas_lie_in_packs_of_their_own(days: Days) -> None:
    register = Register()
    days.back_up(register.stream())
    register.update()
    second = days.back_up(register.stream() + random.Random(0).randbytes(3_000_000))
    places = {bool(entry.bases): set() for entry in days.entries(2)}  # type: dict[bool, set[int]]
    for entry in days.entries(2):
        if entry.chunk.run == second.run:
            places[bool(entry.bases)].add(entry.chunk.place.ordinal)
    assert places[True]
    assert places[False]
    assert not places[True] & places[False]


def test_a_month_of_small_changes_stays_small_shallow_and_whole(days: Days) -> None:
    register = Register(6_000)
    costs = []
    for _ in range(30):
        costs.append(days.back_up(register.stream()).pack_bytes)
        register.update()
    assert sum(costs[1:]) / 29 < costs[0] / 8, costs
    depths = {len(entry.bases) for number in range(1, 31) for entry in days.entries(number)}
    assert depths == {0, 1, 2}
    assert days.read() == days.made
    assert days.problems() == []


def test_a_base_serves_longer_than_a_day_and_not_for_ever(days: Days) -> None:
    register = Register(6_000)
    for _ in range(15):
        days.back_up(register.stream())
        register.update(0.01)
    bases = [{entry.bases[0].chunk_id for entry in days.entries(number) if entry.bases} for number in range(1, 16)]
    assert any(one & other for one, other in pairwise(bases))
    assert len(set().union(*bases)) > 2
    assert days.read() == days.made


def emptied(days: Days) -> None:
    shutil.rmtree(days.cache)


def only_index(days: Days) -> None:
    for path in days.cache.glob("*.bases"):
        shutil.rmtree(path)


def without_anchors(days: Days) -> None:
    for path in days.cache.glob("*.anchors*"):
        path.unlink()


def damaged(days: Days) -> None:
    for path in days.cache.glob("*.bases/*/*"):
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)


def of_another_repository(days: Days) -> None:
    other = Days(days.cache.with_name("other"))
    other.repository = Household(name="another").create(MemoryStore(ManualClock()))
    back_up(
        other.repository,
        {"table/parcel": days.made[0]["table/parcel"]},
        household=Household(name="another"),
        cache=other.cache,
        base_limit_bytes=ROOM,
    )
    (foreign,) = other.cache.glob("*.anchors")
    (own,) = days.cache.glob("*.anchors")
    for tail in ("-wal", "-shm"):
        own.with_name(own.name + tail).unlink(missing_ok=True)
    own.write_bytes(foreign.read_bytes())


@pytest.mark.parametrize("harm", [emptied, only_index, without_anchors, damaged, of_another_repository])
def test_whatever_becomes_of_the_cache_the_next_snapshot_is_whole(days: Days, harm: Callable[[Days], None]) -> None:
    register = Register()
    days.back_up(register.stream())
    harm(days)
    register.update()
    made = days.back_up(register.stream())
    assert made.totals.delta_chunks == 0, "the harm must have been done"
    register.update()
    assert days.back_up(register.stream()).totals.delta_chunks > 0, "and it heals by itself"
    assert days.read() == days.made


def test_a_delta_is_never_made_against_a_chunk_whose_pack_is_gone(days: Days) -> None:
    register = Register()
    days.back_up(register.stream())
    gone = {stat.name for stat in days.store.list_objects("l/") if "/p/" in stat.name and stat.size_bytes > 100_000}
    assert gone
    days.store.delete(sorted(gone))
    register.update()
    made = days.back_up(register.stream())
    assert made.totals.delta_chunks == 0
    newest = max(snapshots(days.repository), key=lambda one: one.link.sequence)
    assert read_back(days.repository, newest) == days.made[-1]


def test_a_known_delta_whose_base_is_gone_is_unknown(days: Days) -> None:
    register = Register()
    first = days.back_up(register.stream())
    register.update()
    days.back_up(register.stream())
    oldest = min(snapshots(days.repository), key=lambda one: one.link.sequence)
    assert oldest.link.manifest.run == first.run
    of_first = [
        stat.name
        for stat in days.store.list_objects("l/")
        if "/p/" in stat.name and stat.size_bytes > first.pack_bytes // 2
    ]
    days.store.delete(of_first)
    made = days.back_up(register.stream())
    assert made.totals.known_bytes < 1_000, "only the definitions"
    newest = max(snapshots(days.repository), key=lambda one: one.link.sequence)
    assert read_back(days.repository, newest) == days.made[-1]


def test_an_unchanged_table_costs_nothing_even_where_it_was_stored_as_deltas(days: Days) -> None:
    register = Register()
    days.back_up(register.stream())
    register.update()
    days.back_up(register.stream())
    third = days.back_up(register.stream())
    assert (third.totals.new_bytes, third.totals.delta_bytes) == (0, 0)
    assert days.read() == days.made


def test_a_small_cache_makes_some_deltas_and_says_what_more_would_save(tmp_path: Path) -> None:
    register = Register(40_000)
    size = len(register.stream())
    days = Days(tmp_path / "cache", room=size // 3)
    days.back_up(register.stream())
    held = sum(path.stat().st_size for path in days.cache.glob("*.bases/*/*"))
    assert 0 < held <= days.room
    register.update(0.002)
    totals = days.back_up(register.stream()).totals
    assert totals.delta_bytes > 0
    assert totals.missed_bytes > 0
    assert totals.new_bytes - totals.missed_bytes < 1_000, "the list of streams"
    assert days.read() == days.made


@pytest.mark.parametrize(
    "content",
    [b"x", bytes(3_000_000), random.Random(3).randbytes(3_000_000), bytes(range(256)) * 20_000],
    ids=["one byte", "zeros", "noise", "a pattern"],
)
def test_streams_that_are_like_nothing_or_like_everything(days: Days, content: bytes) -> None:
    for more in (b"", b"y", b"z" * 500_000):
        days.back_up(content + more)
    assert days.read() == days.made


def test_data_that_make_every_chunk_like_every_other_cost_one_trial_a_chunk(
    days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of every chunk is the same, the rest is noise: each is like all before it, and no delta is worth its base."""
    dice = random.Random(4)
    same = dice.randbytes(300_000)
    first, content = (b"".join(same + dice.randbytes(300_000) for _ in range(40)) for _ in range(2))
    days.back_up(first)
    candidates: list[int] = []
    trials: list[bool] = []

    def similar(anchors: Anchors, sketch: Sequence[int]) -> tuple[Anchor, ...]:
        found = ask(anchors, sketch)
        candidates.append(len(found))
        return found

    def encode(sealer: Sealer, *told: Any, **named: Any) -> tuple[RecordHeader, Bytes]:
        trials.append(bool(told[5:] and told[5]))
        return seal(sealer, *told, **named)

    ask, seal = Anchors.similar, Sealer.encode
    monkeypatch.setattr(Anchors, "similar", similar)
    monkeypatch.setattr(Sealer, "encode", encode)
    made = days.back_up(content)
    chunks = len(candidates)
    assert chunks > 10
    assert sum(map(bool, candidates)) > chunks // 3, "they are alike"
    assert max(candidates) <= CANDIDATES
    assert sum(trials) <= chunks, "at most one trial a chunk"
    assert made.pack_bytes < len(content) * 1.1
    assert days.read() == days.made


def test_without_a_base_cache_everything_is_stored_in_full(tmp_path: Path) -> None:
    days = Days(tmp_path / "cache", room=0)
    register = Register()
    days.back_up(register.stream())
    register.update()
    assert days.back_up(register.stream()).totals.delta_chunks == 0
    assert list(days.cache.glob("*.bases")) + list(days.cache.glob("*.anchors")) == []


def test_a_chunk_that_another_thread_has_just_stored_is_no_delta_against_itself(
    days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was unknown when it was cut may be known, and be its own nearest relative, when it comes to be sealed."""
    content = Register().stream()
    days.back_up(content)
    with monkeypatch.context() as patch:
        patch.setattr(TreeWriter, "_may_reuse", lambda _writer, _known: False)
        again = days.back_up(content)
    assert again.totals.known_chunks == 0, "each was stored once more"
    for entry in days.entries(2):
        assert entry.chunk.chunk_id not in {base.chunk_id for base in entry.bases}
    assert days.back_up(content).totals.new_chunks <= 1, "known by both places: only the list of streams is new"
    assert days.read() == days.made


@pytest.fixture
def deltas(tmp_path: Path) -> Iterator[tuple[Deltas, Anchors, LaneIndex]]:
    """Deltas with everything in reach."""
    context = RecordContext(RepositoryId(bytes(16)), LaneId(bytes(16)), RunId(bytes(16)))
    keys = CacheKeys(cache_key=bytes(32), chunk_id_key=KEY, context=context)
    anchors, index = Anchors(tmp_path / "lane.anchors"), LaneIndex(None)
    cache = BaseCache(tmp_path / "bases", keys, counting_random())
    made = Deltas(anchors, cache, index, NeedsCollector(), seed=1, budget_bytes=ROOM)
    with closing(made), closing(index):
        yield made, anchors, index


KEY = bytes(32)
PLAIN = random.Random(5).randbytes(400_000)


def stored(deltas: Deltas, index: LaneIndex, plain: bytes, below: ChunkId | None, level: int) -> ChunkId:
    """Keep a chunk as if it had been stored by a plan; in the cache it lies whole."""
    identity = chunk_id(KEY, KIND_CHUNK, plain)
    header = RecordHeader(kind=KIND_CHUNK, codec=0, plain_length=len(plain), chunk_id=identity)
    sketch = Sketcher(1).sketch(plain)
    cached = deltas.keep(Plan(sketch), header, plain)
    deltas._anchors.add(Anchor(identity, below, level, len(plain), len(plain), True, 0), sketch, cached)
    index.add_fresh(IndexEntry(identity, KIND_CHUNK, len(plain), Place(0, 0, 500), base=below), RunId(bytes(16)))
    return identity


def test_anchors_that_lead_round_in_circles_are_followed_to_no_end(
    deltas: tuple[Deltas, Anchors, LaneIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, anchors, index = deltas
    other = chunk_id(KEY, KIND_CHUNK, PLAIN[1:])
    one = stored(made, index, PLAIN, other, 1)
    stored(made, index, PLAIN[1:], one, 1)
    for each in (one, other):
        anchors.spend(each, 10 * len(PLAIN))
    asked: list[ChunkId] = []

    def get(_anchors: Anchors, identity: ChunkId) -> Anchor | None:
        asked.append(identity)
        assert len(asked) < 100, "round and round"
        return look(anchors, identity)

    look = Anchors.get
    monkeypatch.setattr(Anchors, "get", get)
    plan = made.plan(ChunkId(bytes(32)), PLAIN + b"x")
    assert plan.base is None
    assert plan.replaced


def test_no_chain_of_bases_grows_beyond_what_a_tree_can_say(deltas: tuple[Deltas, Anchors, LaneIndex]) -> None:
    """The index comes from the store and knows of four bases; the anchors, another file and an older one, know of none."""
    made, _, index = deltas
    below = None
    for number in range(MOST_BASES):
        identity = ChunkId(bytes([number]) * 32)
        index.add_fresh(IndexEntry(identity, KIND_CHUNK, 10, Place(0, number, 500), base=below), RunId(bytes(16)))
        below = identity
    shallow = stored(made, index, PLAIN, None, 0)
    plan = made.plan(ChunkId(bytes(32)), PLAIN + b"x")
    assert plan.base is not None
    assert plan.base.anchor.identity == shallow
    index.add_fresh(IndexEntry(shallow, KIND_CHUNK, len(PLAIN), Place(0, 0, 500), base=below), RunId(bytes(16)))
    known = index.find(shallow)
    assert known is not None
    assert len(known.bases) == MOST_BASES
    assert made.plan(ChunkId(bytes(32)), PLAIN + b"x").base is None

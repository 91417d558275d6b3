"""Any stretch of a stream is what the whole stream has there, and only the chunks that it touches are fetched."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing

import pytest

from drorch.errors import IntegrityError, ObjectCorrupt
from drorch.format.entries import Entry
from drorch.format.tree import ChunkPlace, LeafEntry, Place
from drorch.ids import ChunkId
from drorch.repository.fetching import spans
from drorch.repository.reader import SnapshotReader
from drorch.storage.memory import MemoryStore
from tests.support.recording_store import RecordingStore
from tests.support.repositories import Household, ManualClock, back_up, snapshots

NOISE = random.Random(11).randbytes(12_000_000)
STREAMS = {"table/noise": NOISE, "table/small": b"small and in a container"}


@pytest.fixture(scope="module")
def store() -> RecordingStore:
    return RecordingStore(MemoryStore(ManualClock()))


@pytest.fixture(scope="module")
def reader(store: RecordingStore) -> Iterator[SnapshotReader]:
    repository = Household().create(store)
    back_up(repository, STREAMS)
    with closing(SnapshotReader(repository, snapshots(repository)[0].link, [Household().custodian])) as opened:
        yield opened


def entry(reader: SnapshotReader, name: str) -> Entry:
    return next(one for one in reader.entries() if one.name == name)


@pytest.mark.parametrize("name", STREAMS)
def test_any_stretch_is_what_the_stream_has_there(reader: SnapshotReader, name: str) -> None:
    whole, wanted, dice = STREAMS[name], entry(reader, name), random.Random(3)
    stretches = [(0, len(whole)), (0, 1), (len(whole) - 1, 1), (len(whole), 0), (0, 0)]
    stretches += [(start, dice.randrange(len(whole) - start)) for start in dice.choices(range(len(whole)), k=30)]
    for start, length in stretches:
        assert b"".join(reader.stream_range(wanted, start, length)) == whole[start : start + length]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stretch_beyond_the_stream_is_refused(reader: SnapshotReader, name: str) -> None:
    with pytest.raises(ObjectCorrupt, match="outside of its stream"):
        list(reader.stream_range(entry(reader, name), len(STREAMS[name]), 1))
    with pytest.raises(ObjectCorrupt, match="outside of its stream"):
        list(reader.stream_range(entry(reader, name), 0, len(STREAMS[name]) + 1))


def test_only_the_chunks_that_it_touches_are_fetched(store: RecordingStore, reader: SnapshotReader) -> None:
    wanted = entry(reader, "table/noise")
    before = store.traffic
    assert b"".join(reader.stream_range(wanted, 6_000_000, 1_000)) == NOISE[6_000_000:6_001_000]
    assert store.traffic.since(before).received_bytes < 6_000_000  # at most two chunks of at most 4 MiB, here one
    assert store.traffic.since(before).request_count <= 3


@pytest.mark.parametrize("place", [Place(0, 100, 0), Place(0, 2**32 - 1, 2**32 - 1), Place(2**32 - 1, 0, 200)])
def test_a_place_that_no_pack_has_is_not_asked_for(store: RecordingStore, reader: SnapshotReader, place: Place) -> None:
    before = store.traffic
    leaf = LeafEntry(ChunkPlace(ChunkId(bytes(32)), reader.link.manifest.run, place), 1)
    with pytest.raises(IntegrityError):
        reader.fetcher.chunk(leaf)
    with pytest.raises(IntegrityError):
        reader.fetcher.span(spans([leaf])[0])
    assert store.traffic.since(before).received_bytes == 0

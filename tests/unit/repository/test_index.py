"""The index is a cache: whatever becomes of its file, a backup goes on, and what is read from it is right or unknown."""

from __future__ import annotations

import os
import random
import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from drorch.format.index import IndexEntry, IndexPack, IndexSegment
from drorch.format.pack import ListedPack
from drorch.format.record import KIND_CHUNK, RecordContext
from drorch.format.tree import Place
from drorch.ids import ChunkId, Digest, LaneId, RepositoryId, RunId
from drorch.repository.index import Known, LaneIndex
from drorch.repository.needs import NeedsCollector
from drorch.repository.opening import Repository
from drorch.storage.memory import MemoryStore
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

RUN = RunId(seed("run")[:16])
CHUNK = ChunkId(seed("chunk"))
PACK = ListedPack(Digest(seed("pack")), 1_000)
PLACE = Place(ordinal=0, offset=100, length=500)
STREAMS = {"table": random.Random(1).randbytes(3_000_000), "small": b"kept"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "lane.index"


def segment() -> IndexSegment:
    return IndexSegment(
        context=RecordContext(RepositoryId(bytes(16)), LaneId(bytes(16)), RUN),
        number=0,
        packs=(IndexPack(ordinal=0, digest=PACK.digest, size_bytes=PACK.size_bytes),),
        entries=(IndexEntry(chunk_id=CHUNK, kind=KIND_CHUNK, plain_length=900, place=PLACE),),
    )


def fill(index: LaneIndex) -> None:
    index.add_segment("a", RUN, segment())
    index.assume_present()
    index.keep_present([(PACK.digest, PACK.size_bytes, EPOCH)])
    index.keep_listed(RUN, [PACK])


def filled(path: Path | None) -> LaneIndex:
    index = LaneIndex(path)
    fill(index)
    return index


def test_what_was_learned_is_there_the_next_time(path: Path) -> None:
    with closing(filled(path)):
        pass
    with closing(LaneIndex(path)) as index:
        assert index.find(CHUNK) == Known(RUN, PLACE, None)
        assert index.unknown_segments(["a", "b"]) == ("b",)


def test_the_file_is_for_this_account_only(path: Path) -> None:
    umask = os.umask(0o077)
    try:
        with closing(filled(path)):
            assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(umask)


def test_a_pack_is_present_only_where_every_store_lists_it_with_its_size() -> None:
    with closing(filled(None)) as index:
        index.assume_present()
        index.keep_present([(PACK.digest, PACK.size_bytes, EPOCH)])
        index.keep_present([(PACK.digest, PACK.size_bytes - 1, EPOCH)])
        assert index.find(CHUNK) is None


def test_a_listing_that_breaks_off_changes_nothing() -> None:
    def listing() -> Iterator[tuple[Digest, int, datetime]]:
        yield Digest(seed("other")), 1, EPOCH
        raise TimeoutError

    with closing(filled(None)) as index:
        with pytest.raises(TimeoutError):
            index.keep_present(listing())
        assert index.find(CHUNK) == Known(RUN, PLACE, None)


def test_a_second_holder_neither_sees_nor_changes_the_first_ones_rows(path: Path) -> None:
    with closing(filled(path)) as first, closing(LaneIndex(path)) as second:
        assert second.find(CHUNK) is None
        fill(second)
        second.keep_present([])
        assert first.find(CHUNK) == Known(RUN, PLACE, None)
    with closing(LaneIndex(path)) as third:
        assert third.find(CHUNK) == Known(RUN, PLACE, None)


def test_a_file_that_is_none_of_ours_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    for content in (b"not a database " * 1_000, b"SQLite format 3\0" + b"\xff" * 8_000):
        path.write_bytes(content)
        with closing(filled(path)) as index:
            assert index.find(CHUNK)
        with closing(LaneIndex(path)) as index:
            assert index.find(CHUNK)


def test_tables_of_another_version_are_replaced(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table chunk (id blob primary key, run blob)")
        connection.commit()
    with closing(filled(path)) as index:
        assert index.find(CHUNK)


def test_a_directory_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with closing(filled(tmp_path / "file" / "lane.index")) as index:
        assert index.find(CHUNK) == Known(RUN, PLACE, None)


def test_a_row_in_which_a_bit_flipped_is_unknown_and_the_file_is_thrown_away(path: Path) -> None:
    with closing(filled(path)):
        pass
    raw = path.read_bytes()
    at = raw.index(PLACE.encode()) + 7
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
    with closing(LaneIndex(path)) as index:
        assert index.find(CHUNK) is None
    assert not path.exists()


@contextmanager
def full_disk(room_bytes: int) -> Iterator[None]:
    """No file of this process can grow beyond ``room_bytes``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def repository() -> Repository:
    return Household().create(MemoryStore(ManualClock()))


@pytest.mark.parametrize("room_bytes", [0, 5_000, 10_000, 20_000, 40_000])
def test_a_disk_that_is_full_when_the_run_begins_does_not_keep_it_from_running(
    repository: Repository, path: Path, room_bytes: int
) -> None:
    back_up(repository, STREAMS, cache=path.parent, random_bytes=counting_random("first"))
    with full_disk(room_bytes):
        committed = back_up(repository, STREAMS, cache=path.parent, random_bytes=counting_random("second"))
    assert committed.totals.new_chunks == 0  # all was learned again without the file


def test_a_disk_that_fills_while_the_run_goes_on_does_not_break_it(repository: Repository, path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        back_up(
            repository,
            STREAMS,
            cache=path.parent,
            random_bytes=counting_random("first"),
            before_commit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard)),
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(path.parent.iterdir()) == []
    committed = back_up(repository, STREAMS, cache=path.parent, random_bytes=counting_random("second"))
    assert committed.totals.new_chunks == 0
    assert [read_back(repository, one) for one in snapshots(repository)] == [STREAMS, STREAMS]


@pytest.mark.parametrize(("days", "share"), [(300, 0.0), (335, 0.5), (366, 1.0)])
def test_chunks_are_stored_afresh_within_twelve_months_and_not_all_in_one_night(days: int, share: float) -> None:
    entries = tuple(
        IndexEntry(chunk_id=ChunkId(seed(f"{number}")), kind=KIND_CHUNK, plain_length=900, place=PLACE)
        for number in range(400)
    )
    with closing(LaneIndex(None)) as index:
        index.add_segment("a", RUN, replace(segment(), entries=entries))
        index.assume_present()
        index.keep_present([(PACK.digest, PACK.size_bytes, EPOCH)])
        index.keep_listed(RUN, [PACK])
        index.renew_old(EPOCH + timedelta(days=days))
        unknown = sum(index.find(entry.chunk_id) is None for entry in entries)
    assert abs(unknown / len(entries) - share) < 0.1


def test_what_was_stored_afresh_is_known_again_whatever_becomes_of_the_cache(tmp_path: Path) -> None:
    clock = ManualClock()
    repository = Household().create(MemoryStore(clock))
    back_up(repository, STREAMS, cache=tmp_path / "a", random_bytes=counting_random("first"), clock=clock)
    clock.sleep(400 * 86_400)
    again = back_up(repository, STREAMS, cache=tmp_path / "a", random_bytes=counting_random("second"), clock=clock)
    assert again.totals.known_chunks == 0
    clock.sleep(86_400)
    for cache in ("a", "b"):
        later = back_up(repository, STREAMS, cache=tmp_path / cache, random_bytes=counting_random(cache), clock=clock)
        assert later.totals.new_chunks == 0
    assert [read_back(repository, one) for one in snapshots(repository)] == [STREAMS] * 4


def test_the_hosts_clock_renews_nothing(tmp_path: Path) -> None:
    repository = Household().create(MemoryStore(ManualClock()))
    back_up(repository, STREAMS, random_bytes=counting_random("first"))
    wrong = ManualClock(EPOCH + timedelta(days=4_000))
    assert back_up(repository, STREAMS, random_bytes=counting_random("second"), clock=wrong).totals.new_chunks == 0


def test_a_snapshot_needs_only_so_many_runs() -> None:
    needs = NeedsCollector(RUN, most_runs=3)
    runs = [RunId(seed(f"run {number}")[:16]) for number in range(5)]
    assert [needs.admits(run) for run in (*runs, RUN, *runs)] == [
        True,
        True,
        *[False] * 3,
        True,
        True,
        True,
        *[False] * 3,
    ]

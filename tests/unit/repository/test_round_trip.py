"""What was stored comes back; what is unchanged costs nothing."""

from __future__ import annotations

import random
from pathlib import Path

from drorch.storage.memory import MemoryStore
from tests.support.repositories import Household, ManualClock, back_up, counting_random, read_back, snapshots


def _streams(rows: int = 30_000) -> dict[str, bytes]:
    rng = random.Random(7)
    table = b"".join(b"%d\tNguy\xe1\xbb\x85n\t%d\n" % (n, rng.randrange(10**9)) for n in range(rows))
    noise = rng.randbytes(5_000_000)
    return {"schema": b"create table", "table/a": table, "table/empty": b"", "table/noise": noise, "table/z": b"z" * 70}


def test_every_stream_comes_back_from_the_bucket_and_one_key() -> None:
    repository = Household().create(MemoryStore(ManualClock()))
    streams = _streams()
    committed = back_up(repository, streams)
    (snapshot,) = snapshots(repository)
    assert snapshot.link.manifest.run == committed.run
    assert read_back(repository, snapshot) == streams


def test_an_unchanged_second_run_stores_a_few_small_objects(tmp_path: Path) -> None:
    store = MemoryStore(ManualClock())
    repository = Household().create(store)
    streams, random_bytes = _streams(), counting_random()
    founding = sum(stat.size_bytes for stat in store.list_objects(""))
    first = back_up(repository, streams, cache=tmp_path, random_bytes=random_bytes)
    assert sum(stat.size_bytes for stat in store.list_objects("")) - founding == first.bytes_stored
    before = {stat.name: stat.size_bytes for stat in store.list_objects("")}
    committed = back_up(repository, streams, cache=tmp_path, random_bytes=random_bytes)
    added = {stat.name: stat.size_bytes for stat in store.list_objects("") if stat.name not in before}
    assert len(added) == committed.objects_stored <= 8
    assert sum(added.values()) == committed.bytes_stored <= 64_000
    assert [read_back(repository, snapshot) for snapshot in snapshots(repository)] == [streams, streams]


def test_a_lost_cache_is_filled_again_from_the_store(tmp_path: Path) -> None:
    repository = Household().create(MemoryStore(ManualClock()))
    streams, random_bytes = _streams(), counting_random()
    back_up(repository, streams, cache=tmp_path / "one", random_bytes=random_bytes)
    committed = back_up(repository, streams, cache=tmp_path / "two", random_bytes=random_bytes)
    assert committed.totals.new_chunks == 0


def test_a_change_stores_what_changed() -> None:
    repository = Household().create(MemoryStore(ManualClock()))
    streams, random_bytes = _streams(), counting_random()
    back_up(repository, streams, random_bytes=random_bytes)
    changed = {**streams, "table/z": b"y" * 70}
    committed = back_up(repository, changed, random_bytes=random_bytes)
    assert 0 < committed.totals.new_bytes < 5_000
    assert read_back(repository, snapshots(repository)[1]) == changed

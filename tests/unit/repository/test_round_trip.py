"""What was stored comes back; what is unchanged costs nothing."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from drorch.format.compression import encode_chunk
from drorch.ids import RunId
from drorch.repository.beginning import RunPlace, begin_run
from drorch.repository.busy import Stage
from drorch.repository.containers import MOST_WAITING_BYTES
from drorch.repository.packing import Shipper
from drorch.repository.reader import SnapshotReader
from drorch.repository.run_parts import StreamToStore
from drorch.repository.writer import RunWriter
from drorch.storage.interface import Bytes
from drorch.storage.memory import MemoryStore
from tests.support.repositories import Household, ManualClock, back_up, counting_random, read_back, snapshots, summary


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
    assert len(added) == committed.objects_stored == 3
    assert sum(added.values()) == committed.bytes_stored <= 32_000
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


def test_small_streams_do_not_pile_up_behind_one_that_is_slow() -> None:
    """The first stream comes last: what waits for it is bounded, the rest gets trees of its own; all comes back."""
    repository = Household().create(MemoryStore(ManualClock()))
    noise = random.Random(1)
    contents = {f"{number:03}": noise.randbytes(60_000) for number in range(200)}
    clock, random_bytes = ManualClock(), counting_random()
    material = begin_run(
        repository,
        Household().host,
        RunPlace(source="land"),
        run=RunId(random_bytes(16)),
        cache=None,
        clock=clock,
        random_bytes=random_bytes,
    )
    writer = RunWriter(material, clock=clock, random_bytes=random_bytes, compression_level=1, seal_threads=1)
    with closing(writer):
        for ordinal, (name, content) in [*list(enumerate(contents.items()))[1:], (0, ("000", contents["000"]))]:
            stream = StreamToStore(
                ordinal=ordinal, name=name, kind=2, row_format=0, canonical_columns={}, attributes={}
            )
            writer.store(stream, [content])
        writer.commit(summary())
    (snapshot,) = snapshots(repository)
    with closing(SnapshotReader(repository, snapshot.link, [Household().custodian])) as reader:
        entries = list(reader.entries())
    waited = sum(entry.size_bytes for entry in entries if entry.contained is not None)
    assert waited < MOST_WAITING_BYTES + 200_000
    assert any(entry.tree is not None for entry in entries)
    assert read_back(repository, snapshot) == contents


@pytest.mark.parametrize(("is_fixed", "is_behind"), [(True, True), (False, False), (False, True)])
def test_chunks_are_compressed_harder_only_while_the_stores_are_behind(
    monkeypatch: pytest.MonkeyPatch, *, is_fixed: bool, is_behind: bool
) -> None:
    asked: list[int] = []

    def encode(plain: Bytes, level: int) -> tuple[int, Bytes]:
        asked.append(level)
        return encode_chunk(plain, level)

    monkeypatch.setattr("drorch.repository.sealing.encode_chunk", encode)
    monkeypatch.setattr(Shipper, "is_behind", is_behind)
    repository, clock, random_bytes = Household().create(MemoryStore(ManualClock())), ManualClock(), counting_random()
    material = begin_run(
        repository, Household().host, RunPlace(source="land"), run=RunId(random_bytes(16)), cache=None, clock=clock,
        random_bytes=random_bytes,
    )  # fmt: skip
    writer = RunWriter(
        material, clock=clock, random_bytes=random_bytes, compression_level=1, seal_threads=1, is_level_fixed=is_fixed
    )
    table = _streams()["table/a"]
    with closing(writer):
        stream = StreamToStore(ordinal=0, name="table/a", kind=2, row_format=0, canonical_columns={}, attributes={})
        writer.store(stream, [table])
        committed = writer.commit(summary())
    assert set(asked) == {6 if is_behind and not is_fixed else 1}
    assert read_back(repository, snapshots(repository)[0]) == {"table/a": table}
    assert [one.seconds >= 0 for one in committed.stage_times] == [True] * len(Stage)

"""A store that takes nothing for a while, or next to nothing: the source is read no faster than the store takes, and nothing is lost."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from drorch.ids import RunId
from drorch.repository.beginning import RunPlace, begin_run
from drorch.repository.busy import Stage
from drorch.repository.packing import PACK_TARGET_BYTES, UPLOADS
from drorch.repository.replicas import Replicas
from drorch.repository.run_parts import StreamToStore
from drorch.repository.writer import RunWriter
from drorch.storage.memory import MemoryStore
from tests.support.repositories import Household, ManualClock, counting_random, read_back, snapshots, summary

PIECE_BYTES = 2**20
PIECES = 160
STEADY_LOOKS = 10


def test_the_source_waits_for_a_store_that_takes_nothing_and_all_of_it_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taking = threading.Event()
    put_pack = Replicas.put_pack

    def slow(replicas: Replicas, name: str, content: bytes) -> None:
        assert taking.wait(60)
        put_pack(replicas, name, content)

    monkeypatch.setattr(Replicas, "put_pack", slow)
    repository, clock, random_bytes = Household().create(MemoryStore(ManualClock())), ManualClock(), counting_random()
    noise = random.Random(1).randbytes(PIECE_BYTES * PIECES)
    asked = 0

    def pieces() -> Iterator[bytes]:
        nonlocal asked
        for start in range(0, len(noise), PIECE_BYTES):
            asked += 1
            yield noise[start : start + PIECE_BYTES]

    material = begin_run(
        repository, Household().host, RunPlace(source="land"), run=RunId(random_bytes(16)), cache=None, clock=clock,
        random_bytes=random_bytes,
    )  # fmt: skip
    writer = RunWriter(material, clock=clock, random_bytes=random_bytes, compression_level=1, seal_threads=1)
    with closing(writer):
        stream = StreamToStore(ordinal=0, name="table/a", kind=2, row_format=0, canonical_columns={}, attributes={})
        reading = threading.Thread(target=writer.store, args=(stream, pieces()))
        reading.start()
        seen: list[int] = []

        def is_steady() -> bool:
            seen.append(asked)
            return asked > UPLOADS and len(seen) > STEADY_LOOKS and len(set(seen[-STEADY_LOOKS:])) == 1

        for _ in range(1_200):  # a minute at most
            if is_steady():
                break
            taking.wait(0.05)
        held = asked * PIECE_BYTES
        taking.set()
        reading.join(60)
        committed = writer.commit(summary())
    assert held <= (UPLOADS + 2) * (PACK_TARGET_BYTES + 4 * PIECE_BYTES) + 16 * PIECE_BYTES < len(noise)
    assert asked == PIECES
    assert read_back(repository, snapshots(repository)[0]) == {"table/a": noise}
    assert {one.stage for one in committed.stage_times} == set(Stage)

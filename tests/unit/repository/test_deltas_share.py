"""A base cache that holds a part of the bases: it serves that part of the chunks, today and every day after."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from drorch.format.compression import CODEC_DELTA, CODEC_PLAIN, compress
from drorch.format.index import IndexEntry
from drorch.format.record import KIND_CHUNK, NO_CHUNK, RecordContext, RecordHeader, chunk_id
from drorch.format.tree import Place
from drorch.ids import LaneId, RepositoryId, RunId
from drorch.repository.base_cache import CacheKeys
from drorch.repository.deltas import BaseRoom, Plan, open_deltas
from drorch.repository.index import LaneIndex
from drorch.repository.needs import NeedsCollector

CHUNKS = 200
CHUNK_BYTES = 40_000
KEY = bytes(32)
RUN = RunId(bytes(16))


class Lane:
    """Chunks without rows and packs: every chunk changes a little every day."""

    def __init__(self, directory: Path, room_bytes: int) -> None:
        self.room = BaseRoom(directory=directory, limit_bytes=room_bytes)
        self.index = LaneIndex(None)
        self.dice = random.Random(5)
        self.chunks = [bytearray(self.dice.randbytes(CHUNK_BYTES)) for _ in range(CHUNKS)]

    def next_day(self) -> float:
        """Change every chunk and store it; return which part of them became deltas."""
        for chunk in self.chunks:
            at = self.dice.randrange(CHUNK_BYTES - 16)
            chunk[at : at + 16] = self.dice.randbytes(16)
        return self.back_up()

    def back_up(self) -> float:
        keys = CacheKeys(
            cache_key=KEY, chunk_id_key=KEY, context=RecordContext(RepositoryId(KEY[:16]), LaneId(KEY[:16]), RUN)
        )
        needs = NeedsCollector(RUN)
        deltas = open_deltas(self.room, "lane", keys, self.index, needs, seed=1, random_bytes=self.dice.randbytes)
        assert deltas is not None
        made = 0
        for chunk in map(bytes, self.chunks):
            plan = deltas.plan(chunk_id(KEY, KIND_CHUNK, chunk), chunk)
            header, content = encoded(chunk, plan)
            cached_bytes = deltas.keep(plan, header, content)
            base = None if plan.base is None else plan.base.anchor.identity
            self.index.add_fresh(IndexEntry(header.chunk_id, KIND_CHUNK, len(chunk), Place(0, 1, 1), base=base), RUN)
            deltas.stored(plan, header, content, cached_bytes)
            made += base is not None
        deltas.committed()
        deltas.close()
        return made / CHUNKS

    def held(self) -> int:
        return sum(path.stat().st_size for path in self.room.directory.glob("*.bases/*/*"))


def encoded(chunk: bytes, plan: Plan) -> tuple[RecordHeader, bytes]:
    identity = chunk_id(KEY, KIND_CHUNK, chunk)
    if plan.base is None:
        return RecordHeader(kind=KIND_CHUNK, codec=CODEC_PLAIN, plain_length=len(chunk), chunk_id=identity), chunk
    header = RecordHeader(
        kind=KIND_CHUNK,
        codec=CODEC_DELTA,
        plain_length=len(chunk),
        chunk_id=identity,
        base_id=plan.base.anchor.identity,
    )
    assert header.base_id != NO_CHUNK
    return header, compress(chunk, 1, plan.base.plain)


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_a_cache_of_a_part_of_the_bases_serves_that_part_day_after_day(tmp_path: Path, share: float) -> None:
    lane = Lane(tmp_path, round(CHUNKS * CHUNK_BYTES * (share + 0.01)))
    assert lane.back_up() == 0
    assert share * 0.9 < lane.held() / (CHUNKS * CHUNK_BYTES) <= share + 0.01
    served = [lane.next_day() for _ in range(3)]
    assert all(0.8 * share <= one <= 1.2 * share for one in served), served
    assert lane.held() <= lane.room.limit_bytes


def test_more_room_is_used_from_the_next_day_on(tmp_path: Path) -> None:
    lane = Lane(tmp_path, CHUNKS * CHUNK_BYTES // 4)
    lane.back_up()
    lane.room = BaseRoom(directory=tmp_path, limit_bytes=2 * CHUNKS * CHUNK_BYTES)
    assert lane.next_day() < 0.3
    assert lane.next_day() > 0.95

"""What lies on the writer's disk after two runs, searched by the custodian who knows what must not be there."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from pathlib import Path

from drorch.format.keys import LaneKeys, lane_for
from drorch.format.record import RecordContext
from drorch.ids import ChunkId, RunId
from drorch.repository.base_cache import BaseCache, CacheKeys
from drorch.repository.listing import list_lanes
from drorch.storage.filesystem import FilesystemStore
from tests.support.register import Register
from tests.support.repositories import Household, back_up, counting_random, seed
from tools import recover

MARKER = "Nguyễn Thị Bích Ngọc, số định danh 079200000001".encode()


def test_the_caches_hold_no_run_key_and_no_content(tmp_path: Path) -> None:
    store, cache = tmp_path / "store", tmp_path / "cache"
    store.mkdir()
    cache.mkdir()
    repository = Household().create(FilesystemStore(store))
    content = random.Random(1).randbytes(3_000_000)
    for day in (1, 2):
        streams = {"table/parcel": content + MARKER * 99, "table/owner": MARKER + b"%d" % day}
        back_up(repository, streams, cache=cache, random_bytes=counting_random(f"day {day}"))
    kept = {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}
    assert sum(map(len, kept.values())) > 1000  # there is something to search
    assert not [path for path, raw in kept.items() if MARKER in raw or content[100_000:100_032] in raw]

    _assert_no_run_key(store, kept)


def test_the_base_cache_is_sealed_with_a_key_of_the_host(tmp_path: Path) -> None:
    """What a thief of the disk gets without the host's key: nothing. With it, the cached chunks: docs/THREAT_MODEL.md says so."""
    store, cache = tmp_path / "store", tmp_path / "cache"
    store.mkdir()
    repository = Household().create(FilesystemStore(store))
    register = Register()
    for day in (1, 2):
        streams = {"table/parcel": register.stream() + MARKER * 9}
        back_up(repository, streams, cache=cache, base_limit_bytes=10**9, random_bytes=counting_random(f"day {day}"))
        register.update()
    kept = {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}
    bases = [path for path in kept if path.parent.parent.suffix == ".bases"]
    assert bases
    rows = register.stream().split(b"\n")
    assert not [path for path, raw in kept.items() if MARKER in raw or any(row[:60] in raw for row in rows[:200:10])]
    _assert_no_run_key(store, kept)

    (lane,) = list_lanes(repository)
    host = Household().host
    found, secret = lane_for(host.signing_key().key_id, host.lane_master, "land", 0)
    assert found == lane
    made, context = LaneKeys.derive(secret), RecordContext(repository.trust.repository, lane, RunId(bytes(16)))
    keys = CacheKeys(cache_key=made.cache_key, chunk_id_key=made.chunk_id_key, context=context)
    opened = BaseCache(bases[0].parent.parent, keys, counting_random())
    assert any(opened.plain(ChunkId(bytes.fromhex(path.name))) for path in bases), "the claim would be empty"


def _assert_no_run_key(store: Path, kept: Mapping[Path, bytes]) -> None:
    trust = recover.Trust(recover.Store(store), hashlib.sha256((store / "trust/0").read_bytes()).digest())
    custodian = recover.Recipient(seed("test custodian"))
    (name,) = [path.name for path in (store / "l").iterdir()]
    lane = recover.Lane(recover.Store(store), trust, custodian, bytes.fromhex(name), past_damage=False)
    run_keys = [lane.keys_of(snapshot.run).key for snapshot in lane.snapshots]
    assert len(set(run_keys)) == 2
    for key in run_keys:
        assert not [path for path, raw in kept.items() if key in raw or key.hex().encode() in raw]

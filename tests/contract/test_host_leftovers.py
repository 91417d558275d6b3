"""What lies on the writer's disk after two runs, searched by the custodian who knows what must not be there."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from drorch.storage.filesystem import FilesystemStore
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

    trust = recover.Trust(recover.Store(store), hashlib.sha256((store / "trust/0").read_bytes()).digest())
    custodian = recover.Recipient(seed("test custodian"))
    (name,) = [path.name for path in (store / "l").iterdir()]
    lane = recover.Lane(recover.Store(store), trust, custodian, bytes.fromhex(name), past_damage=False)
    run_keys = [lane.keys_of(snapshot.run).key for snapshot in lane.snapshots]
    assert len(set(run_keys)) == 2
    for key in run_keys:
        assert not [path for path, raw in kept.items() if key in raw or key.hex().encode() in raw]

"""The base cache gives back what was put, whole and of this lane, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from drorch.format.compression import CODEC_DELTA, CODEC_ZSTD, compress
from drorch.format.record import KIND_CHUNK, NO_CHUNK, RecordContext, RecordHeader, chunk_id
from drorch.ids import ChunkId, LaneId, RepositoryId, RunId
from drorch.repository.base_cache import BaseCache, CacheKeys
from tests.support.repositories import counting_random, seed

CONTEXT = RecordContext(RepositoryId(bytes(16)), LaneId(bytes(16)), RunId(bytes(16)))
KEYS = CacheKeys(cache_key=seed("cache"), chunk_id_key=seed("ids"), context=CONTEXT)
FULL = b"Hai muoi hai thang muoi mot\n" * 2_000
LEAF = FULL.replace(b"muoi mot", b"muoi hai", 3)


def identity(plain: bytes) -> ChunkId:
    return chunk_id(KEYS.chunk_id_key, KIND_CHUNK, plain)


def put(cache: BaseCache, plain: bytes, base: bytes | None = None) -> int:
    header = RecordHeader(
        kind=KIND_CHUNK,
        codec=CODEC_ZSTD if base is None else CODEC_DELTA,
        plain_length=len(plain),
        chunk_id=identity(plain),
        base_id=NO_CHUNK if base is None else identity(base),
    )
    return cache.put(header, compress(plain, 1, base))


def opened(directory: Path, keys: CacheKeys = KEYS) -> BaseCache:
    return BaseCache(directory, keys, counting_random())


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_what_was_put_is_there_also_through_a_base(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    sizes = put(cache, FULL), put(cache, LEAF, FULL)
    assert sum(path.stat().st_size for path in files(tmp_path)) == sum(sizes)
    for again in (cache, opened(tmp_path)):
        assert again.plain(identity(FULL)) == FULL
        assert again.plain(identity(LEAF)) == LEAF


def test_nothing_of_it_can_be_read_from_the_disk(tmp_path: Path) -> None:
    put(opened(tmp_path), FULL)
    (path,) = files(tmp_path)
    assert b"muoi" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0
    assert (
        opened(tmp_path, CacheKeys(cache_key=seed("x"), chunk_id_key=KEYS.chunk_id_key, context=CONTEXT)).plain(
            identity(FULL)
        )
        is None
    )


@pytest.mark.parametrize("damage", ["a bit", "the end", "everything", "the file"])
def test_what_is_damaged_is_not_there(tmp_path: Path, damage: str) -> None:
    put(opened(tmp_path), FULL)
    (path,) = files(tmp_path)
    raw = path.read_bytes()
    changed = {"a bit": raw[:90] + bytes([raw[90] ^ 1]) + raw[91:], "the end": raw[:-1], "everything": b""}
    if damage == "the file":
        path.unlink()
    else:
        path.write_bytes(changed[damage])
    assert opened(tmp_path).plain(identity(FULL)) is None


def test_a_base_in_the_place_of_another_is_not_taken(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    put(cache, FULL)
    put(cache, LEAF)
    full, leaf = (tmp_path / identity(plain).raw.hex()[:2] / identity(plain).raw.hex() for plain in (FULL, LEAF))
    full.write_bytes(leaf.read_bytes())
    assert cache.plain(identity(FULL)) is None


def test_a_delta_whose_base_is_gone_is_gone_too(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    put(cache, FULL)
    put(cache, LEAF, FULL)
    cache.drop([identity(FULL)])
    assert opened(tmp_path).plain(identity(LEAF)) is None


def test_no_room_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "bases").write_bytes(b"a file where the directory should be")
    assert put(opened(tmp_path / "bases"), FULL) == 0

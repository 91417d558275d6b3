"""Where drorch may write: directories that nobody else can put something into, on disks with room."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from drorch.errors import NothingDone, SettingsInvalid
from drorch.operations.room import private_directory, require_room
from drorch.repository.cache_room import shrink_bases


def test_a_new_directory_is_for_this_account_only(tmp_path: Path) -> None:
    made = private_directory(tmp_path / "a" / "b", "cache")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert private_directory(made, "cache") == made


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_directory_in_which_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "open"
    path.mkdir()
    path.chmod(mode)
    with pytest.raises(SettingsInvalid, match="not safe") as caught:
        private_directory(path, "temporary")
    assert "directories: {temporary: ...}" in caught.value.hint


def test_a_link_counts_only_where_nobody_else_could_have_made_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    anybodys, ours = tmp_path / "tmp", tmp_path / "ours"
    for place in (anybodys, ours):
        place.mkdir()
        (place / "drorch").symlink_to(tmp_path / "real")
    anybodys.chmod(0o1777)
    assert private_directory(ours / "drorch", "temporary").is_dir()
    with pytest.raises(SettingsInvalid, match="not safe"):
        private_directory(anybodys / "drorch", "temporary")


def test_what_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SettingsInvalid, match="cannot be made"):
        private_directory(tmp_path / "file" / "cache", "cache")


def test_nothing_starts_on_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    free_percent = disk.f_bavail * 100 // disk.f_blocks
    directories = {"state": tmp_path / "not" / "there" / "yet"}
    require_room(directories, max(0, free_percent - 2))
    with pytest.raises(NothingDone, match="nearly full") as caught:
        require_room(directories, min(100, free_percent + 2))
    assert "keep_free" in caught.value.hint


def lane(cache: Path, name: str, sizes: Sequence[int]) -> Path:
    folder = cache / f"{name}.bases/ab"
    folder.mkdir(parents=True)
    for number, size in enumerate(sizes):
        (folder / f"ab{number}").write_bytes(b"x" * size)
    (cache / f"{name}.anchors").write_bytes(b"anchors")
    (cache / f"{name}.index").write_bytes(b"index")
    return folder.parent


def test_the_cache_shrinks_before_anything_is_refused(tmp_path: Path) -> None:
    cache = private_directory(tmp_path / "cache", "cache")
    small, big = lane(cache, "small", [10]), lane(cache, "big", [5_000, 5_000])
    disk = os.statvfs(tmp_path)
    free_percent = disk.f_bavail * 100 // disk.f_blocks
    require_room({"state": tmp_path, "cache": cache}, max(0, free_percent - 2))
    assert big.exists()
    with pytest.raises(NothingDone):  # the cache alone is not enough
        require_room({"state": tmp_path, "cache": cache}, min(100, free_percent + 2))
    assert not big.exists()
    assert not small.exists()
    assert sorted(path.name for path in cache.iterdir()) == ["big.index", "small.index"]


def test_no_more_is_removed_than_is_needed_and_the_biggest_goes_first(tmp_path: Path) -> None:
    cache = private_directory(tmp_path / "cache", "cache")
    small, big = lane(cache, "small", [10]), lane(cache, "big", [5_000, 5_000])
    assert shrink_bases(cache, 100) == 10_000
    assert not big.exists()
    assert small.exists()
    assert (cache / "small.anchors").exists()
    assert not (cache / "big.anchors").exists()


def test_a_cache_that_others_may_write_is_not_followed_anywhere(tmp_path: Path) -> None:
    elsewhere = lane(tmp_path / "elsewhere", "big", [5_000])
    cache = private_directory(tmp_path / "cache", "cache")
    (cache / "link.bases").symlink_to(elsewhere)
    assert shrink_bases(cache, 100) == 0
    open_to_all = lane(cache, "mine", [5_000])
    cache.chmod(0o777)
    assert shrink_bases(cache, 100) == 0
    assert elsewhere.exists()
    assert open_to_all.exists()


def test_a_cache_on_another_disk_is_left_alone(tmp_path: Path) -> None:
    cache = private_directory(tmp_path / "cache", "cache")
    big = lane(cache, "big", [5_000])
    with pytest.raises(NothingDone):
        require_room({"state": Path("/proc"), "cache": cache}, 1)  # a file system without any room
    assert big.exists()

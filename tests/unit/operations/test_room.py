"""Where drorch may write: directories that nobody else can put something into, on disks with room."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from drorch.errors import NothingDone, SettingsInvalid
from drorch.operations.room import private_directory, require_room


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

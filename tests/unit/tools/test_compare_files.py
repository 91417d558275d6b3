"""The independent comparer on trees of files: equal ones are equal, and every single mutation is seen and named."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.file_trees import NFC, NFD, compare, make_scans
from tools.compare import Verdict, compare_files


@pytest.fixture
def twins(tmp_path: Path) -> tuple[Path, Path]:
    """Two trees that are the same, links and times included."""
    make_scans(tmp_path / "one")
    subprocess.run(["cp", "--archive", str(tmp_path / "one"), str(tmp_path / "two")], check=True)
    return tmp_path / "one", tmp_path / "two"


def test_a_tree_and_its_copy_are_equal(twins: tuple[Path, Path]) -> None:
    assert compare(*twins) == (0, "equal: 15 names\n")


def keeping_time(path: Path, act: Callable[[Path], object]) -> None:
    status = path.stat()
    act(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def flip(path: Path) -> None:
    raw = path.read_bytes()
    keeping_time(path, lambda place: place.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1])))


def nanosecond(path: Path) -> None:
    status = path.lstat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1), follow_symlinks=False)


def separate(path: Path) -> None:
    keeping_time(path.parent, lambda _: (shutil.copy2(path, path.with_name("new")), path.with_name("new").rename(path)))


def relink(path: Path) -> None:
    status, parent = path.lstat(), path.parent.stat()
    path.unlink()
    path.symlink_to("/etc/shadow")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
    os.utime(path.parent, ns=(parent.st_atime_ns, parent.st_mtime_ns))


MUTATIONS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "one byte": (f"2024/Đức Trọng/{NFD}", flip, "bytes"),
    "one nanosecond of a file": ("không", nanosecond, "time"),
    "one nanosecond of a directory": ("trống", nanosecond, "time"),
    "one nanosecond of the tree": (".", nanosecond, "time"),
    "one nanosecond of a link": ("away", nanosecond, "time"),
    "one bit of a mode": ("không", lambda path: path.chmod(0o645), "mode"),
    "a set-gid bit": ("2024", lambda path: path.chmod(0o750), "mode"),
    "an attribute's value": ("trống", lambda path: os.setxattr(path, "user.empty", b"x"), "attributes"),
    "an attribute more": ("không", lambda path: os.setxattr(path, "user.more", b""), "attributes"),
    "an attribute less": ("trống", lambda path: os.removexattr(path, "user.empty"), "attributes"),
    "a link": ("away", relink, "says"),
    "a hard link": ("z sổ.txt", separate, "same file as"),
    "a name's normal form": (
        f"2024/Đức Trọng/{NFC}",
        lambda path: keeping_time(path.parent, lambda _: path.rename(path.with_name(f"{NFC}2"))),
        "only in the",
    ),
    "an empty directory": (
        "trống",
        lambda path: keeping_time(path.parent, lambda _: path.rmdir()),
        "only in the first",
    ),
    "a file more": (".", lambda path: keeping_time(path, lambda _: (path / "more").touch()), "only in the second"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_mutation_is_seen(twins: tuple[Path, Path], mutation: str) -> None:
    name, act, words = MUTATIONS[mutation]
    act(twins[1] / name)
    code, said = compare(*twins)
    assert code == 1
    assert words in said
    if words != "only in the":
        assert said.startswith("different: 1 difference\n")


def test_an_owner_is_seen(twins: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only root can give files away: here one says that it belongs to somebody else."""
    real, inode = os.lstat, (twins[1] / "không").lstat().st_ino

    def of_another(path):
        status = real(path)
        if status.st_ino != inode:
            return status
        values = [*status[:4], status.st_uid + 1, *status[5:]]
        return os.stat_result(values, {"st_mtime_ns": status.st_mtime_ns})

    monkeypatch.setattr("tools.compare.os.lstat", of_another)
    verdict = Verdict()
    compare_files(*twins, verdict)
    assert len(verdict.differences) == 1
    assert "owner" in verdict.differences[0]


def test_what_is_no_directory_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert compare(tmp_path, tmp_path / "file")[0] == 2
    assert compare(tmp_path / "gone", tmp_path)[0] == 2

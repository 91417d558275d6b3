"""Trees of files through the real command line: as an office has them, partly unreadable."""

from __future__ import annotations

import os
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from tests.support.file_trees import NFC, NFD, compare, make_scans, scans_policy
from tests.support.installations import BARE, Custodian, Installation, new_installation

DENIED = """
import os
real = os.open
def denied(path, *args, **kwargs):
    if isinstance(path, bytes) and path.endswith("ảnh.jpg".encode()):
        raise PermissionError(13, "Permission denied")
    return real(path, *args, **kwargs)
os.open = denied
"""


@pytest.fixture
def archive(custodian: Custodian, tmp_path: Path) -> Installation:
    """An installation with one tree of scans beside it."""
    installation = new_installation(tmp_path / "etc", custodian, "disk=disk")
    make_scans(tmp_path / "scans")
    installation.policy("scans", scans_policy(tmp_path / "scans", exclude='["*.tmp", "Thumbs.db"]'))
    return installation


def backup(installation: Installation, *, expect: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    told = installation.drorch("backup", "scans", "--json", expect=expect, env=BARE | (env or {})).json()
    found: dict[str, Any] = told["snapshots"][0]
    return found


def test_scans_come_back_and_what_has_not_changed_is_not_read(archive: Installation, tmp_path: Path) -> None:
    tree, out = tmp_path / "scans", tmp_path / "out"
    time.sleep(2.1)  # what changed a moment before it is read is not taken for known the next time
    first = backup(archive)
    assert first["tables"] == 8
    second = backup(archive)
    assert second["bytes_read"] < 6_000 < first["bytes_read"]  # the listing alone
    assert second["bytes_stored"] < 200_000
    assert second["objects_stored"] < 60
    (tree / "2024/Đức Trọng/ảnh.jpg").write_bytes(b"\xff\xd8\xff\xe0 scanned again")
    (tree / "skipped.tmp").touch()
    third = backup(archive)
    assert third["bytes_read"] < 6_000
    (tree / "skipped.tmp").unlink()
    os.utime(tree, ns=(0, 0))
    archive.drorch("backup", "scans", "--quiet")
    plan = archive.restore("latest:scans", f"files://{out}", "--plan")
    plan.told("in 8 files", "Nothing stands in the way")
    done = archive.restore("latest:scans", f"files://{out}")
    done.told("OK", "8 of 8 files, every byte as at backup")
    for answer in (plan, done):
        answer.fits()
    assert compare(tree, out) == (0, "equal: 15 names\n")
    assert archive.drorch("verify", "--read-data", "100", *archive.custodian.opens).code == 0


def test_one_file_comes_back_however_its_accents_are_typed(archive: Installation, tmp_path: Path) -> None:
    backup(archive)
    typed = unicodedata.normalize("NFC", NFD)
    words = ("--path", f"/2024/*/{typed}", "--path", "trống/", "--json")
    told = archive.restore("latest:scans", f"files://{tmp_path}/part", *words).json()
    found = [path for path in (tmp_path / "part").rglob("*") if not path.is_dir()]
    assert {path.name for path in found} == {NFC, NFD}
    assert (told["tables"], told["bytes"]) == (len(found), sum(path.stat().st_size for path in found))
    assert (tmp_path / "part/trống").is_dir()
    refused = archive.restore("latest:scans", f"files://{tmp_path}/none", "--path", "*.docx", "--json", expect=70)
    assert "nothing in the snapshot fits" in refused.out + refused.err


def test_a_directory_in_use_is_replaced_and_kept(archive: Installation, tmp_path: Path) -> None:
    backup(archive)
    tree = tmp_path / "scans"
    (tree / "sổ.txt").unlink()
    (tree / "virus.exe").write_bytes(b"MZ")
    archive.restore("latest:scans", f"files://{tree}", expect=70).told("--replace", "not empty")
    done = archive.restore("latest:scans", f"files://{tree}", "--replace")
    done.told("the old directory is", "to go back:")
    (kept,) = tmp_path.glob("scans__before_*")
    assert (kept / "virus.exe").exists()
    assert (tree / "sổ.txt").read_text() == "sổ địa chính\n"
    assert not (tree / "virus.exe").exists()
    again = backup(archive)  # new inodes, new times of change: all is read, and nothing but a listing is new
    assert again["chunks"]["known"] > 0


def test_what_cannot_be_read_makes_a_snapshot_that_counts_for_nothing(archive: Installation, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(DENIED)
    denied = {"PYTHONPATH": str(tmp_path / "site")}
    never = backup(archive, expect=3, env=denied)
    assert never["state"] == "partial"
    assert never["incomplete"] == ["1 name could not be read"]
    archive.drorch("status").told("LATE", "no good snapshot yet", "1 name could not be read")
    archive.restore("latest:scans", f"files://{tmp_path}/out", expect=48).told("a complete snapshot of scans")
    good = backup(archive)
    os.utime(tmp_path / "scans/2024/Đức Trọng/ảnh.jpg", ns=(0, 0))
    partial = archive.drorch("backup", "scans", expect=3, env=BARE | denied)
    partial.told("scans PARTIAL", "NOT READ: 2024/Đức Trọng/ảnh.jpg (permission denied)")
    partial.fits()
    shown = archive.drorch("snapshots").out
    assert shown.count("scans (partial)") == 2
    status = archive.drorch("status", "--check", expect=3)
    status.told("FAILED", "the last run is partial", "1 name could not be read")
    assert archive.drorch("status", "--json").json()["sources"][0]["last_good_snapshot"] == good["snapshot"]
    archive.restore("latest:scans", f"files://{tmp_path}/out")
    assert (tmp_path / "out/2024/Đức Trọng/ảnh.jpg").exists()
    part = archive.restore(never["snapshot"], f"files://{tmp_path}/part")
    part.told(
        "the snapshot is partial", "no content in the snapshot: 2024/Đức Trọng/ảnh.jpg (unreadable: permission denied)"
    )
    assert not (tmp_path / "part/2024/Đức Trọng/ảnh.jpg").exists()
    archive.drorch("backup", "--failed")
    archive.drorch("status", "--check")


def test_a_tree_that_must_not_change_keeps_its_last_good_snapshot(archive: Installation, tmp_path: Path) -> None:
    tree = tmp_path / "scans"
    archive.policy("scans", scans_policy(tree, immutable="true"))
    good = backup(archive)
    (tree / "2024/Đức Trọng" / NFC).write_bytes(b"ENCRYPTED")
    told = backup(archive, expect=3)
    assert told["left_out"] == [{"kind": "immutable_broken", "names": [f"2024/Đức Trọng/{NFC} (changed)"]}]
    archive.restore("latest:scans", f"files://{tmp_path}/out")
    assert (tmp_path / "out/2024/Đức Trọng" / NFC).read_bytes().startswith(b"%PDF")
    assert archive.drorch("status", "--json").json()["sources"][0]["last_good_snapshot"] == good["snapshot"]


def test_the_cache_and_the_catalog_hold_no_name_of_a_file(archive: Installation) -> None:
    backup(archive)
    for path in (archive.base / "var").rglob("*"):
        if path.is_file():
            assert "Đức Trọng".encode() not in path.read_bytes(), path


def test_a_path_that_is_gone_or_goes_in_circles_stops_the_run(archive: Installation, tmp_path: Path) -> None:
    backup(archive)
    (tmp_path / "circle").symlink_to("circle")
    for path, words in ((tmp_path / "gone", "is the disk mounted?"), (tmp_path / "circle/x", "go in circles")):
        archive.policy("scans", scans_policy(path))
        archive.drorch("backup", "scans", expect=28).told(words, "the last good snapshot is")
        archive.drorch("doctor", "scans", expect=None).told(words)

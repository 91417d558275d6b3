"""A restored tree is compared name by name: every kind of change is seen and named; documents really open."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfWriter

from drorch.sources.files.opening import DocumentOpener
from drorch.sources.files.proof import FilesProof
from drorch.sources.interface import FilesCompared
from tests.support.file_trees import NFC, FileContent, Lab, make_scans

YEAR = "2024/Đức Trọng"


def flip(path: Path) -> None:
    """Change one byte and nothing else that can be seen from outside."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def split(path: Path) -> None:
    """Make two files of one with two names."""
    status, content = path.stat(), path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    path.chmod(status.st_mode & 0o7777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/shadow")


CHANGES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "one byte": (f"{YEAR}/{NFC}", flip, "sha256 "),
    "a mode": ("sổ.txt", lambda path: path.chmod(0o444), "mode 0444"),
    "a time": ("không", lambda path: os.utime(path, ns=(1, 1)), "time 1"),
    "an attribute": ("trống", lambda path: os.removexattr(path, "user.empty"), "attributes none"),
    "a link": ("away", relink, "target /etc/shadow"),
    "a hard link": ("z sổ.txt", split, "a file of its own"),
    "a file": (f"{YEAR}/ảnh.jpg", lambda path: path.unlink(), "nothing"),
    "a name more": ("thừa", lambda path: path.touch(), "a name more"),
}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    found = Lab(tmp_path)
    make_scans(found.tree)
    return found


def compared(lab: Lab, content: FileContent) -> FilesCompared:
    return FilesProof(lab.base).compare(content, os.fsencode(lab.base / "out"))


def test_a_tree_that_came_back_is_equal(lab: Lab) -> None:
    content = lab.capture()
    lab.restore(content)
    found = compared(lab, content)
    assert found.differences == ()
    assert (found.names, found.files) == (15, 8)
    assert NFC in {Path(name).name for name in FilesProof(lab.base).names(content)}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen_and_named(change: str, lab: Lab) -> None:
    name, alter, seen = CHANGES[change]
    content = lab.capture()
    lab.restore(content)
    alter(lab.base / "out" / name)
    told = {one.name: one.found for one in compared(lab, content).differences}
    assert told[name].startswith(seen), told
    beside = {str(Path(name).parent), "."}  # making and removing a name changes its directory's time
    assert set(told) - {name} <= beside, told


def test_documents_open_or_are_named(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.TIF", format="TIFF")
    Image.new("L", (20, 20)).save(tmp_path / "ảnh.jpeg")
    document = PdfWriter()
    document.add_blank_page(100, 100)
    with (tmp_path / "b.pdf").open("wb") as file:
        document.write(file)
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.7 cut short")
    (tmp_path / "d.tiff").write_bytes((tmp_path / "a.TIF").read_bytes()[:-900])
    (tmp_path / "e.csv").write_text("no document")
    (tmp_path / "f.jpg").symlink_to("/dev/zero")
    found = DocumentOpener().open_all(os.fsencode(tmp_path))
    assert dict(found.by_form) == {"TIFF": 2, "JPEG": 1, "PDF": 2}
    assert [one.name for one in found.broken] == ["c.pdf", "d.tiff"]
    assert [one.expected for one in found.broken] == ["a PDF that opens", "a TIFF that opens"]

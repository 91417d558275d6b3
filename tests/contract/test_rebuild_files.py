"""What the independent reader and ``tools/rebuild.py`` make of a snapshot of files, without any code of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contract.test_recover_rebuild import restored
from tests.support.file_trees import FileContent, Lab, compare, make_scans
from tools import rebuild


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    found = Lab(tmp_path)
    make_scans(found.tree)
    return found


def test_a_tree_is_rebuilt_equal(lab: Lab) -> None:
    lab.capture()
    (lab.tree / "mới.pdf").write_bytes(b"%PDF new")  # so that contents of two runs are needed
    out = restored(lab.capture(), lab.base / "made")
    assert compare(lab.tree, out / "tree") == (0, "equal: 16 names\n")


def rebuilt(content: FileContent, directory: Path) -> int:
    """Lay streams down as the reader does, and rebuild."""
    directory.mkdir()
    facts = {"facts": dict(content.facts)}
    (directory / "facts.json").write_text(json.dumps(facts))
    lines = []
    for number, (name, (_, raw)) in enumerate(content.stored.items()):
        (directory / str(number)).write_bytes(raw)
        lines.append(json.dumps({"name": name, "file": str(number)}))
    (directory / "streams.jsonl").write_text("\n".join(lines))
    return rebuild.main([str(directory)])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"path":"trống"', '"path":"../escaped"'),
        ('"path":"trống"', '"path":"/escaped"'),
        ('"path":"sổ.txt"', '"path":"link/escaped"'),
        ('"same_as":"sổ.txt"', '"same_as":"../../escaped"'),
        ('"same_as":"sổ.txt"', '"same_as":"link/x"'),
        ('"same_as":"sổ.txt"', '"same_as":"/etc/passwd"'),
        ('"sha256":"', '"sha256":"0'),
    ],
)
def test_what_leads_elsewhere_or_is_damaged_is_refused(lab: Lab, old: str, new: str) -> None:
    content = lab.capture()
    listing = content.bytes_of("listing")
    ascii_old, ascii_new = (json.dumps(text)[1:-1].replace('\\"', '"').encode() for text in (old, new))
    assert ascii_old in listing
    assert rebuilt(content.forge(listing.replace(ascii_old, ascii_new, 1)), lab.base / "made") == 1
    assert not list(lab.base.parent.glob("**/escaped"))
    assert not Path("/escaped").exists()

"""What the independent reader and ``tools/rebuild.py`` make of a snapshot of files, without any code of ours."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from drorch.ids import Digest, RunId
from drorch.operations import back_up
from drorch.repository.beginning import RunPlace, begin_run
from drorch.repository.checker import CheckRequest, check
from drorch.repository.data_checker import Depth
from drorch.repository.opening import Repository
from drorch.repository.writer import RunWriter
from drorch.storage.filesystem import FilesystemStore
from tests.contract.test_both_readers import recovered
from tests.contract.test_recover_rebuild import restored
from tests.support.file_trees import FileContent, Lab, compare, make_scans
from tests.support.repositories import Household, counting_random, seed
from tests.support.taken_snapshot import SilentObserver
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


def test_what_drorch_carries_over_the_independent_reader_restores(lab: Lab) -> None:
    """Three runs of the whole way, of which the last refers to contents of the first two; then the store and one key."""
    (lab.base / "store").mkdir()
    household = Household()
    repository = household.create(FilesystemStore(lab.base / "store"))
    random_bytes = counting_random()
    taken = [run_once(lab, household, repository, random_bytes)]
    (lab.tree / "mới.pdf").write_bytes(b"%PDF new" * 40_000)
    taken.append(run_once(lab, household, repository, random_bytes))
    (lab.tree / "mới hơn.pdf").write_bytes(b"%PDF newer")
    taken.append(run_once(lab, household, repository, random_bytes))
    assert [report.facts["unchanged_files"] for report in taken] == [0, 6, 7]
    assert taken[2].bytes_read < 5_000
    trust = hashlib.sha256((lab.base / "store/trust/0").read_bytes()).hexdigest()
    last = str(taken[2].snapshot.run)
    recovered(lab.base / "store", last, seed("test custodian"), trust, lab.base / "back")
    assert rebuild.main([str(lab.base / "back")]) == 0
    assert compare(lab.tree, lab.base / "back/tree") == (0, "equal: 17 names\n")
    request = CheckRequest(depth=Depth(recipients=(household.custodian,)))
    assert check(repository, request).errors == ()


def run_once(lab: Lab, household: Household, repository: Repository, random_bytes: Any) -> back_up.BackupReport:
    """Back the tree up as the command does, without a catalog."""

    def begin() -> RunWriter:
        material = begin_run(
            repository,
            household.host,
            RunPlace(source="scans"),
            run=RunId(random_bytes(16)),
            cache=lab.base / "cache",
            clock=lab.clock,
            random_bytes=random_bytes,
        )
        return RunWriter(material, clock=lab.clock, random_bytes=random_bytes, compression_level=1, seal_threads=1)

    return back_up.run(
        source_name="scans",
        source=lab.source(reread_within=1_000_000),
        probes={},
        begin_run=begin,
        policy_digest=Digest(bytes(32)),
        slot=None,
        clock=lab.clock,
        observer=SilentObserver(),
    )


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

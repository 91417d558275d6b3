"""A tree comes back as it was, judged by code that is not ours; nothing is written outside of it, whatever a listing says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from drorch.errors import DecisionNeeded, DrorchError, IntegrityError, RestoreDiffers, TargetError, UsageInvalid
from drorch.sources.files import replacement
from drorch.sources.files.target import parse_location
from drorch.sources.interface import Level, RestoreChoices
from tests.support.file_trees import (
    NFC,
    NFD,
    FileContent,
    Lab,
    anybodys_directory,
    as_nobody,
    compare,
    make_scans,
)
from tests.support.taken_snapshot import names_in

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEPT = "out__before_20261122_1200"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    found = Lab(tmp_path)
    make_scans(found.tree)
    return found


@pytest.fixture
def content(lab: Lab) -> FileContent:
    return lab.capture()


@pytest.fixture
def open_ground() -> Iterator[Path]:
    yield from anybodys_directory()


def stops(lab: Lab, content: FileContent, name: str = "out", **choices: Any) -> list[str]:
    found = lab.target(name).preflight(content, RestoreChoices(**choices))
    return [finding.text for finding in found if finding.level is Level.STOP]


# -- the whole tree


def test_a_tree_comes_back_equal(lab: Lab, content: FileContent) -> None:
    outcome = lab.restore(content)
    assert compare(lab.tree, lab.base / "out") == (0, "equal: 15 names\n")
    assert (outcome.tables, outcome.not_as_before, outcome.lines) == (8, (), ())
    assert names_in(lab.base) == ["out", "source.files", "tree"]


def test_it_comes_back_equal_into_an_empty_directory_and_where_a_disk_is_mounted(
    lab: Lab, content: FileContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab.base / "out").mkdir()
    lab.restore(content)
    assert compare(lab.tree, lab.base / "out")[0] == 0
    (lab.base / "disk").mkdir()
    (lab.base / "disk" / "lost+found").mkdir()
    monkeypatch.setattr("drorch.sources.files.target.os.path.ismount", lambda path: path.endswith(b"disk"))
    inode = (lab.base / "disk").stat().st_ino
    lab.restore(content, "disk")
    assert (lab.base / "disk").stat().st_ino == inode
    (lab.base / "disk" / "lost+found").rmdir()
    os.utime(lab.base / "disk", ns=(0, lab.tree.stat().st_mtime_ns))
    assert compare(lab.tree, lab.base / "disk")[0] == 0


def test_a_second_snapshot_with_carried_contents_comes_back_equal(lab: Lab, content: FileContent) -> None:
    (lab.tree / "2024/Đức Trọng/ảnh.jpg").write_bytes(b"\xff\xd8 another")
    (lab.tree / "sổ.txt").unlink()  # the first of two names
    lab.restore(lab.capture())
    assert compare(lab.tree, lab.base / "out")[0] == 0


def test_holes_come_back_as_holes(lab: Lab) -> None:
    path = lab.tree / "disk.img"
    with path.open("wb") as file:
        file.seek(3_000_001)
        file.write(b"in the middle")
        file.truncate(9_000_000)
    for name in ("first", "second"):  # read, and carried
        content = lab.capture(reread_within=1_000_000)
        assert content.lines[b"disk.img"].is_sparse
        lab.restore(content, name)
        assert (lab.base / name / "disk.img").read_bytes() == path.read_bytes()
        assert (lab.base / name / "disk.img").stat().st_blocks <= 64


def test_contents_are_asked_for_in_long_stretches(lab: Lab, content: FileContent) -> None:
    lab.restore(content)
    assert len(content.ranges) == 1


# -- parts


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("*.jpg",), {"2024", "2024/Đức Trọng", "2024/Đức Trọng/ảnh.jpg"}),
        ((NFD,), {"2024", "2024/Đức Trọng", f"2024/Đức Trọng/{NFC}", f"2024/Đức Trọng/{NFD}"}),
        (("trống/",), {"trống"}),
        (("/2024/*/ảnh.jpg", "loop"), {"2024", "2024/Đức Trọng", "2024/Đức Trọng/ảnh.jpg", "loop"}),
        (("*.txt", "!z*"), {"sổ.txt"}),
        (("z sổ.txt",), {"z sổ.txt"}),
    ],
    ids=["suffix", "either normal form", "directory", "anchored", "negated", "a later hard link"],
)
def test_paths_are_chosen_by_patterns(
    lab: Lab, content: FileContent, paths: tuple[str, ...], expected: set[str]
) -> None:
    lab.restore(content, paths=paths)
    out = lab.base / "out"
    assert {str(path.relative_to(out)) for path in out.rglob("*")} == expected
    for path in expected:
        assert (out / path).lstat().st_mode == (lab.tree / path).lstat().st_mode
        assert (out / path).lstat().st_mtime_ns == (lab.tree / path).lstat().st_mtime_ns
        if (out / path).is_file():
            assert (out / path).read_bytes() == (lab.tree / path).read_bytes()


def test_a_pattern_may_begin_as_the_source_does(lab: Lab, content: FileContent) -> None:
    lab.restore(content, paths=(f"{lab.tree}/2024/Đức Trọng/*.tif",))
    assert names_in(lab.base / "out/2024/Đức Trọng") == ["bản đồ 01.tif"]
    lab.restore(content, "all", paths=(str(lab.tree),))
    assert compare(lab.tree, lab.base / "all")[0] == 0


def test_only_what_is_chosen_is_read(lab: Lab, content: FileContent) -> None:
    lab.restore(content, paths=("ảnh.jpg",))
    assert [length for _, _, length in content.ranges] == [3_006]


def test_a_pattern_that_fits_nothing_is_told_before_anything_is_made(lab: Lab, content: FileContent) -> None:
    assert stops(lab, content, paths=("*.docx",)) == ["nothing in the snapshot fits *.docx"]
    with pytest.raises(UsageInvalid):
        stops(lab, content, paths=("a[",))
    assert stops(lab, content, tables=("public.parcel",)) == ["a file tree has no tables"]


# -- what is there already


def test_a_directory_that_is_not_empty_is_refused_and_left_alone(lab: Lab, content: FileContent) -> None:
    (lab.base / "out").mkdir()
    (lab.base / "out" / "kept").write_text("old")
    with pytest.raises(DecisionNeeded, match="not empty"):
        lab.restore(content)
    assert names_in(lab.base) == ["out", "source.files", "tree"]
    assert (lab.base / "out" / "kept").read_text() == "old"


@pytest.mark.parametrize("how", ["exchange", "two renames"])
def test_replace_keeps_the_old_directory(
    lab: Lab, content: FileContent, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "two renames":
        monkeypatch.setattr(replacement, "_rename", unable)
    for expected in (KEPT, f"{KEPT}_2"):
        (lab.base / "out").mkdir(exist_ok=True)
        (lab.base / "out" / "old").write_text(expected)
        outcome = lab.restore(content, replace=True, started_at=NOON)
        (lab.base / "out" / "old").unlink(missing_ok=True)
        assert (lab.base / expected / "old").read_text() == expected
        assert f"  mv {lab.base / expected} {lab.base / 'out'}" in outcome.lines
    assert names_in(lab.base) == ["out", KEPT, f"{KEPT}_2", "source.files", "tree"]
    lab.restore(content, "twin")
    assert compare(lab.base / "twin", lab.base / "out")[0] == 0


def unable(*_: object) -> None:
    raise OSError(22, "Invalid argument")


def test_replace_of_what_is_a_file_a_link_or_a_mount_is_refused(
    lab: Lab, content: FileContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab.base / "file").touch()
    (lab.base / "link").symlink_to("tree")
    for name in ("file", "link"):
        assert stops(lab, content, name, replace=True) == [f"{lab.base / name} is no directory"]
    monkeypatch.setattr("drorch.sources.files.target.os.path.ismount", lambda path: True)
    (found,) = stops(lab, content, "tree", replace=True)
    assert "where a disk is mounted" in found


def test_a_restore_that_fails_leaves_the_old_directory_and_nothing_else(lab: Lab, content: FileContent) -> None:
    (lab.base / "out").mkdir()
    (lab.base / "out" / "old").touch()
    name = next(name for name in content.stored if name != "listing")
    stream, raw = content.stored[name]
    content.stored[name] = stream, raw[:1_000] + bytes([raw[1_000] ^ 1]) + raw[1_001:]
    with pytest.raises(RestoreDiffers, match="not what was captured"):
        lab.restore(content, replace=True)
    assert names_in(lab.base) == ["out", "source.files", "tree"]
    assert names_in(lab.base / "out") == ["old"]


class Killed(BaseException):
    """The process is gone: nothing is cleaned up."""


@pytest.mark.parametrize("when", ["building", "swapped"])
def test_killed_anywhere_the_name_holds_one_tree_and_the_next_restore_loses_none(
    lab: Lab, content: FileContent, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    (lab.base / "out").mkdir()
    (lab.base / "out" / "old").write_text("the only copy")
    with monkeypatch.context() as killing:
        killing.setattr(replacement, "_clear", lambda *_: None)
        killing.setattr("drorch.sources.files.replacement.os.unlink", lambda *_: raise_killed())
        if when == "building":
            killing.setattr("drorch.sources.files.building.Builder._finish", lambda _: raise_killed())
        else:
            killing.setattr(replacement, "_put_aside", lambda *_: raise_killed())
        with pytest.raises(Killed):
            lab.restore(content, replace=True, started_at=NOON)
    assert "out__drorch_7kq2m9xd" in names_in(lab.base)
    is_new = compare(lab.tree, lab.base / "out")[0] == 0
    assert is_new is (when == "swapped")
    lab.restore(content, replace=True, started_at=NOON)
    assert compare(lab.tree, lab.base / "out")[0] == 0
    kept = [path for path in lab.base.glob("out__before_*") if (path / "old").exists()]
    assert [(path / "old").read_text() for path in kept] == ["the only copy"]
    assert not (lab.base / "out__drorch_7kq2m9xd").exists()


def raise_killed() -> None:
    raise Killed


def test_somebody_elses_directory_in_the_way_is_not_touched(lab: Lab, content: FileContent) -> None:
    (lab.base / "out__drorch_7kq2m9xd").mkdir()
    (lab.base / "out__drorch_7kq2m9xd" / "mine").touch()
    with pytest.raises(DecisionNeeded, match="not ours"):
        lab.restore(content)
    assert names_in(lab.base / "out__drorch_7kq2m9xd") == ["mine"]


# -- owners, attributes, room


def test_owners_that_may_not_be_set_are_listed(open_ground: Path) -> None:
    lab = Lab(open_ground)
    make_scans(lab.tree)
    listing = lab.capture().bytes_of("listing").decode().replace(f'"uid":{os.geteuid()},"user":', '"uid":4711,"u":')
    assert lab.last is not None
    content = lab.last.forge(listing.encode())
    (open_ground / "source.files").unlink()

    def act() -> None:
        (finding,) = [one for one in lab.target().preflight(content, RestoreChoices()) if one.level is Level.NOTE]
        assert "may not set" in finding.text
        outcome = lab.restore(content)
        assert len(outcome.not_as_before) == 14, outcome.not_as_before
        assert outcome.not_as_before[-1].startswith("owner not set: . (4711:"), outcome.not_as_before
        assert (lab.base / "out/2024").stat().st_mode & 0o7777 == 0o750  # set-gid is not for another group
        content.facts = dict(content.facts)
        assert lab.restore(content, "ours", no_owner=True).not_as_before == ()

    assert as_nobody(act) == 0
    _, said = compare(lab.tree, open_ground / "ours")
    assert "time" not in said
    assert "bytes" not in said


def test_a_tree_that_nobody_may_write_comes_back_without_root(open_ground: Path) -> None:
    def act() -> None:
        lab = Lab(open_ground)
        make_scans(lab.tree)
        lab.tree.chmod(0o555)
        lab.restore(lab.capture())
        assert (lab.base / "out").stat().st_mode & 0o777 == 0o555
        assert (lab.base / "out").stat().st_mtime_ns == lab.tree.stat().st_mtime_ns

    assert as_nobody(act) == 0
    assert compare(open_ground / "tree", open_ground / "out")[0] == 0
    for path in open_ground.iterdir():
        if path.is_dir():
            path.chmod(0o755)


def test_what_neighbours_would_inherit_is_not_inherited(lab: Lab, content: FileContent) -> None:
    """A default ACL of the directory above would add rights to all that is made in it."""
    entries = ((1, 7, 2**32 - 1), (2, 7, 4711), (4, 5, 2**32 - 1), (16, 7, 2**32 - 1), (32, 5, 2**32 - 1))
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + who.to_bytes(4, "little")
        for tag, rights, who in entries
    )
    os.setxattr(lab.base, "system.posix_acl_default", acl)
    lab.restore(content)
    assert compare(lab.tree, lab.base / "out")[0] == 0


def test_a_file_system_without_attributes_is_told_before(
    lab: Lab, content: FileContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_, **__):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("drorch.sources.files.target.os.listxattr", unsupported)
    notes = [one.text for one in lab.target().preflight(content, RestoreChoices()) if one.level is Level.NOTE]
    assert len(notes) == 1
    assert "keeps no extended attributes: those of 2 names" in notes[0]


def test_an_attribute_that_the_file_system_refuses_is_listed(
    lab: Lab, content: FileContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def refuse(where, name, value, **_):
        refused.append(name)
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("drorch.sources.files.setting.os.setxattr", refuse)
    outcome = lab.restore(content)
    assert len(refused) == 2
    assert outcome.not_as_before == (
        "attribute not set: sổ.txt (user.origin: operation not supported)",
        "attribute not set: trống (user.empty: operation not supported)",
    )


def test_too_little_room_is_told_before(lab: Lab, content: FileContent, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(lab.base)
    for changes, words in (({4: 1}, "free in"), ({7: 3}, "more files")):
        values = [changes.get(number, value) for number, value in enumerate(real)]
        monkeypatch.setattr("drorch.sources.files.target.os.statvfs", lambda _, v=values: os.statvfs_result(v))
        (found,) = stops(lab, content)
        assert words in found


def test_a_disk_that_fills_up_is_said_to_be_full(
    lab: Lab, content: FileContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("drorch.sources.files.building.os.write", full)
    with pytest.raises(TargetError) as caught:
        lab.restore(content)
    assert caught.value.slug == "target-full"
    assert names_in(lab.base) == ["source.files", "tree"]


def test_a_snapshot_of_something_else_is_refused(lab: Lab) -> None:
    assert stops(lab, FileContent(facts={"engine": "sqlite"}, stored={})) == ["the snapshot is of sqlite, not of files"]


@pytest.mark.parametrize("bad", ["files://srv", "files:///", "/srv", "files:///a?b", "files:///a%00b", "file:///srv"])
def test_a_location_is_an_absolute_path(bad: str) -> None:
    with pytest.raises(UsageInvalid):
        parse_location(bad)
    assert parse_location("files:///srv/%C4%91%C3%A2t%FF/") == "/srv/đât".encode() + b"\xff"


# -- hostile listings


def lines_of(*lines: dict[str, Any]) -> bytes:
    heading = {"form": "drorch files/1", "base": "/srv", "paths": [""]}
    return b"".join(json.dumps(line).encode() + b"\n" for line in (heading, directory(""), *lines))


def directory(path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "kind": "directory", "mode": 0o755, "uid": 0, "gid": 0, "mtime_ns": 0} | more


def file(path: str, **more: Any) -> dict[str, Any]:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    return directory(path) | {"kind": "file", "size": 0, "sha256": empty} | more


def link(path: str, to: str) -> dict[str, Any]:
    return directory(path) | {"kind": "symlink", "to": to}


HOSTILE: dict[str, Callable[[], bytes]] = {
    "dots": lambda: lines_of(file("../escaped")),
    "dots inside": lambda: lines_of(directory("a"), file("a/../../escaped")),
    "absolute": lambda: lines_of(file("/escaped")),
    "empty component": lambda: lines_of(directory("a"), file("a//escaped")),
    "nul": lambda: lines_of(file("a\0b")),
    "through a link": lambda: lines_of(link("a", ".."), file("a/escaped")),
    "through a link of the same name": lambda: lines_of(directory("a"), link("a", ".."), file("a/escaped")),
    "without a parent": lambda: lines_of(file("a/escaped")),
    "below a file": lambda: lines_of(file("a"), file("a/escaped")),
    "below an absent directory": lambda: lines_of({"path": "a", "kind": "absent"}, file("a/escaped")),
    "out of order": lambda: lines_of(file("b"), file("a")),
    "twice": lambda: lines_of(file("a"), file("a")),
    "no base": lambda: (
        b'{"base":"/srv","form":"drorch files/1","paths":[""]}\n' + json.dumps(file("a")).encode() + b"\n"
    ),
    "base is a file": lambda: lines_of().replace(b'"directory"', b'"file"'),
    "hard link outside": lambda: lines_of({"path": "a", "kind": "file", "same_as": "../../etc/passwd"}),
    "hard link to a neighbour": lambda: lines_of({"path": "a", "kind": "file", "same_as": "../../neighbour"}),
    "hard link to the base": lambda: lines_of({"path": "a", "kind": "file", "same_as": ""}),
    "hard link with bytes of its own": lambda: lines_of(file("a"), file("b", same_as="a")),
    "a directory that is a hard link": lambda: lines_of(directory("a"), directory("b", same_as="a")),
    "a base that is a hard link": lambda: lines_of(file("a")).replace(b'"directory"', b'"directory", "same_as": "a"'),
    "a symbolic link that is a hard link": lambda: lines_of(file("a"), link("b", "a") | {"same_as": "a"}),
    "hard link to an absolute path": lambda: lines_of({"path": "a", "kind": "file", "same_as": "/etc/passwd"}),
    "hard link to nothing": lambda: lines_of({"path": "a", "kind": "file", "same_as": "b"}),
    "hard link through a link": lambda: lines_of(
        link("a", "/etc"), {"path": "b", "kind": "file", "same_as": "a/passwd"}
    ),
    "hard link to a directory": lambda: lines_of(directory("a"), {"path": "b", "kind": "file", "same_as": "a"}),
    "a place in no stream": lambda: lines_of(file("a", size=5, **{"in": "nowhere-0", "at": 0})),
    "another form": lambda: lines_of().replace(b"files/1", b"files/2"),
    "another kind": lambda: lines_of(file("a") | {"kind": "device"}),
    "a kind that is no word": lambda: lines_of(file("a") | {"kind": []}),
    "no JSON": lambda: lines_of() + b"{]\n",
    "no object": lambda: lines_of() + b"[]\n",
    "no path": lambda: lines_of({"kind": "file"}),
    "a high surrogate": lambda: lines_of(file("\ud800")),
    "a mode beyond bits": lambda: lines_of(file("a", mode=0o100755)),
    "a negative owner": lambda: lines_of(file("a", uid=-1)),
    "an owner that means none": lambda: lines_of(file("a", uid=2**32 - 1)),
    "a size that is none": lambda: lines_of(file("a", size=True)),
    "a digest that is none": lambda: lines_of(file("a", sha256="00")),
    "a time beyond all": lambda: lines_of(file("a", mtime_ns=2**80)),
    "attributes that are none": lambda: lines_of(file("a", xattrs={"user.a": "!"})),
    "cut short": lambda: lines_of(file("a"))[:-1],
    "nothing": lambda: b"",
    "only a heading": lambda: lines_of().split(b"\n")[0] + b"\n",
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_listing_writes_nothing_anywhere(lab: Lab, content: FileContent, attack: str) -> None:
    (lab.base / "neighbour").write_text("what a link from a restored tree must never lead to")
    before = {path: path.lstat().st_mtime_ns for path in lab.base.rglob("*")}
    with pytest.raises(DrorchError) as caught:
        lab.restore(content.forge(HOSTILE[attack]()))
    assert isinstance(caught.value, IntegrityError | TargetError), caught.value
    assert {path: path.lstat().st_mtime_ns for path in lab.base.rglob("*")} == before
    assert not (lab.base.parent / "escaped").exists()


def test_a_file_that_says_it_lies_beyond_its_stream_is_refused(lab: Lab, content: FileContent) -> None:
    (name,) = (name for name in content.stored if name != "listing")
    beyond = {"in": name.removeprefix("content/"), "at": 2**40}
    with pytest.raises(IntegrityError):
        lab.restore(content.forge(lines_of(file("a", size=5, **beyond))))
    assert not (lab.base / "out").exists()


def test_links_to_anywhere_come_back_as_links(lab: Lab, content: FileContent) -> None:
    lab.restore(content.forge(lines_of(link("a", "/etc/passwd"), link("b", "../../.."))))
    assert (lab.base / "out/a").readlink() == Path("/etc/passwd")
    assert (lab.base / "out/b").readlink() == Path("../../..")

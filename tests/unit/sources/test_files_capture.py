"""A tree of files is captured name by name; what has not changed is not read; what went wrong is told."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drorch.errors import DrorchError, Interrupted, SourceMissing, SourceUnsupported, UsageInvalid
from drorch.sources.files import reading, walking
from drorch.sources.files.lines import Kind, Place
from drorch.sources.files.memory import Memory
from drorch.sources.files.source import FilesChoices, scope_of
from tests.support.file_trees import (
    NFC,
    NFD,
    FileContent,
    Lab,
    anybodys_directory,
    as_nobody,
    compare,
    fresh,
    make_scans,
    stored,
)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def open_ground() -> Iterator[Path]:
    yield from anybodys_directory()


@pytest.fixture
def scans(lab: Lab) -> Lab:
    make_scans(lab.tree)
    return lab


def bytes_of(content: FileContent, path: str) -> bytes:
    line = content.lines[os.fsencode(path)]
    assert line.place is not None
    whole = content.bytes_of(f"content/{line.place.content}")
    return whole[line.place.offset : line.place.offset + line.size]


def test_every_name_has_a_line_in_the_order_of_a_walk(scans: Lab) -> None:
    lines = scans.capture().lines
    paths = [tuple(path.split(b"/")) if path else () for path in lines]
    assert paths == sorted(paths)
    found = {os.fsencode(path.relative_to(scans.tree)) for path in scans.tree.rglob("*")}
    assert set(lines) == found | {b""}


def test_composed_and_decomposed_names_stand_side_by_side(scans: Lab) -> None:
    content = scans.capture()
    assert bytes_of(content, f"2024/Đức Trọng/{NFC}") == (scans.tree / "2024/Đức Trọng" / NFC).read_bytes()
    assert bytes_of(content, f"2024/Đức Trọng/{NFD}") == b"%PDF-1.4 decomposed\n"


def test_a_line_says_all_that_is_kept(scans: Lab) -> None:
    lines = scans.capture().lines
    book, status = lines["sổ.txt".encode()], (scans.tree / "sổ.txt").stat()
    assert book.metadata is not None
    assert (book.metadata.mode, book.metadata.mtime_ns) == (0o440, status.st_mtime_ns)
    assert (book.metadata.uid, book.metadata.gid) == (status.st_uid, status.st_gid)
    assert book.metadata.xattrs == {b"user.origin": "máy quét 2".encode()}
    assert book.sha256 == hashlib.sha256((scans.tree / "sổ.txt").read_bytes()).digest()
    assert lines["z sổ.txt".encode()].same_as == "sổ.txt".encode()
    assert (lines[b"loop"].kind, lines[b"loop"].to) == (Kind.SYMLINK, b"loop")
    assert lines[b"away"].to == b"/etc/passwd"
    assert lines["không".encode()].place is None
    assert lines["trống".encode()].kind is Kind.DIRECTORY


def test_two_captures_of_one_tree_are_the_same_bytes(scans: Lab) -> None:
    first = scans.capture()
    (scans.base / "source.files").unlink()
    scans.numbers = iter(range(10))
    assert {name: raw for name, (_, raw) in scans.capture().stored.items()} == {
        name: raw for name, (_, raw) in first.stored.items()
    }


def test_what_has_not_changed_is_not_read(scans: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scans.capture()
    monkeypatch.setattr(reading.FileReader, "open", None)
    second = scans.capture(reread_within=1_000_000)
    assert fresh(second) == []
    assert second.bytes_of("listing") == first.bytes_of("listing")
    assert second.facts["unchanged_files"] == 6


@pytest.mark.parametrize("change", ["bytes", "time", "mode", "inode"])
def test_what_has_changed_in_any_way_is_read(scans: Lab, change: str) -> None:
    first = scans.capture()
    path = scans.tree / "2024/Đức Trọng/ảnh.jpg"
    before = path.read_bytes()
    if change == "bytes":  # the same length, and the old time put back
        status = path.stat()
        path.write_bytes(before[:-1] + b"!")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "time":
        os.utime(path, ns=(1, 1))
    elif change == "mode":
        path.chmod(0o600)
    else:
        (scans.base / "new").write_bytes(before)
        (scans.base / "new").rename(path)
    second = scans.capture(reread_within=1_000_000)
    assert len(fresh(second)) == 1
    assert second.bytes_of(fresh(second)[0]) == path.read_bytes()
    assert second.facts["unchanged_files"] == 5
    assert bytes_of(second, NFD_PATH) == bytes_of(first, NFD_PATH)


NFD_PATH = f"2024/Đức Trọng/{NFD}"


def test_a_file_that_changed_just_before_it_was_read_is_read_again_next_time(scans: Lab) -> None:
    """A second change within the same tick of the clock would leave its times as they are."""
    scans.clock.ahead -= scans.clock.ahead
    scans.capture()
    assert len(fresh(scans.capture())) == 1


def test_a_content_stream_that_is_not_held_any_more_is_read_again(scans: Lab) -> None:
    first = scans.capture()
    scans.lost = set(first.stored)
    second = scans.capture()
    assert len(fresh(second)) == 1
    assert second.facts["unchanged_files"] == 0


def test_a_run_that_was_not_committed_leaves_no_trace(scans: Lab) -> None:
    first = scans.capture()
    (scans.tree / "mới.pdf").write_bytes(b"%PDF new")
    scans.capture()
    scans.last = first  # the repository never took the second one
    third = scans.capture()
    assert bytes_of(third, "mới.pdf") == b"%PDF new"
    assert {name for name in third.stored if name in first.stored} == set(first.stored)


def test_a_capture_that_breaks_off_changes_no_memory(scans: Lab) -> None:
    scans.capture()
    (scans.tree / "mới.pdf").write_bytes(b"%PDF new")
    with scans.open() as capture:
        streams = [stream for stream in capture.streams() if not stream.is_carried]
        capture.abort()
        with capture.open(streams[0]) as pieces, pytest.raises(Interrupted):
            b"".join(pieces)
    third = scans.capture()
    assert third.bytes_of(fresh(third)[0]) == b"%PDF new"


@pytest.mark.parametrize("damage", ["gone", "garbage", "a flipped bit"])
def test_a_memory_that_is_lost_or_damaged_costs_a_reading(scans: Lab, damage: str) -> None:
    first = scans.capture()
    memory = scans.base / "source.files"
    if damage == "gone":
        memory.unlink()
    elif damage == "garbage":
        memory.write_bytes(b"no database" * 1_000)
    else:
        digest = first.lines["sổ.txt".encode()].sha256
        raw = memory.read_bytes()
        assert raw.count(digest) == 1
        memory.write_bytes(raw.replace(digest, bytes([digest[0] ^ 1]) + digest[1:]))
    second = scans.capture()
    assert second.lines["sổ.txt".encode()].sha256 == first.lines["sổ.txt".encode()].sha256
    assert len(fresh(second)) == 1


def test_attributes_of_what_has_not_changed_are_known_and_a_new_one_is_seen(
    scans: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans.capture()
    asked: list[bytes] = []
    real = os.listxattr

    def listxattr(where: Any, **words: Any) -> list[str]:
        if isinstance(where, bytes):
            asked.append(where.rpartition(b"/")[2])
        return real(where, **words)

    monkeypatch.setattr(os, "listxattr", listxattr)
    second = scans.capture(reread_within=1_000_000)
    assert sorted(asked) == sorted([b"away", b"link", b"loop", "không".encode(), "sổ.txt".encode()])
    book = second.lines["sổ.txt".encode()].metadata
    assert book is not None
    assert book.xattrs == {b"user.origin": "máy quét 2".encode()}
    os.setxattr(scans.tree / "2024/Đức Trọng/ảnh.jpg", "user.new", b"seen")
    picture = scans.capture(reread_within=1_000_000).lines["2024/Đức Trọng/ảnh.jpg".encode()].metadata
    assert picture is not None
    assert picture.xattrs == {b"user.new": b"seen"}


def test_the_memory_finds_its_rows_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    status, count = (tmp_path / "file").stat(), 3_000
    memory = Memory(tmp_path / "m", b"k" * 16)
    for number in range(count):
        memory.put(b"%d" % number, status, bytes(32), Place("c-0", number), 2**62)
    memory.keep({"c-0": count})
    memory.close()
    memory = Memory(tmp_path / "m", b"k" * 16)
    order = [*range(0, count, 2), *range(count - 1, 0, -2), *random.Random(1).sample(range(count), 500)]
    for number in order:
        found = memory.find(b"%d" % number)
        assert found is not None
        assert found.place == Place("c-0", number)
        assert memory.find(b"%d new" % number) is None
    memory.close()


@pytest.mark.parametrize(
    "damage", ["sha256 = 'text'", "size = -1", "size = null", "content = 99", "is_bare = 1 - is_bare"]
)
def test_a_damaged_row_is_none(tmp_path: Path, damage: str) -> None:
    (tmp_path / "file").write_bytes(b"content")
    memory = Memory(tmp_path / "m", b"k" * 16)
    memory.put(b"a", (tmp_path / "file").stat(), bytes(32), Place("c-0", 0), 2**62)
    memory.keep({"c-0": 7})
    memory.close()
    with closing(sqlite3.connect(tmp_path / "m")) as connection:
        table = connection.execute("select sql from sqlite_master where name = 'file'").fetchone()[0]
        connection.executescript(f"alter table file rename to old; {table.replace('size integer not null', 'size')};")
        connection.executescript("insert into file select * from old; drop table old")
        connection.execute(f"update file set {damage}")
        connection.commit()
    memory = Memory(tmp_path / "m", b"k" * 16)
    assert memory.find(b"a") is None
    memory.close()


def test_the_memory_holds_no_name(scans: Lab) -> None:
    scans.capture()
    raw = (scans.base / "source.files").read_bytes()
    assert "Đức Trọng".encode() not in raw
    assert "sổ".encode() not in raw


def test_every_file_is_read_again_within_so_many_runs(scans: Lab) -> None:
    scans.capture(reread_within=4)
    reread = 0
    for _ in range(4):
        scans.capture(reread_within=4)
        reread += scans.closing_facts["read_again"]
    assert reread == 6


def test_a_change_that_left_no_trace_is_found_by_reading_again_and_told(
    scans: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that rots, or a program that puts all times back: here the times are hidden from the comparison."""
    monkeypatch.setattr("drorch.sources.files.survey.looks_of", lambda status: b"16 equal bytes..")
    monkeypatch.setattr("drorch.sources.files.memory.looks_of", lambda status: b"16 equal bytes..")
    scans.capture(reread_within=1)
    (scans.tree / "2024/Đức Trọng/ảnh.jpg").write_bytes(b"\xff\xd8 rotten")
    second = scans.capture(reread_within=1)
    assert scans.closing_facts["changed_unnoticed"] == ["2024/Đức Trọng/ảnh.jpg"]
    assert bytes_of(second, "2024/Đức Trọng/ảnh.jpg") == b"\xff\xd8 rotten"


def test_a_content_stream_of_which_little_is_used_is_given_up(lab: Lab) -> None:
    for number in range(10):
        (lab.tree / f"{number}").write_bytes(bytes([number]) * 1_000)
    lab.capture()
    for number in range(6):
        (lab.tree / f"{number}").write_bytes(b"new" * 400)
    lab.capture()  # 4 of 10 are still in use; that is known from now on
    third = lab.capture()
    assert len(fresh(third)) == 1
    assert third.bytes_of(fresh(third)[0]) == b"".join(bytes([number]) * 1_000 for number in range(6, 10))


def test_contents_are_cut_by_size_and_may_be_read_in_any_order(lab: Lab) -> None:
    for number in range(10):
        (lab.tree / f"{number}").write_bytes(bytes([number]) * 1_000)
    with lab.open(content_bytes=3_000) as capture:
        *contents, listing = capture.streams()
        assert [stream.estimated_bytes for stream in contents] == [3_000, 3_000, 3_000, 1_000]
        assert listing.comes_last
        streams = {}
        for spec in [*reversed(contents), listing]:
            with capture.open(spec) as pieces:
                streams[spec.name] = b"".join(bytes(piece) for piece in pieces)
    content = FileContent(facts={}, stored={})
    specs = {spec.name: spec for spec in [*contents, listing]}
    content.stored = {name: stored(specs[name], raw) for name, raw in streams.items()}
    assert [bytes_of(content, f"{number}")[:1] for number in range(10)] == [bytes([number]) for number in range(10)]


# -- what is left out


def test_exclusions_are_those_of_gitignore(lab: Lab) -> None:
    for path in (
        "a.tmp",
        "b/c.tmp",
        "b/keep.tmp",
        ".snapshot/x",
        "d/.snapshot/y",
        "top",
        "d/top",
        "Thumbs.db",
        "e.pdf",
    ):
        (lab.tree / path).parent.mkdir(parents=True, exist_ok=True)
        (lab.tree / path).touch()
    content = lab.capture(exclude=("*.tmp", "!keep.tmp", ".snapshot/", "/top", "Thumbs.db"))
    assert set(content.lines) == {b"", b"b", b"b/keep.tmp", b"d", b"d/top", b"e.pdf"}


@pytest.mark.parametrize("pattern", ["", "# a comment", "a[", "!", "[z-a]"])
def test_a_pattern_that_would_fit_nothing_is_refused(lab: Lab, pattern: str) -> None:
    with pytest.raises(DrorchError) as caught, lab.open(exclude=(pattern,)):
        pass
    assert "pattern" in caught.value.message


def test_what_no_snapshot_keeps_is_listed(lab: Lab) -> None:
    os.mkfifo(lab.tree / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        place = os.open(lab.tree, os.O_RDONLY)
        try:
            server.bind(f"/proc/self/fd/{place}/socket")
        finally:
            os.close(place)
        content = lab.capture()
    assert lab.closing_facts["not_kept"] == ["pipe (fifo)", "socket (socket)"]
    assert {line.why for line in content.lines.values() if line.kind is Kind.ABSENT} == {"fifo", "socket"}
    assert "incomplete" not in lab.closing_facts


def test_another_file_system_is_left_out_and_told_unless_it_is_wanted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mounting takes root: here one directory says that it is on another device."""
    (lab.tree / "mount").mkdir()
    (lab.tree / "mount" / "inside").touch()
    inode, real = (lab.tree / "mount").stat().st_ino, os.stat

    def elsewhere(*args, **kwargs):
        found = real(*args, **kwargs)
        if found.st_ino != inode:
            return found
        values = list(found)
        values[2] = found.st_dev + 1
        return os.stat_result(values, {"st_mtime_ns": found.st_mtime_ns, "st_ctime_ns": found.st_ctime_ns})

    monkeypatch.setattr("drorch.sources.files.walking.os.stat", elsewhere)
    content = lab.capture()
    assert lab.closing_facts["other_file_systems"] == ["mount"]
    assert content.lines[b"mount"].why == "other file system"
    assert b"mount/inside" not in content.lines
    assert b"mount/inside" in lab.capture(one_file_system=False).lines


# -- what goes wrong


def test_what_may_not_be_read_makes_a_partial_snapshot_with_a_list(open_ground: Path) -> None:
    def act() -> None:
        lab = Lab(open_ground)
        (lab.tree / "open.pdf").write_bytes(b"%PDF open")
        (lab.tree / "closed.pdf").write_bytes(b"%PDF closed")
        (lab.tree / "closed.pdf").chmod(0)
        (lab.tree / "locked").mkdir()
        (lab.tree / "locked" / "inside").touch()
        (lab.tree / "locked").chmod(0)
        os.link(lab.tree / "closed.pdf", lab.tree / "z other name")
        (lab.tree / "listed").mkdir()
        (lab.tree / "listed" / "inside").touch()
        (lab.tree / "listed").chmod(0o444)
        content = lab.capture()
        assert lab.closing_facts["unread"] == [
            "listed/inside (permission denied)",
            "locked (permission denied)",
            "closed.pdf (permission denied)",
            "z other name (it is the same file as closed.pdf)",
        ], lab.closing_facts
        assert lab.closing_facts["incomplete"] == ["4 names could not be read"]
        assert content.lines[b"closed.pdf"].why == "unreadable: permission denied"
        assert content.lines[b"locked"].why == "unreadable: permission denied"
        assert bytes_of(content, "open.pdf") == b"%PDF open"
        (lab.tree / "listed").chmod(0o755)
        (lab.tree / "locked").chmod(0o755)  # so that the test's directory can be removed
        (lab.tree / "closed.pdf").chmod(0o644)
        assert "incomplete" not in (lab.capture(), lab.closing_facts)[1]

    assert as_nobody(act) == 0


def test_a_disk_that_cannot_read_a_file_makes_a_partial_snapshot(scans: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failed = os.readv, []

    def failing(descriptor, buffers):
        if Path(f"/proc/self/fd/{descriptor}").readlink().name.endswith("ảnh.jpg"):
            failed.append(descriptor)
            raise OSError(5, "Input/output error")
        return real(descriptor, buffers)

    monkeypatch.setattr("drorch.sources.files.reading.os.readv", failing)
    content = scans.capture()
    assert failed
    assert scans.closing_facts["unread"] == ["2024/Đức Trọng/ảnh.jpg (input/output error)"]
    assert bytes_of(content, NFD_PATH) == b"%PDF-1.4 decomposed\n"


class Meddler:
    """Does something to the tree the first ``times`` times that a file is being read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, act, times: int = 1) -> None:
        self.fired, self._real = 0, os.readv
        self._name, self._act, self._times = name, act, times
        monkeypatch.setattr("drorch.sources.files.reading.os.readv", self)

    def __call__(self, descriptor, buffers):
        count = self._real(descriptor, buffers)
        if self.fired < self._times and Path(f"/proc/self/fd/{descriptor}").readlink().name.endswith(self._name):
            self.fired += 1
            self._act()
        return count


def test_a_file_that_changes_once_while_it_is_read_is_read_again(scans: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    path = scans.tree / "2024/Đức Trọng/bản đồ 01.tif"
    meddler = Meddler(monkeypatch, path.name, lambda: path.write_bytes(b"II*\0 another map"))
    content = scans.capture()
    assert meddler.fired == 1
    assert bytes_of(content, "2024/Đức Trọng/bản đồ 01.tif") == b"II*\0 another map"
    assert "changed_while_read" not in scans.closing_facts
    assert scans.restore(content).tables == 8


@pytest.mark.parametrize("times", [0, 1])
def test_a_large_file_among_small_ones_lies_where_its_line_says(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """It is read piece by piece; when it changes meanwhile, its first copy stays in the stream and is no file's."""
    large = bytes(range(256)) * 8_192
    for name, raw in (("a", b"before"), ("b", large), ("c", b"after")):
        (lab.tree / name).write_bytes(raw)
    meddler = Meddler(monkeypatch, "b", (lab.tree / "b").touch, times=times)
    content = lab.capture()
    assert meddler.fired == times
    assert [bytes_of(content, name) for name in "abc"] == [b"before", large, b"after"]
    assert len(content.bytes_of(fresh(content)[0])) == len(b"before" + large + b"after") + times * len(large)


def test_a_file_that_never_stands_still_is_kept_as_it_was_read_and_told(
    scans: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scans.tree / "2024/Đức Trọng/ảnh.jpg"

    def append() -> None:
        with path.open("ab") as file:
            file.write(b"more")

    meddler = Meddler(monkeypatch, path.name, append, times=2)
    content = scans.capture()
    assert meddler.fired == 2
    assert scans.closing_facts["changed_while_read"] == ["2024/Đức Trọng/ảnh.jpg"]
    assert "incomplete" not in scans.closing_facts
    line = content.lines["2024/Đức Trọng/ảnh.jpg".encode()]
    assert line.is_unsettled
    assert hashlib.sha256(bytes_of(content, "2024/Đức Trọng/ảnh.jpg")).digest() == line.sha256
    assert len(fresh(scans.capture())) == 1  # it was not taken for known


@pytest.mark.parametrize("becomes", ["nothing", "directory", "link", "pipe", "link above"])
def test_a_file_that_becomes_something_else_before_it_is_read_is_told(scans: Lab, becomes: str) -> None:
    path = scans.tree / "2024/Đức Trọng/ảnh.jpg"
    done: list[str] = []

    def replace(spec) -> None:
        if not spec.name.startswith("content/") or done:
            return
        done.append(becomes)
        path.unlink()
        if becomes == "directory":
            path.mkdir()
            (path / "inside").touch()
        elif becomes == "link":
            path.symlink_to("/etc/passwd")
        elif becomes == "pipe":
            os.mkfifo(path)  # opening it must not wait for a writer
        elif becomes == "link above":
            path.parent.rename(scans.base / "moved")
            path.parent.symlink_to(scans.base / "moved")

    content = scans.capture(during=replace)
    assert done == [becomes]
    assert "2024/Đức Trọng/ảnh.jpg" in scans.closing_facts["gone_while_read"]
    assert "2024/Đức Trọng/ảnh.jpg".encode() not in content.lines
    assert b"root:" not in b"".join(raw for _, raw in content.stored.values())


def test_a_name_that_goes_between_the_listing_of_its_directory_and_a_look_is_no_failure(
    scans: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[int] = []
    real = walking.sorted_names

    def sorted_names(directory: int) -> list[bytes]:
        listed.append(directory)
        return [*real(directory), b"~ gone"]

    monkeypatch.setattr(walking, "sorted_names", sorted_names)
    content = scans.capture()
    assert listed
    assert not [path for path in content.lines if path.endswith(b"~ gone")]
    assert not {"unread", "gone_while_read"} & set(scans.closing_facts)


def test_links_that_lead_in_circles_are_kept_as_links(lab: Lab) -> None:
    (lab.tree / "a").mkdir()
    for name, to in (("a/up", ".."), ("a/there", "back"), ("a/back", "there"), ("a/self", "self")):
        (lab.tree / name).symlink_to(to)
    content = lab.capture()
    assert {path: line.to for path, line in content.lines.items() if line.kind is Kind.SYMLINK} == {
        b"a/up": b"..", b"a/there": b"back", b"a/back": b"there", b"a/self": b"self",
    }  # fmt: skip
    lab.restore(content)
    assert compare(lab.tree, lab.base / "out")[0] == 0


def test_a_directory_that_becomes_a_file_between_two_looks_is_no_failure(
    scans: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open
    fired: list[bytes] = []

    def swapping(path, *args, **kwargs):
        if path == b"2024" and not fired:
            fired.append(path)
            (scans.tree / "2024").rename(scans.base / "moved")
            (scans.tree / "2024").symlink_to("/etc")
        return real(path, *args, **kwargs)

    monkeypatch.setattr("drorch.sources.files.walking.os.open", swapping)
    content = scans.capture()
    assert fired
    assert not [path for path in content.lines if path.startswith(b"2024")]


# -- what a policy names


def test_paths_are_taken_relative_to_what_they_have_in_common(lab: Lab) -> None:
    for name in ("a/x", "b/y", "c/z"):
        (lab.tree / name).parent.mkdir()
        (lab.tree / name).touch()
    content = lab.capture(paths=(f"{lab.tree}/b", f"{lab.tree}/a/", f"{lab.tree}/a/x"))
    assert set(content.lines) == {b"", b"a", b"a/x", b"b", b"b/y"}
    single = lab.capture(paths=(f"{lab.tree}/a/x",))
    assert set(single.lines) == {b"", b"x"}


def test_paths_that_lead_nowhere_say_so(lab: Lab) -> None:
    (lab.tree / "loop").symlink_to("loop")
    (lab.tree / "link").symlink_to("real")
    (lab.tree / "real").mkdir()
    for path, error, words in (
        ("gone", SourceMissing, "is not there"),
        ("loop/below", SourceMissing, "go in circles"),
        ("link", SourceUnsupported, "is a symbolic link"),
    ):
        with pytest.raises(error, match=words):
            scope_of(FilesChoices(paths=(f"{lab.tree}/{path}",)))
        assert lab.source(paths=(f"{lab.tree}/{path}",)).examine()[0].level.value == "FAIL"
    assert lab.source().examine()[0].level.value == "ok"


def test_a_link_above_a_path_is_followed_once_and_for_all(lab: Lab) -> None:
    (lab.tree / "real" / "scans").mkdir(parents=True)
    (lab.tree / "link").symlink_to("real")
    assert scope_of(FilesChoices(paths=(f"{lab.tree}/link/scans",))).base == os.fsencode(lab.tree / "real/scans")


# -- trees that must not change


def test_a_tree_that_must_not_change_may_grow(scans: Lab) -> None:
    scans.capture(immutable=True)
    (scans.tree / "mới.pdf").write_bytes(b"%PDF new")
    scans.capture(immutable=True)
    assert "incomplete" not in scans.closing_facts


def test_a_change_or_loss_in_a_tree_that_must_not_change_is_told_until_somebody_decides(scans: Lab) -> None:
    scans.capture(immutable=True)
    (scans.tree / "2024/Đức Trọng/ảnh.jpg").write_bytes(b"encrypted by somebody")
    (scans.tree / "2024/Đức Trọng" / NFD).unlink()
    for _ in range(2):
        content = scans.capture(immutable=True)
        assert scans.closing_facts["immutable_broken"] == ["2024/Đức Trọng/ảnh.jpg (changed)", f"{NFD_PATH} (gone)"]
        assert scans.closing_facts["incomplete"] == ["2 names of a tree that must not change did"]
        assert bytes_of(content, "2024/Đức Trọng/ảnh.jpg") == b"encrypted by somebody"
    scans.capture(immutable=False)
    scans.capture(immutable=True)
    assert "incomplete" not in scans.closing_facts


def test_a_file_that_is_empty_now_broke_a_tree_that_must_not_change(scans: Lab) -> None:
    scans.capture(immutable=True)
    (scans.tree / "2024/Đức Trọng/ảnh.jpg").write_bytes(b"")
    for _ in range(2):
        scans.capture(immutable=True)
        assert scans.closing_facts["immutable_broken"] == ["2024/Đức Trọng/ảnh.jpg (changed)"]


def test_a_memory_that_is_locked_is_done_without(tmp_path: Path) -> None:
    first = Memory(tmp_path / "m", b"k" * 16)
    second = Memory(tmp_path / "m", b"k" * 16)
    (tmp_path / "file").touch()
    status = (tmp_path / "file").stat()
    second.put(b"a", status, bytes(32), Place("c-0", 0), 2**62)
    second.keep({"c-0": 1})
    second.close()
    first.close()
    third = Memory(tmp_path / "m", b"k" * 16)
    assert third.find(b"a") is None
    third.close()


def test_patterns_are_checked_before_anything_is_read(lab: Lab) -> None:
    assert lab.source(exclude=("a[",)).examine()[0].text == "exclude: not a pattern of paths"
    with pytest.raises(UsageInvalid):
        scope_of(FilesChoices(paths=(str(lab.tree),), exclude=("a[",)))

"""The power goes off at any system call: what the store acknowledged is there, and nothing is there by half.

The calls of a run are recorded and replayed as a disk may keep them: every prefix of the recording, and of what
was not flushed in it all, nothing, or any part. File contents that were not flushed come back empty or torn.
"""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from drorch.storage.filesystem import FilesystemStore, prepare_directory
from drorch.storage.interface import PutOutcome
from drorch.storage.system_calls import PosixCalls, SystemCalls


@dataclass(frozen=True)
class Call:
    kind: str
    path: str = ""
    other: str = ""
    content: bytes = b""


class RecordingCalls(PosixCalls):
    """The real calls, written down in order; paths are relative to ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log: list[Call] = []
        self.names: dict[int, str] = {}

    def note(self, kind: str, path: str = "", other: str = "", content: bytes = b"") -> None:
        first, second = (os.path.relpath(each, self.root) if each else "" for each in (path, other))
        self.log.append(Call(kind, first, second, content))

    def create(self, path: str) -> int:
        descriptor = super().create(path)
        self.names[descriptor] = path
        self.note("create", path)
        return descriptor

    def write(self, descriptor: int, content: memoryview) -> int:
        written = super().write(descriptor, content)
        self.note("write", self.names[descriptor], content=bytes(content[:written]))
        return written

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.note("sync", self.names[descriptor])

    def link(self, existing: str, new: str) -> None:
        super().link(existing, new)
        self.note("link", existing, new)

    def unlink(self, path: str) -> None:
        super().unlink(path)
        self.note("unlink", path)

    def make_directory(self, path: str) -> None:
        super().make_directory(path)
        self.note("make_directory", path)

    def sync_directory(self, path: str) -> None:
        super().sync_directory(path)
        self.note("sync_directory", path)


class UnflushedCalls(PosixCalls):
    """For the stores that are only looked at: real flushes would take most of the test's time."""

    def sync(self, descriptor: int) -> None:
        pass

    def sync_directory(self, path: str) -> None:
        pass


@dataclass
class Inode:
    content: bytes = b""
    durable: bytes | None = None  # None: never flushed
    is_directory: bool = False


class Disk:
    """A file system that forgets: directories of names, each change durable only when its directory was flushed."""

    def __init__(self) -> None:
        root = Inode(is_directory=True)
        self.names: dict[str, Inode] = {".": root}
        self.durable: dict[str, Inode] = {".": root}
        self.pending: list[tuple[str, Inode | None]] = []  # changes of names that are not flushed yet, in order

    def replay(self, call: Call) -> None:
        if call.kind in {"create", "make_directory"}:
            self._change(call.path, Inode(is_directory=call.kind == "make_directory"))
        elif call.kind == "write":
            self.names[call.path].content += call.content
        elif call.kind == "sync":
            self.names[call.path].durable = self.names[call.path].content
        elif call.kind == "link":
            self._change(call.other, self.names[call.path])
        elif call.kind == "unlink":
            self._change(call.path, None)
        else:
            self._flush(call.path)

    def _change(self, path: str, inode: Inode | None) -> None:
        self.pending.append((path, inode))
        apply(self.names, path, inode)

    def _flush(self, directory: str) -> None:
        mine = [change for change in self.pending if str(Path(change[0]).parent) == directory]
        for path, inode in mine:
            apply(self.durable, path, inode)
        self.pending = [change for change in self.pending if change not in mine]

    def survivors(self, keeps: Callable[[], bool]) -> dict[str, Inode]:
        """The names after a power loss; ``keeps`` says of each unflushed change whether the disk has it anyway."""
        names = dict(self.durable)
        for path, inode in self.pending:
            if keeps():
                apply(names, path, inode)
        return {path: inode for path, inode in names.items() if reachable(path, names)}


def apply(names: dict[str, Inode], path: str, inode: Inode | None) -> None:
    if inode is None:
        names.pop(path, None)
    else:
        names[path] = inode


def reachable(path: str, names: dict[str, Inode]) -> bool:
    return path == "." or (path in names and reachable(str(Path(path).parent), names))


def write_out(names: dict[str, Inode], root: Path, keeps: Callable[[], bool]) -> None:
    root.mkdir()
    for path, inode in sorted(names.items()):
        if inode.is_directory:
            (root / path).mkdir(exist_ok=True)
        elif inode.durable is not None:
            (root / path).write_bytes(inode.durable)
        else:
            (root / path).write_bytes(inode.content if keeps() else inode.content[: len(inode.content) // 2])


OBJECTS = {
    "l/a/r/run": b"run record",
    "l/a/p/00/pack-0": b"pack" * 100,
    "l/a/p/00/pack-1": b"other pack" * 100,
    "l/a/p/ff/pack-2": b"third pack" * 100,
    "l/a/q/run": b"pack list",
    "l/a/m/000000000001": b"manifest",
    "l/a/m/000000000001.c": b"commit",
    "l/b/m/empty": b"",
}


def record(root: Path) -> tuple[list[Call], dict[str, int]]:
    """Put everything; return the calls, and after how many of them each object was acknowledged."""
    root.mkdir()
    calls = RecordingCalls(root)
    store = FilesystemStore(root, calls=calls)
    acknowledged = {}
    for name, content in OBJECTS.items():
        assert store.put_if_absent(name, content) is PutOutcome.CREATED
        acknowledged[name] = len(calls.log)
    assert store.put_if_absent("l/a/q/run", b"again") is PutOutcome.EXISTED
    return calls.log, acknowledged


CHANCES = {"keeps all": lambda: True, "keeps nothing": lambda: False}


@pytest.mark.parametrize("chance", [*CHANCES, *range(4)])
def test_after_any_call_the_store_holds_what_it_acknowledged_and_nothing_torn(
    tmp_path: Path, chance: str | int
) -> None:
    log, acknowledged = record(tmp_path / "original")
    dice = random.Random(chance)
    keeps = CHANCES[chance] if isinstance(chance, str) else lambda: dice.random() < 0.5
    disk = Disk()
    for number, call in enumerate([Call("begin"), *log]):
        if call.kind != "begin":
            disk.replay(call)
        root = tmp_path / f"after-{number}"
        write_out(disk.survivors(keeps), root, keeps)
        store = FilesystemStore(root, calls=UnflushedCalls())
        found = {stat.name: store.read(stat.name, limit_bytes=10_000) for stat in store.list_objects("")}
        assert found.items() <= OBJECTS.items()
        assert {name for name, at in acknowledged.items() if at <= number} <= set(found)
        # It is a working store: the run is repeated on it and leaves nothing but the objects.
        for name, content in OBJECTS.items():
            store.put_if_absent(name, content)
        store.put_if_absent("next", b"")  # whoever writes tidies up
        left = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
        assert left == {*OBJECTS, "next"}
    assert number > 50


def test_every_object_has_its_file_flushed_then_linked_then_its_directories_flushed(tmp_path: Path) -> None:
    log, acknowledged = record(tmp_path / "original")
    start = 0
    for name, end in acknowledged.items():
        mine = log[start:end]
        link = next(number for number, call in enumerate(mine) if call.other == name)
        temporary = mine[link].path
        assert Call("sync", temporary) in mine[:link]
        assert Call("sync_directory", str(Path(name).parent)) in mine[link:]
        writes = [number for number, call in enumerate(mine) if call.kind == "write"]
        assert all(number < mine.index(Call("sync", temporary)) for number in writes)
        start = end
    made = {call.path for call in log if call.kind == "make_directory"} - {".incoming"}
    flushed = {call.path for call in log if call.kind == "sync_directory"}
    assert {str(Path(path).parent) for path in made} <= flushed


def test_a_directory_that_another_process_just_made_is_flushed_too(tmp_path: Path) -> None:
    (tmp_path / "l/a").mkdir(parents=True)  # its maker has not flushed yet, and dies now
    calls = RecordingCalls(tmp_path)
    FilesystemStore(tmp_path, calls=calls).put_if_absent("l/a/x", b"")
    assert [call.path for call in calls.log if call.kind == "sync_directory"] == [".", "l", "l/a"]


def test_an_object_that_exists_is_durable_before_we_say_so(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    calls = RecordingCalls(tmp_path)
    assert FilesystemStore(tmp_path, calls=calls).put_if_absent("x", b"") is PutOutcome.EXISTED
    assert calls.log == [Call("sync_directory", ".")]


def test_a_new_repository_directory_is_durable_with_all_its_parents(tmp_path: Path) -> None:
    calls = RecordingCalls(tmp_path)
    prepare_directory(tmp_path / "a/b", calls=calls)
    assert calls.log == [
        Call("make_directory", "a"),
        Call("sync_directory", "."),
        Call("make_directory", "a/b"),
        Call("sync_directory", "a"),
    ]


class Without(RecordingCalls):
    """A store that forgot one kind of call."""

    def __init__(self, root: Path, forgotten: str) -> None:
        super().__init__(root)
        self.forgotten = forgotten

    def note(self, kind: str, path: str = "", other: str = "", content: bytes = b"") -> None:
        if kind != self.forgotten:
            super().note(kind, path, other, content)


@pytest.mark.parametrize("forgotten", ["sync", "sync_directory"])
def test_the_replay_notices_a_forgotten_flush(tmp_path: Path, forgotten: str) -> None:
    root = tmp_path / "original"
    root.mkdir()
    calls: SystemCalls = Without(root, forgotten)
    FilesystemStore(root, calls=calls).put_if_absent("l/x", b"content")
    disk = Disk()
    for call in calls.log:  # type: ignore[attr-defined]
        disk.replay(call)
    survivors = disk.survivors(lambda: forgotten == "sync")
    assert survivors.get("l/x", Inode()).durable != b"content"

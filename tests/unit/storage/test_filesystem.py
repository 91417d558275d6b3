"""What is special about a directory as a store: modes, temporary files, strange neighbours, a failing disk."""

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drorch.errors import (
    DrorchError,
    ObjectCorrupt,
    ObjectMissing,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreMissing,
    StoreUnavailable,
    StoreUnfit,
)
from drorch.storage.filesystem import FilesystemStore, prepare_directory
from drorch.storage.filesystem_errors import our_errors
from drorch.storage.interface import PutOutcome
from drorch.storage.system_calls import PosixCalls


class FailingCalls(PosixCalls):
    """The disk fails at one call, as often as ``times`` says."""

    def __init__(self, call: str, number: int, times: int = 10**9) -> None:
        self.call = call
        self.number = number
        self.times = times
        self.fired = 0

    def __getattribute__(self, name: str) -> object:
        if name == object.__getattribute__(self, "call") and self.fired < self.times:
            self.fired += 1
            number = self.number

            def fail(*_: object) -> None:
                raise OSError(number, os.strerror(number))

            return fail
        return object.__getattribute__(self, name)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def files_below(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def test_only_the_owner_may_look_whatever_the_umask(tmp_path: Path, open_umask: None) -> None:
    root = tmp_path / "backups" / "drorch"
    prepare_directory(root)
    FilesystemStore(root).put_if_absent("l/ab/p/00/pack", b"content")
    for path in (root.parent, root, *root.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_nothing_temporary_is_left_and_an_existing_object_costs_no_write(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    store.put_if_absent("a/b", b"first")
    assert store.put_if_absent("a/b", b"second") is PutOutcome.EXISTED
    assert files_below(tmp_path) == ["a/b"]
    assert (tmp_path / "a/b").stat().st_nlink == 1


def test_a_temporary_file_of_a_dead_process_is_removed_and_never_listed(tmp_path: Path) -> None:
    (tmp_path / ".incoming").mkdir()
    stale = tmp_path / ".incoming" / "4711-0"
    stale.write_bytes(b"half")
    store = FilesystemStore(tmp_path)
    assert list(store.list_objects("")) == []
    assert stale.exists()  # reading changes nothing
    store.put_if_absent("a", b"")
    assert files_below(tmp_path) == ["a"]


def test_what_waits_for_a_writer_among_the_temporary_files_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / ".incoming").mkdir()
    os.mkfifo(tmp_path / ".incoming" / "4711-0")
    assert FilesystemStore(tmp_path).put_if_absent("a", b"a") is PutOutcome.CREATED


def test_a_temporary_file_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".incoming").mkdir()
    with (tmp_path / ".incoming" / "4711-0").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        FilesystemStore(tmp_path).put_if_absent("a", b"")
        assert files_below(tmp_path) == [".incoming/4711-0", "a"]


def test_a_sweeper_between_create_and_lock_costs_only_another_try(tmp_path: Path) -> None:
    class SweptOnce(PosixCalls):
        swept = False

        def create(self, path: str) -> int:
            descriptor = super().create(path)
            if not self.swept:
                self.swept = True
                Path(path).unlink()
            return descriptor

    calls = SweptOnce()
    store = FilesystemStore(tmp_path, calls=calls)
    assert store.put_if_absent("a", b"content") is PutOutcome.CREATED
    assert calls.swept
    assert files_below(tmp_path) == ["a"]


def test_names_of_temporary_files_that_are_taken_are_passed_over(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    store.put_if_absent("a", b"")

    class TakenOnce(PosixCalls):
        refused = 0

        def create(self, path: str) -> int:
            if not self.refused:
                self.refused += 1
                raise FileExistsError(errno.EEXIST, "exists")
            return super().create(path)

    calls = TakenOnce()
    assert FilesystemStore(tmp_path, calls=calls).put_if_absent("b", b"") is PutOutcome.CREATED
    assert calls.refused == 1


def test_a_short_write_is_continued(tmp_path: Path) -> None:
    class OneByteAtATime(PosixCalls):
        def write(self, descriptor: int, content: memoryview) -> int:
            return super().write(descriptor, content[:1])

    store = FilesystemStore(tmp_path, calls=OneByteAtATime())
    store.put_if_absent("a", b"content")
    assert store.read("a", limit_bytes=100) == b"content"


@pytest.mark.parametrize(
    ("call", "number", "expected"),
    [
        ("write", errno.ENOSPC, StoreFull),
        ("write", errno.EDQUOT, StoreFull),
        ("sync", errno.ENOSPC, StoreFull),
        ("create", errno.EACCES, StoreDenied),
        ("create", errno.EROFS, StoreDenied),
        ("make_directory", errno.EACCES, StoreDenied),
        ("link", errno.EPERM, StoreUnfit),
        ("link", errno.EOPNOTSUPP, StoreUnfit),
        ("link", errno.EXDEV, StoreUnfit),
        ("link", errno.EACCES, StoreDenied),
        ("sync", errno.EIO, StoreUnavailable),
        ("sync_directory", errno.EIO, StoreUnavailable),
        ("sync_directory", errno.EINVAL, StoreUnfit),
        ("write", errno.ESTALE, StoreUnavailable),
        ("link", errno.ENOTTY, StoreError),
    ],
)
def test_a_failing_disk_is_named_and_nothing_half_written_is_left(
    tmp_path: Path, call: str, number: int, expected: type[StoreError]
) -> None:
    calls = FailingCalls(call, number)
    store = FilesystemStore(tmp_path, calls=calls)
    with pytest.raises(StoreError) as caught:
        store.put_if_absent("l/a", b"content")
    assert type(caught.value) is expected
    assert calls.fired > 0
    assert str(tmp_path) in caught.value.message
    if call != "sync_directory":  # the name is there, but it was not promised
        assert files_below(tmp_path) == []
    assert FilesystemStore(tmp_path).put_if_absent("l/a", b"content") in PutOutcome
    assert files_below(tmp_path) == ["l/a"]


def test_every_number_of_an_operating_system_error_becomes_ours() -> None:
    for number in errno.errorcode:
        with pytest.raises(DrorchError), our_errors("/", "a"):
            raise OSError(number, "x")


def test_a_directory_that_was_tidied_away_is_made_again(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    store.put_if_absent("l/a/1", b"")
    store.delete(["l/a/1"])
    (tmp_path / "l/a").rmdir()
    (tmp_path / "l").rmdir()
    (tmp_path / ".incoming").rmdir()
    assert store.put_if_absent("l/a/2", b"") is PutOutcome.CREATED


def test_a_disk_that_is_unmounted_meanwhile_is_missing_and_is_not_made(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    prepare_directory(root)
    store = FilesystemStore(root)
    store.put_if_absent("a", b"")
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreMissing, match="is not there"):
        store.put_if_absent("b", b"")
    with pytest.raises(StoreMissing):
        list(store.list_objects(""))
    assert not root.exists()


def test_strangers_in_the_directory_are_no_objects(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    store.put_if_absent("l/a", b"")
    (tmp_path / "lost+found").mkdir(mode=0)
    (tmp_path / "Thumbs.db").write_bytes(b"")
    (tmp_path / ".DS_Store").write_bytes(b"")
    (tmp_path / "l" / "link").symlink_to(tmp_path / "l" / "a")
    (tmp_path / "l" / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "l" / "pipe")
    assert [found.name for found in store.list_objects("")] == ["l/a"]
    assert list(store.list_folders("")) == ["l/"]


def test_what_is_no_plain_file_is_never_read(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ObjectCorrupt, match="not a plain file"):
        store.read("link", limit_bytes=100)
    for name in ("folder", "pipe", "secret/below"):
        with pytest.raises(ObjectMissing):
            store.read(name, limit_bytes=100)


def test_an_empty_folder_holds_no_lane(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    store.put_if_absent("l/a/1", b"")
    store.put_if_absent("l/b/1", b"")
    store.delete(["l/a/1"])
    assert list(store.list_folders("l/")) == ["l/b/"]


def test_a_listing_has_the_order_of_whole_names(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    names = ["h/0.1+x/f", "h/0.1-y/f", "h/0.1.1/f", "h/0.1/f", "m/1", "m/1.c", "m/1~1"]
    for name in names:
        store.put_if_absent(name, b"")
    assert [found.name for found in store.list_objects("")] == names


def test_an_object_deleted_during_a_listing_is_left_out(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    for number in range(3):
        store.put_if_absent(f"a/{number}", b"")
    listing = store.list_objects("a/")
    assert next(listing).name == "a/0"
    store.delete(["a/1"])
    assert [found.name for found in listing] == ["a/2"]


@pytest.mark.parametrize(
    "ask", [lambda store: store.server_time(), lambda store: store.put_if_absent("a", b"")], ids=["time", "put"]
)
def test_a_read_only_file_system_is_denied(tmp_path: Path, ask: Callable[[FilesystemStore], object]) -> None:
    calls = FailingCalls("create", errno.EROFS)
    with pytest.raises(StoreDenied):
        ask(FilesystemStore(tmp_path, calls=calls))
    assert calls.fired > 0


def test_two_stores_of_one_directory_race_for_a_name_and_one_wins(tmp_path: Path) -> None:
    stores = [FilesystemStore(tmp_path) for _ in range(4)]
    barrier = threading.Barrier(4)
    outcomes: list[PutOutcome] = []

    def put(number: int) -> None:
        for name in range(20):
            barrier.wait()
            outcomes.append(stores[number].put_if_absent(f"x/{name}", f"{number}".encode()))

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(PutOutcome.CREATED) == 20
    assert len(files_below(tmp_path)) == 20

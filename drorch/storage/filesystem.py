"""A store in a directory: a local disk, a mounted share, a removable disk.

An object is written to a temporary file, flushed, linked under its name (``link`` fails when the name is
taken; ``rename`` would overwrite), and its directory and every new parent are flushed before the put returns.
The store's own directory is never made by a put: an empty mount point must not fill up in silence.
"""

from __future__ import annotations

import errno
import os
import stat as modes
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from drorch.errors import ObjectCorrupt, ObjectMissing, StoreUnfit
from drorch.storage.filesystem_errors import our_errors
from drorch.storage.incoming import Incoming
from drorch.storage.interface import Bytes, ObjectStat, PutOutcome
from drorch.storage.names import check_content, check_name, check_prefix, check_range, is_name
from drorch.storage.system_calls import PosixCalls, SystemCalls

# Made by mkfs in the root of a disk; only root may look inside.
_NOT_OURS = "lost+found"


class FilesystemStore:
    """Objects as files below ``directory``, which must exist (``prepare_directory``)."""

    def __init__(self, directory: Path, *, calls: SystemCalls | None = None) -> None:
        self._root = directory.absolute()
        self._calls = calls or PosixCalls()
        self._incoming = Incoming(self._root, self._calls)
        self._lock = threading.Lock()
        self._durable_directories = {self._root}

    @property
    def address(self) -> str:
        """See ``ObjectStore``."""
        return str(self._root)

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        """See ``ObjectStore``."""
        check_content(name, len(content))
        path = self._root / name
        with our_errors(self.address, name):
            self._root.stat()
            try:
                return self._put(path, content)
            except FileNotFoundError:
                self._forget_directories()  # somebody tidied up directories that we had made
                return self._put(path, content)

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """See ``ObjectStore``."""
        check_name(name)
        with our_errors(self.address, name), _OpenObject(self._root / name, name) as found:
            if found.size_bytes > limit_bytes:
                raise ObjectCorrupt(
                    f"{name} is too long", expected=f"<= {limit_bytes} bytes", found=f"{found.size_bytes} bytes"
                )
            return found.read(0, found.size_bytes)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See ``ObjectStore``."""
        check_range(name, offset, length)
        with our_errors(self.address, name), _OpenObject(self._root / name, name) as found:
            return found.read(offset, length)

    def stat(self, name: str) -> ObjectStat:
        """See ``ObjectStore``."""
        check_name(name)
        with our_errors(self.address, name), _OpenObject(self._root / name, name) as found:
            return ObjectStat(name=name, size_bytes=found.size_bytes, stored_at=_moment(found.changed_at))

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """See ``ObjectStore``."""
        check_prefix(prefix)
        with our_errors(self.address, f"the names that begin with {prefix!r}"):
            self._root.stat()  # a store that is not there is not an empty one
            yield from self._walk(prefix.rpartition("/")[0], prefix)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        check_prefix(prefix)
        with our_errors(self.address, f"the folders that begin with {prefix!r}"):
            self._root.stat()
            for name, entry in self._entries(prefix.rpartition("/")[0], prefix):
                if entry.is_dir(follow_symlinks=False) and any(True for _ in self._walk(name, f"{name}/")):
                    yield f"{name}/"

    def delete(self, names: Sequence[str]) -> None:
        """See ``ObjectStore``."""
        for name in names:
            check_name(name)
        touched = set()
        for name in names:
            with our_errors(self.address, name):
                self._root.stat()
                try:
                    self._calls.unlink(str(self._root / name))
                except FileNotFoundError:
                    continue
                touched.add((self._root / name).parent)
        for directory in sorted(touched):
            with our_errors(self.address, str(directory)):
                self._calls.sync_directory(str(directory))

    def locked_until(self, name: str) -> datetime | None:
        """Return ``None``: nothing in a directory can be locked against its owner."""
        self.stat(name)
        return None

    def extend_lock(self, name: str, until: datetime) -> None:
        """Raise ``StoreUnfit``."""
        raise StoreUnfit(
            f"{self.address} cannot lock {name}",
            expected=f"a bucket with Object Lock, until {until:%Y-%m-%d}",
            found="a directory",
        )

    def hidden(self, prefix: str) -> Iterator[str]:
        """Yield nothing: what is deleted is gone."""
        check_prefix(prefix)
        yield from ()

    def server_time(self) -> datetime:
        """Return the clock that dates the files, which is the file server's on a share.

        Raises ``StoreDenied`` where nothing may be written.
        """
        with our_errors(self.address, "a new file"):
            return _moment(self._incoming.touch())

    def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    def _put(self, path: Path, content: Bytes) -> PutOutcome:
        self._make_durable(path.parent)
        outcome = PutOutcome.EXISTED if os.path.lexists(path) else self._write(path, content)
        # Also when it existed: its writer may have died, or not come so far yet, and the caller relies on it.
        self._calls.sync_directory(str(path.parent))
        return outcome

    def _forget_directories(self) -> None:
        with self._lock:
            self._durable_directories = {self._root}
        self._incoming = Incoming(self._root, self._calls)

    def _write(self, path: Path, content: Bytes) -> PutOutcome:
        with self._incoming.holding(content) as temporary:
            try:
                self._calls.link(temporary, str(path))
            except FileExistsError:
                return PutOutcome.EXISTED
            except PermissionError as error:
                if error.errno == errno.EPERM:  # what FAT and exFAT answer
                    raise StoreUnfit(
                        f"the file system of {self.address} has no hard links", hint="format it with ext4 or XFS"
                    ) from error
                raise
        return PutOutcome.CREATED

    def _make_durable(self, directory: Path) -> None:
        """Make ``directory`` and its parents, and flush each name, also of those that another process made."""
        with self._lock:
            if directory in self._durable_directories:
                return
        self._make_durable(directory.parent)
        with suppress(FileExistsError):
            self._calls.make_directory(str(directory))
        self._calls.sync_directory(str(directory.parent))
        with self._lock:
            self._durable_directories.add(directory)

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectStat]:
        """Yield the objects in and below ``folder`` that begin with ``prefix``, in the order of their whole names."""
        for name, entry in self._entries(folder, prefix):
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(name, prefix)
            elif entry.is_file(follow_symlinks=False):
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # deleted while we looked
                yield ObjectStat(name=name, size_bytes=found.st_size, stored_at=_moment(found.st_mtime))

    def _entries(self, folder: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        try:
            with os.scandir(self._root / folder) as found:
                entries = [(f"{folder}/{entry.name}" if folder else entry.name, entry) for entry in found]
        except (FileNotFoundError, NotADirectoryError):
            return
        # A folder sorts as if its name ended in "/": so sorts the whole name of what is inside.
        entries.sort(key=lambda item: item[0] + "/" if item[1].is_dir(follow_symlinks=False) else item[0])
        for name, entry in entries:
            begins = name.startswith(prefix) or prefix.startswith(f"{name}/")
            if begins and is_name(name) and name != _NOT_OURS:
                yield name, entry


class _OpenObject:
    """A file that is read; a context manager."""

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        # Without O_NONBLOCK a named pipe that somebody left here would stop us for ever.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(self._descriptor)
        self.is_file = modes.S_ISREG(found.st_mode)
        self.size_bytes = found.st_size
        self.changed_at = found.st_mtime

    def __enter__(self) -> Self:
        if not self.is_file:
            os.close(self._descriptor)
            raise ObjectMissing(f"{self._name} is no file")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read(self, offset: int, length: int) -> bytes:
        if offset + length > self.size_bytes:
            raise ObjectCorrupt(
                f"{self._name} is too short", expected=f">= {offset + length} bytes", found=f"{self.size_bytes} bytes"
            )
        pieces = []
        while length:
            piece = os.pread(self._descriptor, length, offset)
            if not piece:
                raise ObjectCorrupt(f"{self._name} became shorter while it was read")
            pieces.append(piece)
            offset, length = offset + len(piece), length - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def prepare_directory(directory: Path, *, calls: SystemCalls | None = None) -> None:
    """Make ``directory`` and the parents that are missing, durably, readable by their owner only.

    Raises ``StoreDenied``, ``StoreFull`` or ``StoreMissing`` (something else has the name).
    """
    calls = calls or PosixCalls()
    with our_errors(str(directory.absolute()), "its directory"):
        for path in (*reversed(directory.absolute().parents), directory.absolute()):
            if not path.is_dir():
                calls.make_directory(str(path))
                calls.sync_directory(str(path.parent))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

"""Read one file, and tell whether it stood still meanwhile."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from drorch.sources.files.attributes import read_xattrs
from drorch.sources.files.names import SEPARATOR, components
from drorch.sources.files.walking import OPEN_DIRECTORY, reason

PIECE_BYTES: Final = 2**20
SMALL_BYTES: Final = 2**18  # a file up to that size is read in one go
ATTEMPTS: Final = 2
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)  # the last: it is a socket or a pipe now


class Gone(Exception):
    """The file is not there any more, or something else has its name."""


class Unreadable(Exception):
    """The file is there and cannot be read; the first argument says why."""


@dataclass(slots=True)
class Reading:
    """What was read of one file. ``start`` is how far into all that was yielded its good copy begins."""

    status: os.stat_result
    xattrs: Mapping[bytes, bytes]
    size: int
    sha256: bytes
    is_unsettled: bool = False
    start: int = 0


class Directories:
    """Opens files below a base by descriptors, keeping open the directories of the path that was asked for last."""

    def __init__(self, base: bytes) -> None:
        self._names: list[bytes] = []
        self._open = [os.open(base, OPEN_DIRECTORY)]
        self._last: bytes | None = b""

    def parent_of(self, path: bytes) -> tuple[int, bytes]:
        """Return the open directory that ``path`` lies in and its name there; raises ``OSError``."""
        directory, _, name = path.rpartition(SEPARATOR)
        if directory != self._last:
            self._last = None
            self._go_to(components(directory))
            self._last = directory
        return self._open[-1], name

    def _go_to(self, above: tuple[bytes, ...]) -> None:
        same = 0
        while same < min(len(above), len(self._names)) and above[same] == self._names[same]:
            same += 1
        while len(self._names) > same:
            self._names.pop()
            os.close(self._open.pop())
        for each in above[same:]:
            self._open.append(os.open(each, OPEN_DIRECTORY, dir_fd=self._open[-1]))
            self._names.append(each)

    def leave(self) -> None:
        """Keep only the base open: directories may be changed or renamed from outside now."""
        self._names.clear()
        self._last = b""
        while len(self._open) > 1:
            os.close(self._open.pop())

    def close(self) -> None:
        """Close every directory."""
        for descriptor in self._open:
            os.close(descriptor)
        self._open.clear()


def same_moment(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether a file was not written between two looks at it."""
    return (one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) == (
        other.st_dev,
        other.st_ino,
        other.st_size,
        other.st_mtime_ns,
        other.st_ctime_ns,
    )


@dataclass(slots=True)
class FileReader:
    """Reads files of one tree. ``check`` is called for every piece and may raise, to stop."""

    directories: Directories
    check: Callable[[], None]
    _view: memoryview = field(default_factory=lambda: memoryview(bytearray(PIECE_BYTES)))

    def open(self, path: bytes) -> int:
        """Open a file, which the caller closes, and let its first bytes come nearer meanwhile; raises ``Gone`` and ``Unreadable``."""
        try:
            descriptor = self._open(path)
        except OSError as error:
            raise failure_of(error) from error
        with suppress(OSError):
            os.posix_fadvise(descriptor, 0, SMALL_BYTES, os.POSIX_FADV_WILLNEED)
        return descriptor

    def read_small(self, descriptor: int, waiting: bytearray) -> Reading | None:
        """Append the bytes of an open file to ``waiting``, unless it changes meanwhile; ``None`` when it is large.

        Raises ``Gone`` and ``Unreadable``.
        """
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise Gone
            if before.st_size > SMALL_BYTES:
                return None
            whole = self._whole(descriptor, before.st_size)
            xattrs = read_xattrs(descriptor)
            after = os.fstat(descriptor)
        except OSError as error:
            raise failure_of(error) from error
        if len(whole) != after.st_size or not same_moment(before, after):
            return Reading(before, xattrs, len(whole), b"", is_unsettled=True)
        waiting += whole
        return Reading(after, xattrs, len(whole), hashlib.sha256(whole).digest())

    def read(self, path: bytes, attempts: int = ATTEMPTS) -> Generator[memoryview, None, Reading]:
        """Yield the bytes of a file, and those of a second try when it changed during the first; return what was read.

        A piece is valid until the next is asked for. A file is read to the size that it had at the start: one that grows
        without end comes to an end. Raises ``Gone`` and ``Unreadable``; what was yielded before counts for nothing.
        """
        yielded = 0
        while True:
            attempts -= 1
            with _failures(), self._opened(path) as descriptor:
                before = os.fstat(descriptor)
                start, digest, size = yielded, hashlib.sha256(), 0
                for piece in self._pieces(descriptor, before.st_size):
                    digest.update(piece)
                    size += len(piece)
                    yielded += len(piece)
                    yield piece
                xattrs = read_xattrs(descriptor)
                after = os.fstat(descriptor)
            is_unsettled = not same_moment(before, after) or size != after.st_size
            if not is_unsettled or not attempts:
                status = before if is_unsettled else after
                return Reading(status, xattrs, size, digest.digest(), is_unsettled, start)

    def digest(self, path: bytes) -> bytes:
        """Return the SHA-256 of a file; raises ``Gone`` and ``Unreadable``."""
        with _failures(), self._opened(path) as descriptor:
            digest = hashlib.sha256()
            for piece in self._pieces(descriptor, os.fstat(descriptor).st_size):
                digest.update(piece)
            return digest.digest()

    def _whole(self, descriptor: int, size: int) -> memoryview:
        view, length = self._view, 0
        while length < size and (more := os.readv(descriptor, [view[length:size]])):
            length += more
        return view[:length]

    def _pieces(self, descriptor: int, size: int) -> Iterator[memoryview]:
        while size > 0:
            self.check()
            length = os.readv(descriptor, [self._view[: min(size, PIECE_BYTES)]])
            if not length:
                return
            size -= length
            yield self._view[:length]

    @contextmanager
    def _opened(self, path: bytes) -> Iterator[int]:
        """Open a file; what is no file any more is ``Gone``."""
        descriptor = self._open(path)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Gone
            yield descriptor
        finally:
            os.close(descriptor)

    def _open(self, path: bytes) -> int:
        """Open without touching the access time where that is allowed."""
        directory, name = self.directories.parent_of(path)
        try:
            return os.open(name, _OPEN_FILE | os.O_NOATIME, dir_fd=directory)
        except PermissionError:
            return os.open(name, _OPEN_FILE, dir_fd=directory)


def failure_of(error: OSError) -> Gone | Unreadable:
    """Return what it means for a file that a call failed so."""
    return Gone() if error.errno in _GONE else Unreadable(reason(error))


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise failure_of(error) from error

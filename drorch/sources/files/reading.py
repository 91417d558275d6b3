"""Read one file, and tell whether it stood still meanwhile."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from drorch.sources.files.attributes import metadata_of, read_xattrs
from drorch.sources.files.lines import Metadata
from drorch.sources.files.names import components
from drorch.sources.files.walking import OPEN_DIRECTORY, reason

PIECE_BYTES: Final = 2**20
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

    status: os.stat_result | None = None
    metadata: Metadata | None = None
    start: int = 0
    size: int = 0
    sha256: bytes = b""
    is_unsettled: bool = False


class Directories:
    """Opens files below a base by descriptors, keeping open the directories of the path that was asked for last."""

    def __init__(self, base: bytes) -> None:
        self._names: list[bytes] = []
        self._open = [os.open(base, OPEN_DIRECTORY)]

    def parent_of(self, path: bytes) -> tuple[int, bytes]:
        """Return the open directory that ``path`` lies in and its name there; raises ``OSError``."""
        *above, name = components(path)
        same = 0
        while same < min(len(above), len(self._names)) and above[same] == self._names[same]:
            same += 1
        while len(self._names) > same:
            self._names.pop()
            os.close(self._open.pop())
        for each in above[same:]:
            self._open.append(os.open(each, OPEN_DIRECTORY, dir_fd=self._open[-1]))
            self._names.append(each)
        return self._open[-1], name

    def leave(self) -> None:
        """Keep only the base open: directories may be changed or renamed from outside now."""
        self._names.clear()
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
    _buffer: bytearray = field(default_factory=lambda: bytearray(PIECE_BYTES))

    def read(self, path: bytes, result: Reading) -> Iterator[memoryview]:
        """Yield the bytes of a file, and those of a second try when it changed during the first; fill ``result``.

        A piece is valid until the next is asked for. A file is read to the size that it had at the start: one that grows
        without end comes to an end. Raises ``Gone`` and ``Unreadable``; what was yielded before counts for nothing.
        """
        yielded = 0
        for _attempt in range(ATTEMPTS):
            with _failures(), self._opened(path) as descriptor:
                before = os.fstat(descriptor)
                result.start, digest, size = yielded, hashlib.sha256(), 0
                for piece in self._pieces(descriptor, before.st_size):
                    digest.update(piece)
                    size += len(piece)
                    yielded += len(piece)
                    yield piece
                result.metadata = metadata_of(before, read_xattrs(descriptor))
                after = os.fstat(descriptor)
                result.status, result.size, result.sha256 = after, size, digest.digest()
                result.is_unsettled = not same_moment(before, after) or size != after.st_size
            if not result.is_unsettled:
                return

    def digest(self, path: bytes) -> bytes:
        """Return the SHA-256 of a file; raises ``Gone`` and ``Unreadable``."""
        with _failures(), self._opened(path) as descriptor:
            digest = hashlib.sha256()
            for piece in self._pieces(descriptor, os.fstat(descriptor).st_size):
                digest.update(piece)
            return digest.digest()

    def _pieces(self, descriptor: int, size: int) -> Iterator[memoryview]:
        view = memoryview(self._buffer)
        while size > 0:
            self.check()
            length = os.readv(descriptor, [view[: min(size, PIECE_BYTES)]])
            if not length:
                return
            size -= length
            yield view[:length]

    @contextmanager
    def _opened(self, path: bytes) -> Iterator[int]:
        """Open a file without touching its access time where that is allowed; what is no file any more is ``Gone``."""
        directory, name = self.directories.parent_of(path)
        try:
            descriptor = os.open(name, _OPEN_FILE | os.O_NOATIME, dir_fd=directory)
        except PermissionError:
            descriptor = os.open(name, _OPEN_FILE, dir_fd=directory)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Gone
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _GONE:
            raise Gone from error
        raise Unreadable(reason(error)) from error

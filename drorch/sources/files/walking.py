"""Walk the trees of a policy by directory descriptors, in the order of the listing; no link is ever followed.

A name that turns into something else between two calls is seen as one or the other, never as something outside of the tree.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from drorch.sources.files.names import SEPARATOR, below, components
from drorch.sources.files.patterns import Patterns

DEEPEST = 400  # directories are held open from the base to where the walk is; a process may open 1,024 files
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Found(NamedTuple):
    """A name of the tree, as ``lstat`` saw it. ``directory`` is a descriptor that is open until the next one is asked for.

    ``failure`` says why a directory could not be read, or, without a ``status``, why nothing can be said of a name;
    ``is_elsewhere`` that it is on another file system and left out. A tuple, since there may be millions.
    """

    path: bytes
    name: bytes
    directory: int
    status: os.stat_result | None
    failure: str = ""
    is_elsewhere: bool = False


@dataclass(slots=True)
class _Frame:
    path: bytes
    descriptor: int
    names: Iterator[bytes]
    device: int | None
    root: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What to walk. ``roots`` are relative to ``base``, sorted, and none lies in another unless on another file system.

    ``check`` is called for every name and may raise, to stop.
    """

    base: bytes
    roots: Sequence[bytes]
    exclude: Patterns
    one_file_system: bool
    check: Callable[[], None]

    def names(self) -> Iterator[Found]:
        """Yield every name, a directory before what is in it. Raises ``OSError`` only for the base itself."""
        stack: list[_Frame] = []
        top = os.open(self.base, OPEN_DIRECTORY)
        stack.append(self._enter(b"", top, os.fstat(top), None, None))
        try:
            yield Found(b"", b".", top, os.fstat(top))
            while stack:
                entered = yield from self._until_entered(stack)
                if entered is None:
                    os.close(stack.pop().descriptor)
                    continue
                stack.append(entered)
                yield Found(entered.path, b".", entered.descriptor, os.fstat(entered.descriptor))
        finally:
            for frame in stack:
                os.close(frame.descriptor)

    def _until_entered(self, stack: list[_Frame]) -> Generator[Found, None, _Frame | None]:
        """Yield what is in the innermost directory up to the next one in it, and return that; ``None`` at the end."""
        frame = stack[-1]
        directory, prefix = frame.descriptor, frame.path + SEPARATOR if frame.path else b""
        for name in frame.names:
            self.check()
            path = prefix + name
            try:
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                continue  # it went between the listing of its directory and now: as if it had gone before
            except OSError as error:
                yield Found(path, name, directory, None, reason(error))
                continue
            is_directory = stat.S_ISDIR(status.st_mode)
            if frame.root is not None and path not in self.roots:
                if self._is_excluded(path, frame.root, is_directory=is_directory):
                    continue
                if self.one_file_system and frame.device is not None and status.st_dev != frame.device:
                    yield Found(path, name, directory, status, is_elsewhere=True)
                    continue
            if not is_directory:
                yield Found(path, name, directory, status)
                continue
            try:
                return self._open(stack, path, name)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):  # it is no directory any more
                    yield Found(path, name, directory, status, reason(error))
        return None

    def _is_excluded(self, path: bytes, root: bytes, *, is_directory: bool) -> bool:
        if self.exclude.is_empty:
            return False
        return self.exclude.fit(path[len(root) :].lstrip(SEPARATOR), is_directory=is_directory)

    def _open(self, stack: list[_Frame], path: bytes, name: bytes) -> _Frame:
        if len(stack) > DEEPEST:
            raise OSError(errno.ENAMETOOLONG, f"deeper than {DEEPEST} directories")
        above, is_root = stack[-1], path in self.roots
        descriptor = os.open(name, OPEN_DIRECTORY, dir_fd=above.descriptor)
        root, device = (path, None) if is_root else (above.root, above.device)
        return self._enter(path, descriptor, os.fstat(descriptor), root, device)

    def _enter(
        self, path: bytes, descriptor: int, status: os.stat_result, root: bytes | None, device: int | None
    ) -> _Frame:
        """Return the frame of an open directory, which owns its descriptor from now on."""
        if root is None and path in self.roots:
            root = path
        try:
            names = self._leading(path) if root is None else sorted_names(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        return _Frame(path, descriptor, iter(names), status.st_dev if device is None else device, root)

    def _leading(self, path: bytes) -> list[bytes]:
        """Return the names in a directory above the roots that lead to them."""
        depth = len(components(path))
        return sorted({components(root)[depth] for root in self.roots if below(path, root) and root != path})


def sorted_names(descriptor: int) -> list[bytes]:
    """Return the names in an open directory in the order of their bytes: 64 bytes of memory each."""
    with os.scandir(descriptor) as entries:
        return sorted(os.fsencode(entry.name) for entry in entries)


def reason(error: OSError) -> str:
    """Return why something could not be read, in the words of the system."""
    return (error.strerror or type(error).__name__).lower()

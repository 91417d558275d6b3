"""Build a tree below a directory that is ours alone: directories, files with their bytes, links, and what they had, in that order.

Every name is made by a descriptor of its directory, never through a link and never over something that is there.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from drorch.errors import ObjectCorrupt, RestoreDiffers, TargetFull, TargetRefused
from drorch.sources.files.findings import Names
from drorch.sources.files.lines import CONTENT_PREFIX, Head, Kind, Line
from drorch.sources.files.listing import StoredListing
from drorch.sources.files.names import below, components, shown
from drorch.sources.files.reading import Directories
from drorch.sources.files.selection import Selection, Wanted
from drorch.sources.files.setting import Setter
from drorch.sources.files.walking import OPEN_DIRECTORY, reason
from drorch.sources.interface import Content, Observer, StoredStream

_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK_BYTES: Final = 4_096
_ZEROS: Final = bytes(_BLOCK_BYTES)
_TOLD_BYTES: Final = 2**18  # how often whoever watches is told
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(slots=True, kw_only=True)
class Builder:
    """One restore into ``root``, an empty directory; ``with_base`` says whether that itself gets what the base had."""

    root: bytes
    content: Content
    listing: StoredListing
    selection: Selection
    setter: Setter
    observer: Observer
    with_base: bool = True
    absent: Names = field(default_factory=Names)
    unsettled: Names = field(default_factory=Names)
    _directories: Directories = field(init=False)
    _done: int = 0
    _told: int = 0

    def build(self) -> None:
        """Build everything; raises ``TargetFull``, ``TargetRefused``, ``RestoreDiffers`` and what reading the snapshot raises."""
        self._directories = Directories(self.root)
        try:
            self._make_directories()
            self._directories.leave()
            for name, wanted in self.selection.contents.items():
                self._fill(self._stream(name), wanted)
            self._finish()
        finally:
            self._directories.close()

    # -- directories, and files without bytes

    def _make_directories(self) -> None:
        """Make the directories that are wanted, and those above what is wanted."""
        above: list[bytes] = []
        made = 0
        for _, head in self._structure():
            if not head.path:
                continue
            depth = len(components(head.path)) - 1
            del above[depth:]
            made = min(made, depth)
            if head.kind is Kind.DIRECTORY:
                above.append(head.path)
            if not self._is_made(head):
                continue
            for directory in above[made:]:
                with self._at(directory) as (parent, name):
                    os.mkdir(name, 0o700, dir_fd=parent)
            made = len(above)
            if head.kind is Kind.FILE and head.found.get("size") == 0:
                self._make_file(head.path, head.line(), iter(()))

    def _structure(self) -> Iterator[tuple[int, Head]]:
        """Yield what is more than a file with its bytes; everything where that depends on what is wanted."""
        if self.selection.patterns is None:
            return self.listing.heads_at(self.selection.structure)
        return self.listing.heads()

    def _is_made(self, head: Head) -> bool:
        if head.path in self.selection.instead or not self.selection.takes(head):
            return False
        if head.kind is Kind.ABSENT or "why" in head.found:
            self.absent.add(head.path, str(head.found.get("why", "")))
        return head.kind is not Kind.ABSENT

    # -- files

    def _stream(self, name: str) -> StoredStream:
        for stream in self.content.streams():
            if stream.spec.name == CONTENT_PREFIX + name:
                return stream
        raise ObjectCorrupt("a file lies in a stream that the snapshot does not have", found=name[:100])

    def _fill(self, stream: StoredStream, wanted: Wanted) -> None:
        """Write the files that lie in one content stream."""
        for numbers, start, length in wanted.stretches():
            pieces = _Pieces(self.content.open_range(stream, start, length))
            position = start
            for number in numbers:
                pieces.skip(wanted.offsets[number] - position)
                position = wanted.offsets[number] + wanted.sizes[number]
                line = self.listing.at(wanted.lines[number])
                path = self.selection.instead.get(line.path, line.path)
                self._make_file(path, line, pieces.take(wanted.sizes[number]))

    def _make_file(self, path: bytes, line: Line, pieces: Iterator[memoryview]) -> None:
        assert line.metadata is not None
        digest, write = hashlib.sha256(), _write_around_zeros if line.is_sparse else _write
        with self._at(path) as (parent, name):
            descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
            try:
                for piece in pieces:
                    digest.update(piece)
                    write(descriptor, piece)
                    self._tell(len(piece))
                if line.is_sparse:
                    os.ftruncate(descriptor, line.size)  # what was passed over at the end
                if digest.digest() != line.sha256:
                    raise RestoreDiffers(
                        f"{shown(path)} is not what was captured",
                        expected=f"SHA-256 {line.sha256.hex()[:16]}",
                        found=digest.hexdigest()[:16],
                    )
                self.setter.set(path, descriptor, line.metadata)
            finally:
                os.close(descriptor)
        if line.is_unsettled:
            self.unsettled.add(path)

    def _tell(self, size: int) -> None:
        self._done += size
        if self._done - self._told < _TOLD_BYTES and self._done < self.selection.bytes:
            return
        self._told = self._done
        self.observer.advance("files", self._done, max(self._done, self.selection.bytes), "bytes")

    # -- links, and what directories had

    def _finish(self) -> None:
        """Make the links; give each directory what it had when everything in it is there."""
        open_heads: list[Head] = []
        for _, head in self._structure():
            while open_heads and not below(open_heads[-1].path, head.path):
                self._set_directory(open_heads.pop())
            if head.kind is Kind.DIRECTORY:
                open_heads.append(head)
            elif (head.kind is Kind.SYMLINK or "same_as" in head.found) and self.selection.takes(head):
                self._make_link(head.line())
        while open_heads:
            self._set_directory(open_heads.pop())

    def _make_link(self, line: Line) -> None:
        if line.kind is Kind.SYMLINK:
            assert line.to is not None
            assert line.metadata is not None
            with self._at(line.path) as (parent, name):
                os.symlink(line.to, name, dir_fd=parent)
                self.setter.set_link(line.path, parent, name, line.metadata)
        elif line.same_as is not None:
            first = self.selection.instead.get(line.same_as, line.same_as)
            if first != line.path:
                self._make_hard_link(line.path, first)

    def _make_hard_link(self, path: bytes, first: bytes) -> None:
        origin = self._open_directory(first.rpartition(b"/")[0])
        try:
            with self._at(path) as (parent, name):
                os.link(first.rpartition(b"/")[2], name, src_dir_fd=origin, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(origin)

    def _set_directory(self, head: Head) -> None:
        if not head.path and not self.with_base:
            return
        line = head.line()
        assert line.metadata is not None
        self._directories.leave()
        with self._refusals(line.path):
            try:
                descriptor = self._open_directory(line.path)
            except FileNotFoundError:
                return  # nothing in it was wanted
            try:
                self.setter.set(line.path, descriptor, line.metadata)
            finally:
                os.close(descriptor)

    def _open_directory(self, path: bytes) -> int:
        """Return a descriptor of a directory of the tree, which the caller closes."""
        if not path:
            return os.open(self.root, OPEN_DIRECTORY)
        parent, name = self._directories.parent_of(path)
        return os.open(name, OPEN_DIRECTORY, dir_fd=parent)

    # -- the border

    @contextmanager
    def _at(self, path: bytes) -> Iterator[tuple[int, bytes]]:
        """Give the open directory in which ``path`` lies, and its name there."""
        with self._refusals(path):
            yield self._directories.parent_of(path)

    @contextmanager
    def _refusals(self, path: bytes) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise TargetFull(f"there is no room left for {shown(path)}", found=reason(error)) from error
            if error.errno == errno.EEXIST:
                raise TargetRefused(
                    f"{shown(path)} is the same name as another to this file system",
                    expected="a file system that tells names apart as the source's does (ext4, xfs)",
                    hint="restore to another one",
                ) from error
            raise TargetRefused(f"{shown(path)} was refused by the file system", found=reason(error)) from error


class _Pieces:
    """The bytes of a stretch, cut as files are."""

    def __init__(self, pieces: Iterator[bytes | bytearray | memoryview]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def skip(self, size: int) -> None:
        """Pass over ``size`` bytes."""
        for _ in self.take(size):
            pass

    def take(self, size: int) -> Iterator[memoryview]:
        """Yield the next ``size`` bytes; raises ``ObjectCorrupt`` when there are fewer."""
        while size > 0:
            if not len(self._rest):
                piece = next(self._pieces, None)
                if piece is None:
                    raise ObjectCorrupt("a content stream is shorter than its files", found=f"{size} bytes are missing")
                self._rest = memoryview(piece)
            part, self._rest = self._rest[:size], self._rest[size:]
            size -= len(part)
            yield part


def _write_around_zeros(descriptor: int, piece: memoryview) -> None:
    """Write a piece and leave holes where it has blocks of zeros."""
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    while len(piece):
        length = _BLOCK_BYTES - position % _BLOCK_BYTES
        block, piece = piece[:length], piece[length:]
        if _ZEROS.startswith(block):
            os.lseek(descriptor, len(block), os.SEEK_CUR)
        else:
            _write(descriptor, block)
        position += len(block)


def _write(descriptor: int, piece: memoryview) -> None:
    while len(piece):
        piece = piece[os.write(descriptor, piece) :]


def remove_tree(path: bytes) -> None:
    """Remove a tree that we made, read-only directories included; nothing is followed. Raises ``OSError``."""
    for directory, _, _ in os.walk(path):
        with suppress(OSError):
            os.chmod(directory, 0o700, follow_symlinks=True)  # noqa: PTH101 - bytes; os.walk enters no links
    shutil.rmtree(path)

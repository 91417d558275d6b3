"""Walk the tree once: what is as it was, what is to be read, and in which content stream each file is going to lie."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from drorch.errors import CaptureFailed
from drorch.sources.files.attributes import kind_left_out, metadata_of, path_in, read_xattrs
from drorch.sources.files.file_line import encode_file
from drorch.sources.files.findings import Findings
from drorch.sources.files.lines import Kind, Line, Place, encode_line
from drorch.sources.files.memory import Memory, Remembered, is_due, looks_of
from drorch.sources.files.names import shown
from drorch.sources.files.reading import FileReader, Gone, Unreadable
from drorch.sources.files.spool import Spool
from drorch.sources.files.walking import Found, Walk, reason

CONTENT_BYTES: Final = 2**30
DONE: Final = b"="  # a line of the listing
TO_READ: Final = b"?"  # the path of a file that is still to be read, a NUL for each line feed: names have none
TO_READ_FIRST: Final = b"!"  # the same, of one that may have further names
LINK: Final = b"&"  # a line of the listing, of a further name of a file that is in the list already
EMPTY_SHA256: Final = hashlib.sha256().digest()


def to_read(path: bytes, *, has_names: bool) -> bytes:
    """Return the line of the spool for a file that is to be read; ``has_names`` says that it may have further ones."""
    return (TO_READ_FIRST if has_names else TO_READ) + path.replace(b"\n", b"\0") + b"\n"


def path_to_read(line: bytes) -> bytes:
    """Return the path that ``to_read`` was given."""
    return line[1:-1].replace(b"\0", b"\n")


@dataclass(slots=True, kw_only=True)
class Content:
    """A content stream that is to be made, of the files to be read from ``start`` of the spool on."""

    name: str
    start: int
    files: int = 0
    estimated_bytes: int = 0


@dataclass(slots=True, kw_only=True)
class Counts:
    """What the tree holds. ``bytes`` are those of its files, each hard link counted once."""

    files: int = 0
    directories: int = 0
    symlinks: int = 0
    hard_links: int = 0
    bytes: int = 0
    unchanged: int = 0
    reread: int = 0
    with_xattrs: int = 0
    owners: set[tuple[int, int]] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Survey:
    """One walk. ``held`` says of a content stream whether it can be had again; ``within`` in how many runs each file is read."""

    walk: Walk
    memory: Memory
    reader: FileReader
    spool: Spool
    findings: Findings
    held: Callable[[str], bool]
    token: str
    within: int
    is_immutable: bool = False
    content_bytes: int = CONTENT_BYTES
    counts: Counts = field(default_factory=Counts)
    contents: list[Content] = field(default_factory=list)
    carried: dict[str, None] = field(default_factory=dict)

    def run(self) -> None:
        """Fill the spool, the counts, ``contents`` and ``carried``; raises ``CaptureFailed`` when the base cannot be read."""
        try:
            for found in self.walk.names():
                self._note(found)
        except OSError as error:
            raise CaptureFailed(f"{shown(self.walk.base)} cannot be read", found=reason(error)) from error

    def _note(self, found: Found) -> None:
        status = found.status
        if status is None:
            self.findings.unread.add(found.path, found.failure)
            self._done(Line(path=found.path, kind=Kind.ABSENT, why=f"unreadable: {found.failure}"))
        elif found.is_elsewhere:
            self.findings.other_file_systems.add(found.path)
            self._done(Line(path=found.path, kind=Kind.ABSENT, why="other file system"))
        elif stat.S_ISREG(status.st_mode):
            self._note_file(found, status)
        elif stat.S_ISDIR(status.st_mode):
            self._note_directory(found, status)
        elif stat.S_ISLNK(status.st_mode):
            self._note_symlink(found, status)
        else:
            left_out = kind_left_out(status.st_mode)
            self.findings.not_kept.add(found.path, left_out)
            self._done(Line(path=found.path, kind=Kind.ABSENT, why=left_out))

    def _note_directory(self, found: Found, status: os.stat_result) -> None:
        self.counts.directories += 1
        why = f"unreadable: {found.failure}" if found.failure else ""
        if found.failure:
            self.findings.unread.add(found.path, found.failure)
        xattrs = self._xattrs(found)
        if xattrs is not None:
            self._done(Line(path=found.path, kind=Kind.DIRECTORY, metadata=metadata_of(status, xattrs), why=why), found)

    def _note_symlink(self, found: Found, status: os.stat_result) -> None:
        try:
            to = os.readlink(found.name, dir_fd=found.directory)
        except OSError:
            self.findings.gone_while_read.add(found.path)
            return
        xattrs = self._xattrs(found)
        if xattrs is not None:
            self.counts.symlinks += 1
            metadata = metadata_of(status, xattrs)
            self._done(Line(path=found.path, kind=Kind.SYMLINK, metadata=metadata, to=to), found)

    def _note_file(self, found: Found, status: os.stat_result) -> None:
        self.counts.files += 1
        if status.st_nlink > 1 and self._is_further_name(found.path, status):
            return
        self.counts.bytes += status.st_size
        remembered = self.memory.find(found.path)
        if not status.st_size:
            self._note_empty(found, status, remembered)
            return
        is_due_again = remembered is not None and is_due(found.path, self.memory.runs, self.within)
        if remembered is None or not self._is_unchanged(found.path, status, remembered, is_due_again=is_due_again):
            self._is_to_be_read(found.path, status)
            return
        # to give a file attributes changes its ctime, which is as it was
        xattrs = self._xattrs(found) if is_due_again or not remembered.is_bare else {}
        if xattrs is not None and remembered.place is not None:
            self.carried[remembered.place.content] = None
            self.counts.unchanged += 1
            self._file_done(found.path, status, remembered.sha256, remembered.place, xattrs)

    def _is_further_name(self, path: bytes, status: os.stat_result) -> bool:
        first = self.memory.first_of(status, path)
        if first is None:
            return False
        self.counts.hard_links += 1
        self.spool.add(LINK + encode_line(Line(path=path, kind=Kind.FILE, same_as=first)))
        return True

    def _note_empty(self, found: Found, status: os.stat_result, remembered: Remembered | None) -> None:
        if self.is_immutable and remembered is not None and remembered.size:
            self.findings.immutable_broken.add(found.path, "changed")
        xattrs = self._xattrs(found)
        if xattrs is not None:
            self._file_done(found.path, status, EMPTY_SHA256, None, xattrs)

    def _is_unchanged(self, path: bytes, status: os.stat_result, remembered: Remembered, *, is_due_again: bool) -> bool:
        if remembered.looks != looks_of(status):
            return False
        if remembered.place is None or not self.held(remembered.place.content):
            return False
        if not is_due_again:
            return True
        self.counts.reread += 1
        try:
            is_same = self.reader.digest(path) == remembered.sha256
        except (Gone, Unreadable):
            return False  # it is told when it is to be stored
        if not is_same:
            self.findings.changed_unnoticed.add(path)
        return is_same

    def _is_to_be_read(self, path: bytes, status: os.stat_result) -> None:
        start = self.spool.add(to_read(path, has_names=status.st_nlink > 1))
        if not self.contents or self.contents[-1].estimated_bytes >= self.content_bytes:
            self.contents.append(Content(name=f"{self.token}-{len(self.contents)}", start=start))
        self.contents[-1].files += 1
        self.contents[-1].estimated_bytes += status.st_size

    def _xattrs(self, found: Found) -> dict[bytes, bytes] | None:
        """Return the attributes; none of a name that went meanwhile, and of one whose attributes cannot be read: then it is told."""
        try:
            is_itself = found.name == b"."  # a directory that was opened: the right to list it is enough
            return read_xattrs(found.directory if is_itself else path_in(found.directory, found.name))
        except OSError as error:
            if error.errno == errno.ENOENT:
                self.findings.gone_while_read.add(found.path)
                return None
            self.findings.unread.add(found.path, f"its attributes: {reason(error)}")
            return {}

    def _file_done(
        self, path: bytes, status: os.stat_result, sha256: bytes, place: Place | None, xattrs: Mapping[bytes, bytes]
    ) -> None:
        self.spool.add(DONE + encode_file(path, status, sha256, place, xattrs))
        self.count(status.st_uid, status.st_gid, xattrs)

    def _done(self, line: Line, found: Found | None = None) -> None:
        self.spool.add(DONE + encode_line(line))
        if found is not None and line.metadata is not None:
            self.count(line.metadata.uid, line.metadata.gid, line.metadata.xattrs)

    def count(self, uid: int, gid: int, xattrs: Mapping[bytes, bytes]) -> None:
        """Count what a restore will have to be able to set."""
        self.counts.owners.add((uid, gid))
        self.counts.with_xattrs += bool(xattrs)

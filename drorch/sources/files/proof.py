"""What proves a restored tree of files: every name of the listing as it is on the disk, and the disk without a name more."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from drorch.sources.files.lines import Kind, Line
from drorch.sources.files.listing import StoredListing
from drorch.sources.files.names import shown
from drorch.sources.interface import Content, FileDifference, FilesCompared

_PIECE_BYTES: Final = 1 << 20


class FilesProof:
    """See ``TreeProof``. Owners are compared when this program may set them: root."""

    def __init__(self, temporary: Path) -> None:
        self._temporary = temporary

    def compare(self, content: Content, directory: bytes) -> FilesCompared:
        """See ``TreeProof``."""
        differences: list[FileDifference] = []
        names: set[bytes] = set()
        files = size = 0
        first: dict[bytes, os.stat_result] = {}
        with closing(StoredListing(content, self._temporary)) as listing:
            for _, line in listing.lines():
                if line.kind is Kind.ABSENT:
                    continue
                names.add(line.path)
                found = _difference(line, directory, first)
                if found is not None:
                    differences.append(found)
                if line.kind is Kind.FILE:
                    files, size = files + 1, size + line.size
        differences += _not_in_the_snapshot(directory, names)
        return FilesCompared(names=len(names), files=files, size_bytes=size, differences=tuple(differences))

    def names(self, content: Content) -> Iterator[str]:
        """See ``TreeProof``."""
        with closing(StoredListing(content, self._temporary)) as listing:
            for _, line in listing.lines():
                yield line.path.decode("utf-8", "backslashreplace")


def _difference(line: Line, directory: bytes, first: dict[bytes, os.stat_result]) -> FileDifference | None:
    path, name = _join(directory, line.path), shown(line.path) or "."
    try:
        status = os.lstat(path)
    except OSError:
        return FileDifference(name=name, expected=f"a {line.kind.value}", found="nothing")
    first[line.path] = status
    if line.same_as is not None:
        same = first.get(line.same_as)
        if same is not None and (same.st_ino, same.st_dev) == (status.st_ino, status.st_dev):
            return None
        return FileDifference(name=name, expected=f"another name of {shown(line.same_as)}", found="a file of its own")
    for what, wanted in _described(line):
        there = _one(what, line, status, path)
        if there != wanted:
            return FileDifference(name=name, expected=f"{what} {wanted}", found=f"{what} {there}")
    return None


def _described(line: Line) -> list[tuple[str, str]]:
    parts = [("kind", line.kind.value)]
    metadata = line.metadata
    if metadata is not None and line.kind is not Kind.SYMLINK:
        parts += [("mode", f"{metadata.mode:04o}"), ("time", str(metadata.mtime_ns))]
    if metadata is not None and os.geteuid() == 0:
        parts.append(("owner", f"{metadata.uid}:{metadata.gid}"))
    if metadata is not None and line.kind is not Kind.SYMLINK:
        parts.append(("attributes", _attributes(dict(metadata.xattrs))))
    if line.kind is Kind.SYMLINK:
        parts.append(("target", shown(line.to or b"")))
    if line.kind is Kind.FILE:
        parts += [("size", str(line.size)), ("sha256", line.sha256.hex())]
    return parts


def _one(what: str, line: Line, status: os.stat_result, path: bytes) -> str:
    if what == "kind":
        return _kind(status)
    if _kind(status) != line.kind.value:
        return "another kind"
    if what == "mode":
        return f"{stat.S_IMODE(status.st_mode):04o}"
    if what == "time":
        return str(status.st_mtime_ns)
    if what == "owner":
        return f"{status.st_uid}:{status.st_gid}"
    if what == "attributes":
        return _attributes_of(path)
    if what == "target":
        return shown(os.readlink(path))  # noqa: PTH115 - names are bytes
    return str(status.st_size) if what == "size" else _sha256(path)


def _kind(status: os.stat_result) -> str:
    for test, kind in ((stat.S_ISDIR, Kind.DIRECTORY), (stat.S_ISREG, Kind.FILE), (stat.S_ISLNK, Kind.SYMLINK)):
        if test(status.st_mode):
            return kind.value
    return "something else"


def _attributes_of(path: bytes) -> str:
    try:
        return _attributes({os.fsencode(name): os.getxattr(path, name) for name in os.listxattr(path)})
    except OSError:
        return "cannot be read"


def _attributes(found: dict[bytes, bytes]) -> str:
    whole = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()
    return f"{len(found)} ({whole[:8]})" if found else "none"


def _sha256(path: bytes) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - names are bytes
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _not_in_the_snapshot(directory: bytes, names: set[bytes]) -> Iterator[FileDifference]:
    for above, directories, files in os.walk(directory):
        for name in sorted((*directories, *files)):
            path = os.path.relpath(_join(above, name), directory)
            if path not in names:
                yield FileDifference(name=shown(path), expected="nothing of this name", found="a name more")


def _join(above: bytes, name: bytes) -> bytes:
    return above + b"/" + name if name else above

"""What a source remembers of the files that it gave before: a local file, disposable, that holds no name.

A path is a keyed hash. A row says how a file looked (size, times, inode), what its digest was and where its bytes lie. A row whose
checksum is wrong is none: a place that is off by one bit would be found only by the restore.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from drorch.errors import CaptureFailed
from drorch.sources.files.lines import Place
from drorch.sources.files.memory_rows import AT_ONCE, Row, RowsAhead, checksum, opened

RACY_NS: Final = (
    2_000_000_000  # as coarse as a clock of a file system is: what changed so shortly before may change unseen
)
_NEVER = b"\0" * 16
_STAT = struct.Struct(">QqqQ")
_PUT = """
insert into file (id, key, looks, sha256, size, content, offset, is_bare, checksum, path) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (key) do update set looks = excluded.looks, sha256 = excluded.sha256, size = excluded.size,
    content = excluded.content, offset = excluded.offset, is_bare = excluded.is_bare, checksum = excluded.checksum,
    path = excluded.path
"""


class Remembered(NamedTuple):
    """What a file was. ``place`` is ``None`` for an empty one; ``is_bare`` says that it had no extended attributes."""

    looks: bytes
    sha256: bytes
    size: int
    place: Place | None
    is_bare: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentUse:
    """How much of a content stream the files of the last run used."""

    name: str
    size_bytes: int
    used_bytes: int


class Memory:
    """One source's memory, used by one capture at a time. Nothing is kept unless ``keep`` is called."""

    def __init__(self, path: Path | None, key: bytes, *, with_paths: bool = False) -> None:
        """Open the memory at ``path``, or an empty one that ends with ``close`` (``None``, or a file that cannot be had).

        ``key`` hides the names. ``with_paths`` keeps them in clear: trees that must not change say what went.
        """
        self._with_paths = with_paths
        self._seen = bytearray()
        self._contents: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._path = path
        self._hasher = hashlib.blake2b(key=key, digest_size=16)
        self._connection = self._opened(path)
        self._rows = RowsAhead(self._connection)
        self._waiting: list[tuple[object, ...]] = []
        with self._failures():
            self._connection.execute("begin immediate")
            (self._newest,) = self._connection.execute("select coalesce(max(id), 0) from file").fetchone()
            for number, name in self._connection.execute("select id, name from content"):
                self._contents[name], self._names[number] = number, name
            row = self._connection.execute("select runs from counter").fetchone()
        self.runs: int = row[0] if row else 0

    def contents(self) -> Sequence[ContentUse]:
        """Return every content stream that a row lies in, the oldest first."""
        query = """select content.name, content.size, sum(file.size) from content
            join file on file.content = content.id group by content.id order by content.id"""
        with self._failures():
            rows = self._connection.execute(query).fetchall()
        return [ContentUse(name=name, size_bytes=size, used_bytes=used) for name, size, used in rows]

    def find(self, path: bytes) -> Remembered | None:
        """Return what is remembered of a path, and count it as seen."""
        if not self._newest:
            return None
        key = self._hidden(path)
        with self._failures():
            self._write()
            row = self._rows.take(key)
        if row is None:
            return None
        self._see(row.id)
        if row.is_nameless and self._with_paths:
            with self._failures():
                self._connection.execute("update file set path = ? where id = ?", (path, row.id))
        return self._remembered(row)

    def _remembered(self, row: Row) -> Remembered | None:
        _, key, looks, sha256, size, content, offset, is_bare, expected, _ = row
        name = self._names.get(content, "")
        try:
            found = checksum(key, looks, sha256, size, name, offset, is_bare=bool(is_bare))
        except (TypeError, struct.error):
            return None
        if found != expected or (size and not name):
            return None
        return Remembered(looks, sha256, size, Place(name, offset) if size else None, bool(is_bare))

    def put(
        self,
        path: bytes,
        status: os.stat_result,
        sha256: bytes,
        place: Place | None,
        now_ns: int,
        *,
        is_bare: bool = False,
    ) -> None:
        """Remember a file, of which ``find`` was asked before, that was read at ``now_ns`` or later.

        One that may still change unseen is not taken for unchanged next time.
        """
        key, size = self._hidden(path), status.st_size
        looks = looks_of(status) if status.st_ctime_ns < now_ns - RACY_NS else _NEVER
        content, offset = (self._content(place.content), place.offset) if place is not None else (0, 0)
        name = place.content if place is not None else ""
        check = checksum(key, looks, sha256, size, name, offset, is_bare=is_bare)
        self._newest += 1
        self._see(self._newest)
        kept = path if self._with_paths else None
        self._waiting.append((self._newest, key, looks, sha256, size, content, offset, is_bare, check, kept))
        if len(self._waiting) >= AT_ONCE:
            with self._failures():
                self._write()

    def first_of(self, status: os.stat_result, path: bytes) -> bytes | None:
        """Return the first path that was asked for the same file with several names; ``None`` when this is it."""
        key = struct.pack(">QQ", status.st_dev, status.st_ino) + looks_of(status)
        with self._failures():
            row = self._connection.execute("select path from hard_link where key = ?", (key,)).fetchone()
            if row is None:
                self._connection.execute("insert into hard_link values (?, ?)", (key, path))
        return None if row is None else bytes(row[0])

    def unseen(self) -> Iterator[bytes]:
        """Yield the paths of rows that were neither found nor put; only what was kept with its path."""
        with self._failures():
            self._write()
            for number, path in self._connection.execute("select id, path from file order by id"):
                if path is not None and not self._is_seen(number):
                    yield bytes(path)

    def keep(self, sizes: Mapping[str, int], *, forget: bool = True) -> None:
        """Make what was put lasting, and forget what was not seen, if so wanted; ``sizes`` are of the new content streams."""
        with self._failures():
            self._write()
            if forget:
                gone = [
                    (number,)
                    for (number,) in self._connection.execute("select id from file")
                    if not self._is_seen(number)
                ]
                self._connection.executemany("delete from file where id = ?", gone)
            rows = [(size, name) for name, size in sizes.items()]
            self._connection.executemany("update content set size = ? where name = ?", rows)
            self._connection.execute("delete from content where id not in (select content from file)")
            self._connection.execute("delete from counter")
            self._connection.execute("insert into counter values (?)", (self.runs + 1,))
            self._connection.execute("commit")

    def close(self) -> None:
        """End; what was not kept is as it was before."""
        self._connection.close()

    def _write(self) -> None:
        if self._waiting:
            self._connection.executemany(_PUT, self._waiting)
            self._waiting.clear()

    def _content(self, name: str) -> int:
        number = self._contents.get(name)
        if number is None:
            with self._failures():
                number = self._connection.execute("insert into content (name) values (?)", (name,)).lastrowid or 0
            self._contents[name], self._names[number] = number, name
        return number

    def _see(self, number: int) -> None:
        if number >= len(self._seen):
            self._seen.extend(bytes(number + 65_536 - len(self._seen)))
        self._seen[number] = 1

    def _is_seen(self, number: int) -> bool:
        return number < len(self._seen) and bool(self._seen[number])

    def _hidden(self, path: bytes) -> bytes:
        hasher = self._hasher.copy()
        hasher.update(path)
        return hasher.digest()

    def _opened(self, path: Path | None) -> sqlite3.Connection:
        if path is not None:
            for _ in range(2):
                try:
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    return opened(str(path))
                except sqlite3.OperationalError:  # locked, full, not ours to write: nothing is wrong with the file
                    break
                except sqlite3.DatabaseError:
                    self._remove()
                except OSError:
                    break
        self._path = None
        return opened("")

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """A file that fails is thrown away: the next run reads everything again."""
        try:
            yield
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._remove()
            raise CaptureFailed(
                "the memory of what was read before failed",
                found=str(error),
                hint="run the backup again: the memory was thrown away, and every file is read; is the disk of the cache full?",
            ) from error

    def _remove(self) -> None:
        if self._path is not None:
            for tail in ("", "-wal", "-shm", "-journal"):
                with suppress(OSError):
                    self._path.with_name(self._path.name + tail).unlink(missing_ok=True)


def looks_of(status: os.stat_result) -> bytes:
    """Return what changes whenever a file does: a digest of size, times and inode."""
    raw = _STAT.pack(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return hashlib.blake2b(raw, digest_size=16).digest()


def memory_file(cache: Path, address: str) -> Path:
    """Return where the memory of the source with that address lies."""
    return cache / f"{hashlib.blake2b(address.encode(), digest_size=16).hexdigest()}.files"


def is_due(path: bytes, runs: int, within: int) -> bool:
    """Whether an unchanged file is read again in the run after ``runs`` others: each is, once in ``within`` runs."""
    return (int.from_bytes(hashlib.blake2b(path, digest_size=8).digest(), "big") + runs) % within == 0

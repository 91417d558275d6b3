"""The writer's own index of what a lane holds already: a local SQLite file, disposable, rebuilt from index segments.

It answers one question per chunk (known, and where?) in flat memory. A chunk counts as known only when its pack stands in its run's
signed pack list and is present in every store of the run: an incomplete listing costs space, never data.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drorch.format.index import IndexEntry, IndexSegment
from drorch.format.manifest import ordinals_of
from drorch.format.pack import ListedPack
from drorch.format.tree import NO_TWIN, Place, decode_twin, encode_twin
from drorch.ids import ChunkId, Digest, RunId

_SCHEMA = """
create table if not exists segment (name text primary key) without rowid;
create table if not exists pack (
    run blob not null, ordinal integer not null, digest blob not null, size integer not null,
    present integer not null default 0, listed integer not null default 0, primary key (run, ordinal)) without rowid;
create index if not exists pack_digest on pack (digest);
create table if not exists chunk (
    id blob primary key, kind integer not null, plain_length integer not null, run blob not null,
    place blob not null, twin blob not null) without rowid;
create table if not exists pack_list (
    run blob not null, store text not null, digest blob not null, primary key (run, store)) without rowid;
create temp table fresh (
    id blob primary key, kind integer not null, plain_length integer not null, run blob not null,
    place blob not null, twin blob not null) without rowid;
"""
_FIND_FRESH = "select run, place, twin from fresh where id = ?"
_FIND_PRESENT = """
select chunk.run, chunk.place, chunk.twin from chunk
join pack on pack.run = chunk.run and pack.ordinal = ordinal_of(chunk.place) and pack.present and pack.listed
where chunk.id = ? and (chunk.twin = ? or exists (
    select 1 from pack where pack.run = chunk.run and pack.ordinal = ordinal_of(chunk.twin) and pack.present and pack.listed))
"""
_BATCH = 2_048


@dataclass(frozen=True, slots=True)
class Known:
    """Where a chunk lies already."""

    run: RunId
    place: Place
    twin: Place | None


class LaneIndex:
    """What one lane holds. Used by one run at a time; its lookups may come from several threads."""

    def __init__(self, path: Path | None) -> None:
        """Open the index at ``path`` (made when absent, thrown away when broken), or in memory when ``None``."""
        self._lock = threading.Lock()
        self._pending: dict[bytes, Known] = {}
        self._pending_rows: list[tuple[bytes, int, int, bytes, bytes, bytes]] = []
        self._pack_lists: dict[RunId, Digest] = {}
        self._connection = _connect(path)

    def close(self) -> None:
        """Close the file; what ``remember_run`` did not take over is forgotten."""
        self._connection.close()

    def unknown_segments(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of ``names`` that were not added yet."""
        with self._lock:
            have = {row[0] for row in self._connection.execute("select name from segment")}
        return tuple(name for name in names if name not in have)

    def keep_segments(self, names: Iterable[str]) -> None:
        """Forget everything when a segment that was added is not among ``names``: a sweeper took it."""
        present = set(names)
        with self._lock:
            have = {row[0] for row in self._connection.execute("select name from segment")}
            if have <= present:
                return
            with self._connection:
                for table in ("segment", "pack", "chunk", "pack_list"):
                    self._connection.execute(f"delete from {table}")  # noqa: S608 - our own table names

    def add_segment(self, name: str, run: RunId, segment: IndexSegment) -> None:
        """Add what a segment of ``run`` lists; a chunk that is there already keeps its newest place."""
        packs = [(run.raw, pack.ordinal, pack.digest.raw, pack.size_bytes) for pack in segment.packs]
        chunks = [_row(entry, run) for entry in segment.entries]
        with self._lock, self._connection:
            self._connection.executemany("insert or replace into pack values (?, ?, ?, ?, 0, 0)", packs)
            self._connection.executemany("insert or replace into chunk values (?, ?, ?, ?, ?, ?)", chunks)
            self._connection.execute("insert or ignore into segment values (?)", (name,))

    def mark_present(self, digests_and_sizes: Iterable[tuple[Digest, int]]) -> None:
        """State which packs every store lists, with the sizes that they list; all others count as absent."""
        with self._lock, self._connection:
            self._connection.execute("update pack set present = 0")
            self._connection.executemany(
                "update pack set present = 1 where digest = ? and size = ?",
                ((digest.raw, size) for digest, size in digests_and_sizes),
            )

    def runs(self) -> tuple[RunId, ...]:
        """Return every run that owns packs."""
        with self._lock:
            rows = self._connection.execute("select distinct run from pack").fetchall()
        return tuple(RunId(run) for (run,) in rows)

    def packs(self, run: RunId) -> tuple[tuple[int, Digest, int], ...]:
        """Return ordinal, digest and size of every pack of ``run`` that the index knows and every store lists."""
        with self._lock:
            rows = self._connection.execute(
                "select ordinal, digest, size from pack where run = ? and present = 1 order by ordinal", (run.raw,)
            ).fetchall()
        return tuple((ordinal, Digest(digest), size) for ordinal, digest, size in rows)

    def known_pack_list(self, run: RunId, stores: Collection[str]) -> Digest | None:
        """Return the digest of ``q/<run>`` when it was seen, the same, in every one of ``stores``."""
        with self._lock:
            rows = self._connection.execute("select store, digest from pack_list where run = ?", (run.raw,)).fetchall()
        seen = {store: digest for store, digest in rows if store in stores}
        digests = set(seen.values())
        return Digest(digests.pop()) if len(digests) == 1 and len(seen) == len(stores) else None

    def rely_on(self, run: RunId, digest: Digest, stores: Iterable[str]) -> None:
        """State that ``q/<run>`` with that digest stands in each of ``stores``, which are all of this run."""
        self._pack_lists[run] = digest
        rows = [(run.raw, store, digest.raw) for store in stores]
        with self._lock, self._connection:
            self._connection.executemany("insert or replace into pack_list values (?, ?, ?)", rows)

    def pack_list_digest(self, run: RunId) -> Digest | None:
        """Return the digest of ``q/<run>`` that all stores of this run hold; ``None`` for runs that are not relied on."""
        return self._pack_lists.get(run)

    def mark_retired(self, run: RunId, bitmap: bytes) -> None:
        """Treat the packs that ``bitmap`` names as absent: a sweeper is about to delete them."""
        gone = [(run.raw, ordinal) for ordinal in ordinals_of(bitmap)]
        with self._lock, self._connection:
            self._connection.executemany("update pack set present = 0 where run = ? and ordinal = ?", gone)

    def keep_listed(self, run: RunId, listed: Sequence[ListedPack]) -> None:
        """State which packs the pack list of ``run`` holds under their ordinals; no other is ever relied on.

        A crashed run may have left more packs than the list that was put for it: those must stay unknown for ever.
        """
        with self._lock, self._connection:
            self._connection.execute("update pack set listed = 0 where run = ?", (run.raw,))
            self._connection.executemany(
                "update pack set listed = 1 where run = ? and ordinal = ? and digest = ?",
                ((run.raw, ordinal, pack.digest.raw) for ordinal, pack in enumerate(listed)),
            )

    def forget_run(self, run: RunId) -> None:
        """Treat the packs of ``run`` as unknown: there is no pack list or run record of it that could be relied on."""
        self._pack_lists.pop(run, None)
        with self._lock, self._connection:
            self._connection.execute("update pack set listed = 0 where run = ?", (run.raw,))
            self._connection.execute("delete from pack_list where run = ?", (run.raw,))

    def find(self, chunk: ChunkId) -> Known | None:
        """Return where the chunk lies, in this run's packs or in a pack that is present; ``None`` when unknown.

        A tree node whose second copy is not there is unknown: a run that died between the two left it so.
        """
        with self._lock:
            pending = self._pending.get(chunk.raw)
            if pending is not None:
                return pending
            row = self._connection.execute(_FIND_FRESH, (chunk.raw,)).fetchone()
            row = row or self._connection.execute(_FIND_PRESENT, (chunk.raw, NO_TWIN)).fetchone()
        return None if row is None else Known(RunId(row[0]), Place.decode(row[1]), decode_twin(row[2]))

    def add_fresh(self, entry: IndexEntry, run: RunId) -> None:
        """Make a chunk that this run has placed known to the rest of the run."""
        row = _row(entry, run)
        with self._lock:
            self._pending[row[0]] = Known(run, entry.place, entry.twin)
            self._pending_rows.append(row)
            if len(self._pending_rows) >= _BATCH:
                self._connection.executemany(
                    "insert or ignore into fresh values (?, ?, ?, ?, ?, ?)", self._pending_rows
                )
                self._pending.clear()
                self._pending_rows.clear()


def _row(entry: IndexEntry, run: RunId) -> tuple[bytes, int, int, bytes, bytes, bytes]:
    twin = encode_twin(entry.twin)
    return entry.chunk_id.raw, entry.kind, entry.plain_length, run.raw, entry.place.encode(), twin


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is None:
        return _prepared(":memory:")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return _prepared(str(path))
    except sqlite3.DatabaseError:
        # A cache: broken means gone, and it is filled again from the segments. A log that stayed behind would be
        # played into the new file.
        for part in (path, *(path.with_name(path.name + tail) for tail in ("-wal", "-shm"))):
            part.unlink(missing_ok=True)
        return _prepared(str(path))


def _prepared(target: str) -> sqlite3.Connection:
    connection = sqlite3.connect(target, check_same_thread=False)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = off")
        connection.create_function("ordinal_of", 1, _ordinal_of, deterministic=True)
        connection.executescript(_SCHEMA)
        connection.execute("select store from pack_list limit 1")  # fails on tables of an earlier version
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _ordinal_of(place: bytes) -> int:
    return int.from_bytes(place[:4], "big")

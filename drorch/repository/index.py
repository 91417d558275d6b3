"""The writer's own index of what a lane holds already: a local SQLite file, disposable, rebuilt from index segments.

It answers one question per chunk (known, and where?) in flat memory. A chunk counts as known only when its pack stands in its run's
signed pack list and is present in every store of the run: an incomplete listing costs space, never data. So does a file that fails:
while a run begins ``sqlite3.Error`` leaves and the run begins anew without it; later on what cannot be found is unknown.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from drorch.clock import to_milliseconds
from drorch.format.index import IndexEntry, IndexSegment
from drorch.format.manifest import ordinals_of
from drorch.format.pack import ListedPack
from drorch.format.packsets import within
from drorch.format.tree import MOST_BASES, NO_TWIN, ChunkPlace, Place, decode_twin, encode_twin
from drorch.ids import ChunkId, Digest, RunId
from drorch.repository.index_file import checksum, open_file, remove_file

_FIND_FRESH = "select run, place, twin, base, checksum, null from fresh where id = ?"
_FIND_PRESENT = """
select chunk.run, chunk.place, chunk.twin, chunk.base, chunk.checksum, pack.stored_at from chunk
join pack on pack.run = chunk.run and pack.ordinal = ordinal_of(chunk.place) and pack.present and pack.listed
left join pack_use as used on used.run = pack.run and used.ordinal = pack.ordinal
where coalesce(used.served * 4 >= used.held or used.held < ?, 1) and chunk.id = ? and (chunk.twin = ? or exists (
    select 1 from pack where pack.run = chunk.run and pack.ordinal = ordinal_of(chunk.twin) and pack.present and pack.listed))
"""
_FIND_CARRIED = "select entry, needs, checksum from carried where name = ?"
_RELIABLE_PACKS = """
select ordinal from pack where run = ? and ordinal between ? and ? and present and listed and stored_at >= ?
"""
_HOLD = """
insert into pack_use (run, ordinal, held) values (?, ?, ?) on conflict do update set held = held + excluded.held
"""
LEAST_LEFT_BYTES = 2**20  # of what a pack holds: to be rid of smaller ones costs more than to keep them
_BATCH = 2_048
_DAY_MS = 86_400_000
LONGEST_REUSE_MS = 365 * _DAY_MS
SPREAD_MS = 60 * _DAY_MS
_NEVER = 2**62
_Row: TypeAlias = tuple[bytes, int, int, bytes, bytes, bytes, bytes, int]


@dataclass(frozen=True, slots=True)
class Known:
    """Where a chunk lies already. ``bases`` are what its delta needs, each the base of the one before."""

    run: RunId
    place: Place
    twin: Place | None
    bases: tuple[ChunkPlace, ...] = ()


class LaneIndex:
    """What one lane holds. Used by one run at a time; its lookups may come from several threads."""

    def __init__(self, path: Path | None) -> None:
        """Open the index at ``path``, or one that ends with ``close`` (``None``; see ``index_file`` for when else)."""
        self._lock = threading.Lock()
        self._pending: dict[bytes, _Row] = {}
        self._pack_lists: dict[RunId, Digest] = {}
        self._is_spoiled = False
        self._now = 0
        self._connection, self._path = open_file(path)

    def close(self) -> None:
        """Close the file; one that failed is thrown away."""
        self._connection.close()
        if self._is_spoiled and self._path is not None:
            remove_file(self._path)

    def spoil(self) -> None:
        """Have the file thrown away at ``close``."""
        self._is_spoiled = True

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
                for table in ("segment", "pack", "pack_use", "chunk", "pack_list", "carried"):
                    self._connection.execute(f"delete from {table}")  # noqa: S608 - our own table names

    def add_segment(self, name: str, run: RunId, segment: IndexSegment) -> None:
        """Add what a segment of ``run`` lists; a chunk that is there already keeps its newest place."""
        packs = [(run.raw, pack.ordinal, pack.digest.raw, pack.size_bytes) for pack in segment.packs]
        chunks = [_row(entry, run) for entry in segment.entries]
        places = [place for entry in segment.entries for place in (entry.place, entry.twin) if place is not None]
        with self._lock, self._connection:
            self._connection.executemany(_HOLD, ((run.raw, place.ordinal, place.length) for place in places))
            self._connection.executemany("insert or replace into pack values (?, ?, ?, ?, 0, 0, 0, 0)", packs)
            self._connection.executemany("insert or replace into chunk values (?, ?, ?, ?, ?, ?, ?, ?)", chunks)
            self._connection.execute("insert or ignore into segment values (?)", (name,))

    def assume_present(self) -> None:
        """Take every pack for present, before ``keep_present`` is called for each store."""
        with self._lock, self._connection:
            self._connection.execute("update pack set present = 1, stored_at = ?", (_NEVER,))

    def keep_present(self, listed: Iterable[tuple[Digest, int, datetime]]) -> None:
        """Count as absent what a store does not list with that size, and keep its date of the rest, the earliest of all stores.

        When ``listed`` raises, nothing has changed.
        """
        rows = ((to_milliseconds(stored_at), digest.raw, size) for digest, size, stored_at in listed)
        with self._lock, self._connection:
            self._connection.execute("update pack set seen = 0 where seen")
            self._connection.executemany(
                "update pack set seen = 1, stored_at = min(stored_at, ?) where digest = ? and size = ?", rows
            )
            self._connection.execute("update pack set present = 0 where not seen")

    def keep_locked(self, since: datetime, covered: datetime | None) -> None:
        """Count as absent the packs that were stored before ``since``, but for those whose lock was extended: stored by ``covered``."""
        extended = -1 if covered is None else to_milliseconds(covered)
        with self._lock, self._connection:
            self._connection.execute(
                "update pack set present = 0 where stored_at < ? and stored_at > ?", (to_milliseconds(since), extended)
            )

    def renew_old(self, now: datetime) -> None:
        """Take chunks whose pack was stored 12 months before ``now``, the store's time, for unknown: they are stored afresh.

        So a bad write cannot live for ever through dedup. The last two months are spread by chunk id, or all would be due in one night.
        """
        self._now = to_milliseconds(now)

    def keep_served(self, served: Iterable[tuple[RunId, int, int]]) -> None:
        """Note how many bytes of which packs (run, ordinal, bytes) the snapshot needs that was just committed, for ``find``.

        A large pack of which it needs under a quarter is kept alive by little: its chunks are stored afresh when they are next seen, and it dies
        whole. What no snapshot used says nothing: it may be newer than the last.
        """
        rows = ((size_bytes, run.raw, ordinal) for run, ordinal, size_bytes in served)
        try:
            with self._lock, self._connection:
                self._connection.execute("update pack_use set served = null where served is not null")
                self._connection.executemany("update pack_use set served = ? where run = ? and ordinal = ?", rows)
        except sqlite3.Error:
            self.spoil()

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

    def mark_unreliable(self, run: RunId, bitmap: bytes) -> None:
        """Treat the packs that ``bitmap`` names as absent: they are damaged, or a sweeper is about to delete them."""
        # Only those that are known are asked for: a list may name half a billion.
        with self._lock, self._connection:
            (last,) = self._connection.execute("select max(ordinal) from pack where run = ?", (run.raw,)).fetchone()
            gone = ordinals_of(within(bitmap, 0 if last is None else last + 1))
            self._connection.executemany(
                "update pack set present = 0 where run = ? and ordinal = ?", ((run.raw, ordinal) for ordinal in gone)
            )

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

    def add_own_run(self, run: RunId, segments: Iterable[tuple[str, IndexSegment]]) -> None:
        """Like ``add_segment`` for what this run itself has put; a file that fails costs the next run a request."""
        try:
            for name, segment in segments:
                self.add_segment(name, run, segment)
        except sqlite3.Error:
            self.spoil()

    def list_own_run(self, run: RunId, listed: Sequence[ListedPack], digest: Digest, stores: Iterable[str]) -> None:
        """Like ``keep_listed`` and ``rely_on`` for this run itself."""
        self._pack_lists[run] = digest
        try:
            self.keep_listed(run, listed)
            self.rely_on(run, digest, stores)
        except sqlite3.Error:
            self.spoil()

    def carried(self, name: str) -> tuple[bytes, bytes] | None:
        """Return what was kept of a stream: its entry, and the packs that it needs (see ``carrying``)."""
        with self._lock:
            try:
                row = self._connection.execute(_FIND_CARRIED, (name,)).fetchone()
            except sqlite3.Error:
                self.spoil()
                return None
        if row is None:
            return None
        entry, needs, expected = row
        if checksum(name.encode(), entry, needs) != expected:
            self.spoil()
            return None
        return entry, needs

    def keep_carried(self, streams: Mapping[str, tuple[bytes, bytes]]) -> None:
        """Keep these streams and forget all others; a file that fails costs the next run that it reads them again."""
        rows = [(name, entry, needs, checksum(name.encode(), entry, needs)) for name, (entry, needs) in streams.items()]
        try:
            with self._lock, self._connection:
                self._connection.execute("delete from carried")
                self._connection.executemany("insert into carried values (?, ?, ?, ?)", rows)
        except sqlite3.Error:
            self.spoil()

    def holds_packs(self, run: RunId, ordinals: Collection[int], lasting: ChunkId) -> bool:
        """Whether all these packs of ``run`` could be relied on for a chunk with the id ``lasting``, which says how long."""
        if run not in self._pack_lists or not ordinals:
            return False
        bounds = run.raw, min(ordinals), max(ordinals), self._now - _lifetime(lasting)
        try:
            with self._lock:
                found = self._connection.execute(_RELIABLE_PACKS, bounds).fetchall()
        except sqlite3.Error:
            self.spoil()
            return False
        return set(ordinals) <= {ordinal for (ordinal,) in found}

    def find(self, chunk: ChunkId) -> Known | None:
        """Return where the chunk lies, in this run's packs or in a pack that is present and well used; ``None`` when unknown.

        What has a twin that is not there is unknown: a run that died between the two left it so, or the twin was lost. So is a delta
        one of whose bases is unknown.
        """
        return self._find(chunk, MOST_BASES)

    def _find(self, chunk: ChunkId, most_bases: int) -> Known | None:
        row = self._found(chunk)
        if row is None:
            return None
        run, place, twin, base, expected, stored_at = row
        if checksum(chunk.raw, run, place, twin, base) != expected:
            self.spoil()
            return None
        if stored_at is not None and self._now - stored_at > _lifetime(chunk):
            return None
        bases: tuple[ChunkPlace, ...] = ()
        if base:
            below = self._find(ChunkId(base), most_bases - 1) if most_bases else None
            if below is None:
                return None
            bases = (ChunkPlace(ChunkId(base), below.run, below.place, below.twin), *below.bases)
        return Known(RunId(run), Place.decode(place), decode_twin(twin), bases)

    def _found(self, chunk: ChunkId) -> tuple[bytes, bytes, bytes, bytes, int, int | None] | None:
        with self._lock:
            pending = self._pending.get(chunk.raw)
            if pending is not None:
                return (*pending[3:], None)
            try:
                row = self._connection.execute(_FIND_FRESH, (chunk.raw,)).fetchone()
                row = row or self._connection.execute(_FIND_PRESENT, (LEAST_LEFT_BYTES, chunk.raw, NO_TWIN)).fetchone()
            except sqlite3.Error:
                self.spoil()
                return None
        return row if row is None else tuple(row)

    def add_fresh(self, entry: IndexEntry, run: RunId) -> None:
        """Make a chunk that this run has placed known to the rest of the run."""
        row = _row(entry, run)
        with self._lock:
            self._pending[row[0]] = row
            if len(self._pending) >= _BATCH:
                self._put_away()

    def _put_away(self) -> None:
        """Move what is pending into the file; where that fails the chunks are unknown from now on, and stored again."""
        try:
            self._connection.executemany(
                "insert or replace into fresh values (?, ?, ?, ?, ?, ?, ?, ?)", self._pending.values()
            )
        except sqlite3.Error:
            self.spoil()
        self._pending.clear()


def _lifetime(chunk: ChunkId) -> int:
    """Return for how many milliseconds a chunk is reused."""
    return LONGEST_REUSE_MS - SPREAD_MS * chunk.raw[0] // 256


def _row(entry: IndexEntry, run: RunId) -> _Row:
    chunk, place, twin = entry.chunk_id.raw, entry.place.encode(), encode_twin(entry.twin)
    base = b"" if entry.base is None else entry.base.raw
    check = checksum(chunk, run.raw, place, twin, base)
    return chunk, entry.kind, entry.plain_length, run.raw, place, twin, base, check

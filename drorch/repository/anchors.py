"""The chunks of a lane that later ones may be deltas against, found by what they share: a local SQLite file, disposable.

An *anchor* is a chunk whose sketch is remembered. Its level is the number of bases below it: 0 was stored in full, 1 as a delta against
one of level 0, 2 against one of level 1. Of level 2 none is a base; it is remembered because it is more like what comes next than its
base is, and leads there. A delta is made against an anchor until the deltas against it have together cost as much as the anchor itself did; then the
next one like it is made against the anchor below, or stored in full, and takes its place. So the cost of a day stays far below the
square that deltas against one base for ever would grow to (docs/adr/0017). Each anchor has a limit of its own, spread by its
id, or all of a database would fall due in one night.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from drorch.format.similarity import LEAST_SHARED
from drorch.ids import ChunkId
from drorch.repository.index_file import remove_file

VERSION = 1
DEEPEST_ANCHOR = 1  # so a chunk is at most two deltas away from one that was stored in full
POSTINGS_KEPT = 4
CANDIDATES = 4
UNUSED_RUNS = 3
SHARE_RANGE = 2**32
_CHANGES_AT_ONCE = 64

_SCHEMA = f"""
create table if not exists anchor (
    id blob primary key, base blob, level integer not null, plain_length integer not null, stored integer not null,
    cached integer not null, spent integer not null default 0, unused_runs integer not null default 0,
    is_retired integer not null default 0) without rowid;
create index if not exists anchor_base on anchor (base);
create table if not exists feature (
    value integer not null, born integer not null, anchor blob not null, primary key (value, born, anchor)) without rowid;
create index if not exists feature_anchor on feature (anchor);
create temp table touched (id blob primary key) without rowid;
pragma user_version = {VERSION};
"""
_SIMILAR = """
select anchor, count(*) as shared, max(born) as newest from feature where value in ({}) group by anchor
having shared >= ? order by shared desc, newest desc limit ?
"""
_CACHED_WITH_ROOT = """
select one.id, coalesce(below.id, one.id) as root, one.cached from anchor as one left join anchor as below on below.id = one.base
where one.cached > 0 order by root
"""
_UNUSED = """
select id from anchor as one where (is_retired or unused_runs >= ?)
and not exists (select 1 from anchor as other where other.base = one.id)
"""
_FORGET_OLD_POSTINGS = """
delete from feature where value = ? and born <= (select born from feature where value = ? order by born desc limit 1 offset ?)
"""


@dataclass(frozen=True, slots=True)
class Anchor:
    """One chunk that may be a base. ``stored`` is what it cost, ``spent`` what the deltas against it did, in bytes."""

    identity: ChunkId
    base: ChunkId | None
    level: int
    plain_length: int
    stored: int
    is_cached: bool
    spent: int

    @property
    def is_exhausted(self) -> bool:
        """Whether the next chunk like it should take its place: the limit is half to one and a half of what it cost."""
        return self.spent >= self.stored * (128 + self.identity.raw[1]) // 256


class Anchors:
    """The anchors of one lane. Safe to use from several threads, in one process; a file that fails knows nothing from then on."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; raises ``sqlite3.Error`` or ``OSError`` when it is in use or cannot be had."""
        self._lock = threading.Lock()
        self._path = path
        self._is_spoiled = False
        self._changes = 0
        self._share = SHARE_RANGE
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._connection = _prepared(path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            remove_file(path)
            self._connection = _prepared(path)
        (newest,) = self._connection.execute("select coalesce(max(born), 0) from feature").fetchone()
        self._born = int(newest)

    def similar(self, sketch: Sequence[int]) -> tuple[Anchor, ...]:
        """Return the anchors that share most of a sketch, the best first; linear in the sketch, whatever was stored."""
        if len(sketch) < LEAST_SHARED:
            return ()
        marks = ",".join("?" * len(sketch))
        rows = self._query(_SIMILAR.format(marks), (*sketch, LEAST_SHARED, CANDIDATES))
        found = (self.get(ChunkId(identity)) for identity, _, _ in rows)
        return tuple(anchor for anchor in found if anchor is not None)

    def get(self, identity: ChunkId) -> Anchor | None:
        """Return an anchor, retired ones included."""
        rows = self._query(
            "select base, level, plain_length, stored, cached, spent from anchor where id = ?", (identity.raw,)
        )
        for base, level, plain_length, stored, cached, spent in rows:
            below = None if base is None else ChunkId(base)
            return Anchor(identity, below, level, plain_length, stored, cached > 0, spent)
        return None

    def add(self, anchor: Anchor, sketch: Iterable[int], cached_bytes: int) -> None:
        """Remember a chunk that was stored, and what it takes in the cache."""
        self._born += 1
        born, identity = self._born, anchor.identity.raw
        base = None if anchor.base is None else anchor.base.raw
        with self._changing() as connection:
            connection.execute(
                "insert or replace into anchor values (?, ?, ?, ?, ?, ?, 0, 0, 0)",
                (identity, base, anchor.level, anchor.plain_length, anchor.stored, cached_bytes),
            )
            features = tuple(sketch)
            connection.executemany(
                "insert or replace into feature values (?, ?, ?)", [(value, born, identity) for value in features]
            )
            connection.executemany(_FORGET_OLD_POSTINGS, [(value, value, POSTINGS_KEPT) for value in features])
            connection.execute("insert or ignore into touched values (?)", (identity,))

    def spend(self, identity: ChunkId, stored_bytes: int) -> None:
        """Count a delta against an anchor."""
        with self._changing() as connection:
            connection.execute("update anchor set spent = spent + ? where id = ?", (stored_bytes, identity.raw))
            connection.execute("insert or ignore into touched values (?)", (identity.raw,))

    def touch(self, identity: ChunkId) -> None:
        """Note that a chunk is part of this snapshot too."""
        with self._changing() as connection:
            connection.execute("insert or ignore into touched values (?)", (identity.raw,))

    def retire(self, identities: Iterable[ChunkId]) -> None:
        """Let nothing new be made against these; they stay until no other anchor is read through them."""
        with self._changing() as connection:
            for identity in identities:
                connection.execute("update anchor set is_retired = 1 where id = ?", (identity.raw,))
                connection.execute("delete from feature where anchor = ?", (identity.raw,))

    def end_run(self) -> tuple[ChunkId, ...]:
        """Forget what three runs in a row had no use for; return what is to leave the cache."""
        dropped: list[ChunkId] = []
        with self._changing() as connection:
            connection.execute(
                "update anchor set unused_runs = case when id in (select id from touched) then 0 else unused_runs + 1 end"
            )
            dropped = _drop_unused(connection)
            connection.execute("delete from touched")
        return tuple(dropped)

    def fit(self, room_bytes: int) -> tuple[ChunkId, ...]:
        """Lower the share to what ``room_bytes`` hold of the bases that are cached; return those above it, which are to leave the cache.

        They stay anchors, which say what more room would save.
        """
        above: list[ChunkId] = []
        with self._changing() as connection:
            rows = [(ChunkId(one), ChunkId(root), size) for one, root, size in connection.execute(_CACHED_WITH_ROOT)]
            totals = accumulate(size for _, _, size in rows)
            over = (root for (_, root, _), total in zip(rows, totals, strict=True) if total > room_bytes)
            self._share = min([self._share, *map(_position, islice(over, 1))])
            above = [one for one, root, _ in rows if not is_within(root, self._share)]
            connection.executemany("update anchor set cached = 0 where id = ?", [(one.raw,) for one in above])
        return tuple(above)

    @property
    def share(self) -> int:
        """Bases are cached whose root's id begins with a number below this, out of ``SHARE_RANGE``; each run begins with all."""
        return self._share

    @property
    def cached_bytes(self) -> int:
        """What the cache of this lane takes on disk, as far as it was counted."""
        for (total,) in self._query("select coalesce(sum(cached), 0) from anchor", ()):
            return int(total)
        return 0

    def forget_cached(self, identity: ChunkId) -> None:
        """Note that a base is not in the cache after all."""
        with self._changing() as connection:
            connection.execute("update anchor set cached = 0 where id = ?", (identity.raw,))

    def close(self) -> None:
        """Close the file; one that failed is thrown away."""
        with self._lock, suppress(sqlite3.Error):
            self._connection.commit()
        self._connection.close()
        if self._is_spoiled:
            remove_file(self._path)

    def _query(self, sql: str, values: Sequence[object]) -> list[Any]:
        with self._lock:
            if self._is_spoiled:
                return []
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error:
                self._is_spoiled = True
                return []

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for a change; what fails is lost, with all that the file knew: it is thrown away."""
        with self._lock:
            try:
                yield self._connection
                self._changes += 1
                if self._changes % _CHANGES_AT_ONCE == 0:
                    self._connection.commit()
            except sqlite3.Error:
                self._is_spoiled = True


def _drop_unused(connection: sqlite3.Connection) -> list[ChunkId]:
    """Delete the retired and the unused on which no other rests; level by level, since one that goes frees its base."""
    dropped: list[ChunkId] = []
    for _ in range(DEEPEST_ANCHOR + 2):
        rows = connection.execute(_UNUSED, (UNUSED_RUNS,)).fetchall()
        connection.executemany("delete from anchor where id = ?", rows)
        connection.executemany("delete from feature where anchor = ?", rows)
        dropped += [ChunkId(identity) for (identity,) in rows]
    return dropped


def is_within(root: ChunkId, share: int) -> bool:
    """Whether bases below that root are cached."""
    return _position(root) < share


def _position(root: ChunkId) -> int:
    return int.from_bytes(root.raw[:4], "big")


def _prepared(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=0)
    try:
        for pragma in ("locking_mode = exclusive", "journal_mode = wal", "synchronous = off"):
            connection.execute(f"pragma {pragma}")
        (version,) = connection.execute("pragma user_version").fetchone()
        (tables,) = connection.execute("select count(*) from sqlite_master").fetchone()
        if tables and version != VERSION:
            raise sqlite3.DatabaseError("tables of another version")
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection

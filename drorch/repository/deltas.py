"""Decides for one run which new chunks are stored as deltas, and against what; keeps what later runs will need to decide.

Nothing here is trusted: an anchor names a chunk, the index says whether that chunk is still there and where, the cache gives its
bytes checked against its id. Whatever is missing or damaged costs space and never data.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from drorch.format.record import RecordHeader
from drorch.format.similarity import Sketcher
from drorch.format.tree import MOST_BASES, ChunkPlace
from drorch.ids import ChunkId
from drorch.repository.anchors import DEEPEST_ANCHOR, Anchor, Anchors, is_within
from drorch.repository.base_cache import SIZE_FILE, BaseCache, CacheKeys
from drorch.repository.cache_room import ANCHORS, BASES
from drorch.repository.index import Known, LaneIndex
from drorch.repository.needs import NeedsCollector
from drorch.storage.interface import Bytes

FREE_SHARE = 10  # a tenth of the disk's free space at most
LEFT_BY_A_CUT = Fraction(15, 16)  # of a full cache: it is cut often and stays nearly full
WORTH = 2  # a delta that is more than half of what a full chunk takes is not worth its base


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRoom:
    """Where bases may be kept: the bases of all lanes together take at most ``limit_bytes``, and a tenth of the disk's free space."""

    directory: Path
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class Base:
    """What a chunk is to be a delta against. ``places`` are its own place and those of its bases."""

    anchor: Anchor
    plain: bytes = field(repr=False)
    places: tuple[ChunkPlace, ...]
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How a new chunk is to be stored. ``replaced`` are anchors whose place it takes; ``is_missed``: its base is not in the cache."""

    sketch: tuple[int, ...] = ()
    base: Base | None = None
    replaced: tuple[ChunkId, ...] = ()
    is_missed: bool = False

    @property
    def level(self) -> int:
        """How many chunks it will rest on."""
        return 0 if self.base is None else self.base.anchor.level + 1

    @property
    def root(self) -> ChunkId | None:
        """The full chunk at the bottom of what it will rest on; ``None`` if it is one."""
        return None if self.base is None else self.base.anchor.base or self.base.anchor.identity

    def without_base(self) -> Plan:
        """Return the plan for storing the chunk in full after all."""
        return replace(self, base=None)


class Deltas:
    """The anchors and cached bases of one lane during one run. Safe to use from several threads."""

    def __init__(
        self,
        anchors: Anchors,
        cache: BaseCache,
        index: LaneIndex,
        needs: NeedsCollector,
        *,
        seed: int,
        budget_bytes: int,
    ) -> None:
        self._anchors = anchors
        self._cache = cache
        self._index = index
        self._needs = needs
        self._budget_bytes = budget_bytes
        self._seed = seed
        self._own = threading.local()
        self._held_bytes = anchors.cached_bytes
        self._unnoted_bytes = 0
        self._lock = threading.Lock()

    def plan(self, identity: ChunkId, plain: Bytes) -> Plan:
        """Return how to store a new chunk: never against itself, or what rests on it, which another thread may just have stored."""
        sketch = self._sketcher().sketch(plain)
        missed: list[ChunkId] = []
        for candidate in self._anchors.similar(sketch):
            anchor, exhausted = self._usable(candidate)
            if anchor is None:
                return Plan(sketch, replaced=exhausted)
            base = self._base(anchor, identity, len(plain))
            if base is not None:
                return Plan(sketch, base, exhausted)
            if not anchor.is_cached:
                missed.append(anchor.identity)
        return Plan(sketch, replaced=tuple(missed[:1]), is_missed=bool(missed))

    def keep(self, plan: Plan, header: RecordHeader, content: Bytes) -> int:
        """Put a chunk that is to be stored by ``plan`` into the cache, if it may be a base; return what it takes there.

        It is half of a megabyte to write: for the threads that compress, not for the one that reads. A chunk of which ``stored``
        never hears stays in the cache until the cache is dropped; that can be the few that are on their way when a run fails.
        """
        if not plan.sketch or plan.level > DEEPEST_ANCHOR:
            return 0
        with self._lock:
            is_kept = self._is_to_be_kept(plan, header.chunk_id)
        cached = self._cache.put(header, content) if is_kept else 0
        with self._lock:
            self._unnoted_bytes += cached
            self._held_bytes += cached
            is_too_much = self._held_bytes > self._budget_bytes
        if is_too_much:  # a first run of a large database: make room now, not when the disk is full
            self._fit(self._after_a_cut)
        return cached

    def stored(self, plan: Plan, header: RecordHeader, content: Bytes, cached_bytes: int) -> None:
        """Note that a chunk was stored by ``plan``; ``cached_bytes`` is what ``keep`` said of it."""
        base = plan.base.anchor if plan.base is not None else None
        if base is not None:
            self._anchors.spend(base.identity, len(content))
        if plan.sketch:
            below = None if base is None else base.identity
            length = header.plain_length
            anchor = Anchor(header.chunk_id, below, plan.level, length, len(content), cached_bytes > 0, 0)
            self._anchors.add(anchor, plan.sketch, cached_bytes)
        with self._lock:
            self._unnoted_bytes -= cached_bytes
        if plan.replaced:
            self._anchors.retire(plan.replaced)

    def seen(self, identity: ChunkId, known: Known) -> None:
        """Note that a chunk is part of this snapshot too: what it is and what it rests on stays of use."""
        for one in (identity, *(place.chunk_id for place in known.bases)):
            self._anchors.touch(one)

    def committed(self) -> None:
        """Forget what is of no use any more, and make the cache fit its budget."""
        self._cache.drop(self._anchors.end_run())
        self._fit(self._budget_bytes)
        self._cache.note_size(self._anchors.cached_bytes)

    def close(self) -> None:
        """Close the files."""
        self._anchors.close()

    def _usable(self, anchor: Anchor) -> tuple[Anchor | None, tuple[ChunkId, ...]]:
        """Return the first anchor from ``anchor`` down that new deltas may be made against, and those that are exhausted."""
        exhausted: list[ChunkId] = []
        found: Anchor | None = anchor
        while found is not None and (found.level > DEEPEST_ANCHOR or found.is_exhausted):
            if found.level <= DEEPEST_ANCHOR:
                exhausted.append(found.identity)
            found = self._below(found)
        return found, tuple(exhausted)

    def _below(self, anchor: Anchor) -> Anchor | None:
        """Return what an anchor rests on; ``None`` where that does not lie deeper: such a file leads round in circles."""
        below = None if anchor.base is None else self._anchors.get(anchor.base)
        return None if below is None or below.level >= anchor.level else below

    @property
    def _after_a_cut(self) -> int:
        return int(self._budget_bytes * LEFT_BY_A_CUT)

    def _is_to_be_kept(self, plan: Plan, identity: ChunkId) -> bool:
        """Say whether a base is within the share; one whose like was not has no better claim, and makes no room for itself.

        Its id is drawn anew every day: bases that serve would go for others that serve no more, and most of them before they were asked for.
        """
        if plan.is_missed and self._held_bytes >= self._after_a_cut:
            return False
        return is_within(plan.root or identity, self._anchors.share)

    def _fit(self, room_bytes: int) -> None:
        with self._lock:
            self._cache.drop(self._anchors.fit(room_bytes))
            self._held_bytes = self._anchors.cached_bytes + self._unnoted_bytes

    def _base(self, anchor: Anchor, wanted: ChunkId, plain_length: int) -> Base | None:
        known = self._index.find(anchor.identity)
        if known is None or not self._admits(known) or wanted in _chain(anchor.identity, known):
            return None
        plain = self._cache.plain(anchor.identity) if anchor.is_cached else None
        if plain is None:
            if anchor.is_cached:
                self._anchors.forget_cached(anchor.identity)
            return None
        place = ChunkPlace(anchor.identity, known.run, known.place, known.twin)
        root = anchor if anchor.base is None else self._anchors.get(anchor.base) or anchor
        full = root.stored * plain_length // max(1, root.plain_length)
        return Base(anchor, plain, (place, *known.bases), full // WORTH)

    def _admits(self, known: Known) -> bool:
        """Say whether a delta may rest on this: the index may know of a longer chain than the anchors do, which are another file."""
        return len(known.bases) < MOST_BASES and all(
            map(self._needs.admits, (known.run, *(place.run for place in known.bases)))
        )

    def _sketcher(self) -> Sketcher:
        found: Sketcher | None = getattr(self._own, "sketcher", None)
        if found is None:
            found = self._own.sketcher = Sketcher(self._seed)
        return found


def _chain(identity: ChunkId, known: Known) -> tuple[ChunkId, ...]:
    return identity, *(place.chunk_id for place in known.bases)


def open_deltas(
    room: BaseRoom,
    lane: str,
    keys: CacheKeys,
    index: LaneIndex,
    needs: NeedsCollector,
    *,
    seed: int,
    random_bytes: Callable[[int], bytes],
) -> Deltas | None:
    """Open anchors and base cache of a lane; ``None`` when they cannot be had, or another process has them."""
    directory = room.directory
    bases = directory / f"{lane}{BASES}"
    with suppress(OSError, sqlite3.Error):
        anchors = Anchors(directory / f"{lane}{ANCHORS}")
        own = anchors.cached_bytes
        free = own + shutil.disk_usage(directory).free // FREE_SHARE
        budget = min(room.limit_bytes - _held_by_others(directory, bases), free)
        cache = BaseCache(bases, keys, random_bytes)
        return Deltas(anchors, cache, index, needs, seed=seed, budget_bytes=max(0, budget))
    return None


def _held_by_others(directory: Path, own: Path) -> int:
    total = 0
    for path in directory.glob(f"*{BASES}/{SIZE_FILE}"):
        if path.parent != own:
            with suppress(OSError, ValueError):
                total += int(path.read_text(encoding="ascii"))
    return total

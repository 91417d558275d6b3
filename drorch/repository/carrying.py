"""Streams of the last committed snapshot that may stand in the next one without being given again.

What the writer must know for that it noted itself while it stored them: the entry, and which packs lie below its tree. It is kept in
the lane's local index and goes with it. A stream is carried over whole or not at all, by the rules of a known chunk: every pack
that it needs is present in every store of the run, stands in its run's signed list, and is not due for renewal.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from drorch.errors import IntegrityError
from drorch.format.entries import Entry
from drorch.format.manifest import ordinals_of
from drorch.format.tree import Place
from drorch.ids import RunId
from drorch.repository.index import LaneIndex
from drorch.repository.needs import NeedsCollector

_RANGE = struct.Struct(">16sII")  # run, first pack, number of packs


@dataclass(frozen=True, slots=True)
class Carried:
    """A stream that is whole in every store, and the packs that it needs."""

    entry: Entry
    ordinals: Mapping[RunId, tuple[int, ...]]


class Carrying:
    """Answers for one run which streams may be carried, and notes those that a later one may carry. Safe for several threads."""

    def __init__(self, index: LaneIndex, needs: NeedsCollector) -> None:
        self._index = index
        self._needs = needs
        self._lock = threading.Lock()
        self._noted: dict[str, tuple[bytes, bytes]] = {}

    def find(self, name: str) -> Carried | None:
        """Return the lasting stream ``name`` of the last snapshot, if it can be relied on."""
        row = self._index.carried(name)
        if row is None:
            return None
        try:
            entry = Entry.decode(row[0])
        except IntegrityError:
            return None
        ordinals = _unpacked(row[1])
        if entry.name != name or entry.tree is None or not all(map(self._needs.admits, ordinals)):
            return None
        is_whole = all(self._index.holds_packs(run, packs, entry.tree.chunk_id) for run, packs in ordinals.items())
        return Carried(entry, ordinals) if is_whole else None

    def carry(self, name: str) -> Entry | None:
        """Take the stream into this snapshot and return its entry; ``None`` when it cannot be relied on."""
        found = self.find(name)
        if found is None:
            return None
        for run, packs in found.ordinals.items():
            self._needs.add(run, *(Place(ordinal, 0, 0) for ordinal in packs))
        self._note(found.entry, found.ordinals)
        return found.entry

    def note(self, entry: Entry, needs: NeedsCollector) -> None:
        """Note a stream that this run has stored, and what it alone needs."""
        if entry.tree is not None:
            self._note(entry, {run: tuple(ordinals_of(bitmap)) for run, bitmap in needs.bitmaps().items()})

    def keep(self) -> None:
        """Make what was noted the answer for later runs: the snapshot is committed."""
        with self._lock:
            self._index.keep_carried(self._noted)

    def _note(self, entry: Entry, ordinals: Mapping[RunId, tuple[int, ...]]) -> None:
        plain = replace(entry, contained=None, buckets=None, rows=None)
        with self._lock:
            self._noted[entry.name] = plain.encode()[4:], _packed(ordinals)


def _packed(ordinals: Mapping[RunId, tuple[int, ...]]) -> bytes:
    return b"".join(
        _RANGE.pack(run.raw, first, count) for run, packs in sorted(ordinals.items()) for first, count in _ranges(packs)
    )


def _ranges(packs: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield first and length of each stretch of neighbours: a large stream's packs are few stretches."""
    first = count = 0
    for ordinal in packs:
        if count and ordinal == first + count:
            count += 1
            continue
        if count:
            yield first, count
        first, count = ordinal, 1
    if count:
        yield first, count


def _unpacked(raw: bytes) -> dict[RunId, tuple[int, ...]]:
    found: dict[RunId, tuple[int, ...]] = {}
    for run, first, count in _RANGE.iter_unpack(raw):
        identity = RunId(run)
        found[identity] = (*found.get(identity, ()), *range(first, first + count))
    return found

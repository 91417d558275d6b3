"""Collect which packs of which runs a snapshot needs, and how much of each; five bytes a pack, so flat in memory."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterator

from drorch.format.tree import Place
from drorch.ids import RunId

MOST_RUNS = 1_024
_MOST = 2**31


class NeedsCollector:
    """What the snapshot of run ``own`` needs, of at most ``most_runs`` runs. Safe to use from several threads."""

    def __init__(self, own: RunId | None = None, most_runs: int = MOST_RUNS) -> None:
        self._lock = threading.Lock()
        self._bitmaps: dict[RunId, bytearray] = {}
        self._served: dict[RunId, array[int]] = {}
        self._admitted = set() if own is None else {own}
        self._most_runs = most_runs

    def admits(self, run: RunId) -> bool:
        """Say whether the snapshot may need ``run`` too; a chunk of one run too many is stored afresh."""
        with self._lock:
            if run not in self._admitted and len(self._admitted) < self._most_runs:
                self._admitted.add(run)
            return run in self._admitted

    def add(self, run: RunId, *places: Place | None) -> None:
        """Note that the packs of ``run`` in which ``places`` lie are needed: a chunk's, and its twin's if it has one.

        A place of no length stands for the whole pack.
        """
        with self._lock:
            bitmap = self._bitmaps.setdefault(run, bytearray())
            served = self._served.setdefault(run, array("I"))
            for place in places:
                if place is not None:
                    _set(bitmap, place.ordinal)
                    _count(served, place)

    def bitmaps(self) -> dict[RunId, bytes]:
        """Return a bitmap for each run, in the order of the runs' ids (FORMAT.md section 8, field 32)."""
        with self._lock:
            return {run: bytes(bitmap) for run, bitmap in sorted(self._bitmaps.items())}

    def served(self) -> Iterator[tuple[RunId, int, int]]:
        """Yield run, ordinal and bytes that were asked for of each pack, those that were asked for twice counted twice."""
        for run, every in self._served.items():
            yield from ((run, ordinal, size_bytes) for ordinal, size_bytes in enumerate(every) if size_bytes)


def _count(served: array[int], place: Place) -> None:
    if place.ordinal >= len(served):
        served.frombytes(bytes((place.ordinal + 1 - len(served)) * served.itemsize))
    served[place.ordinal] = min(served[place.ordinal] + (place.length or _MOST), _MOST)


def _set(bitmap: bytearray, ordinal: int) -> None:
    position = ordinal >> 3
    if position >= len(bitmap):
        bitmap.extend(bytes(position + 1 - len(bitmap)))
    bitmap[position] |= 0x80 >> (ordinal & 7)

"""Collect which packs of which runs a snapshot needs; one bit per pack, so flat in memory."""

from __future__ import annotations

import threading

from drorch.format.tree import Place
from drorch.ids import RunId

MOST_RUNS = 1_024


class NeedsCollector:
    """What the snapshot of run ``own`` needs, of at most ``most_runs`` runs. Safe to use from several threads."""

    def __init__(self, own: RunId | None = None, most_runs: int = MOST_RUNS) -> None:
        self._lock = threading.Lock()
        self._bitmaps: dict[RunId, bytearray] = {}
        self._admitted = set() if own is None else {own}
        self._most_runs = most_runs

    def admits(self, run: RunId) -> bool:
        """Say whether the snapshot may need ``run`` too; a chunk of one run too many is stored afresh."""
        with self._lock:
            if run not in self._admitted and len(self._admitted) < self._most_runs:
                self._admitted.add(run)
            return run in self._admitted

    def add(self, run: RunId, *places: Place | None) -> None:
        """Note that the packs of ``run`` in which ``places`` lie are needed: a chunk's, and its twin's if it has one."""
        with self._lock:
            bitmap = self._bitmaps.setdefault(run, bytearray())
            for place in places:
                if place is not None:
                    _set(bitmap, place.ordinal)

    def bitmaps(self) -> dict[RunId, bytes]:
        """Return a bitmap for each run, in the order of the runs' ids (FORMAT.md section 8, field 32)."""
        with self._lock:
            return {run: bytes(bitmap) for run, bitmap in sorted(self._bitmaps.items())}


def _set(bitmap: bytearray, ordinal: int) -> None:
    position = ordinal >> 3
    if position >= len(bitmap):
        bitmap.extend(bytes(position + 1 - len(bitmap)))
    bitmap[position] |= 0x80 >> (ordinal & 7)

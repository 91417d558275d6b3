"""Lay small streams end to end in container streams, in the order of their ordinals whatever order they arrive in."""

from __future__ import annotations

import threading
from collections.abc import Callable

from drorch.format.entries import CONTAINED_LIMIT_BYTES, Contained
from drorch.format.tree import Reference
from drorch.repository.streams import StreamTotals, TreeWriter

SMALL_STREAM_BYTES = CONTAINED_LIMIT_BYTES
MOST_WAITING_BYTES = 8 * 2**20


class ContainerWriter:
    """One container stream. Streams that are not small are announced too (``skip``), so that order can be kept.

    Bytes wait in memory only until every earlier ordinal is settled, at most about ``MOST_WAITING_BYTES`` of them.
    """

    def __init__(self, open_tree: Callable[[], TreeWriter]) -> None:
        self._open_tree = open_tree
        self._tree: TreeWriter | None = None
        self._lock = threading.Lock()
        self._waiting: dict[int, bytes | None] = {}
        self._places: dict[int, Contained] = {}
        self._waiting_bytes = 0
        self._next = 0
        self._offset = 0

    def skip(self, ordinal: int) -> None:
        """The stream of this ordinal is empty or has a tree of its own."""
        self._settle(ordinal, None)

    def add(self, ordinal: int, content: bytes) -> None:
        """Take a whole small stream."""
        self._settle(ordinal, content)

    def place_of(self, ordinal: int) -> Contained | None:
        """Return where a stream lies; ``None`` when it was skipped. Known once all earlier ordinals are settled."""
        return self._places.get(ordinal)

    @property
    def has_room(self) -> bool:
        """Whether a small stream may still wait here; while an early one is slow to come, later ones pile up."""
        with self._lock:
            return self._waiting_bytes < MOST_WAITING_BYTES

    @property
    def totals(self) -> StreamTotals:
        """What became of the container's chunks."""
        return StreamTotals() if self._tree is None else self._tree.totals

    def finish(self) -> Reference | None:
        """Return the container's tree; ``None`` when no stream was small."""
        return None if self._tree is None else self._tree.finish()

    def _settle(self, ordinal: int, content: bytes | None) -> None:
        with self._lock:
            self._waiting[ordinal] = content
            self._waiting_bytes += len(content or b"")
            while self._next in self._waiting:
                ready = self._waiting.pop(self._next)
                self._waiting_bytes -= len(ready or b"")
                if ready is not None:
                    self._append(self._next, ready)
                self._next += 1

    def _append(self, ordinal: int, content: bytes) -> None:
        if self._tree is None:
            self._tree = self._open_tree()
        self._places[ordinal] = Contained(0, self._offset)
        self._tree.write(content)
        self._offset += len(content)

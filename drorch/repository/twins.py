"""Two lines of packs in which every record stands twice: what a lost pack must not take with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from drorch.format.index import IndexEntry
from drorch.format.tree import Place
from drorch.repository.packing import PackLine, Shipper
from drorch.storage.interface import Bytes


class Line(Protocol):
    """Where the records of a stream go: once (``PackLine``) or twice (``TwinLines``)."""

    @property
    def copies(self) -> int:
        """How often each chunk is sealed."""
        ...

    def keep(self, records: Sequence[Bytes], entry_at: Callable[[Place, Place | None], IndexEntry]) -> IndexEntry:
        """Place the ``copies`` records of one chunk; ``entry_at`` says for the index what now lies there."""
        ...


class TwinLines:
    """Shared by all streams of a run: tree nodes and defining streams are small, and should share few packs."""

    copies = 2

    def __init__(self, shipper: Shipper) -> None:
        self._lock = threading.Lock()
        self._first = PackLine(shipper, copy=0, is_twin=True)
        self._second = PackLine(shipper, copy=1, is_twin=True)

    def keep(self, records: Sequence[Bytes], entry_at: Callable[[Place, Place | None], IndexEntry]) -> IndexEntry:
        """Place two records of one chunk or node in two packs."""
        first, second = records
        with self._lock:
            entry = entry_at(self._first.place(first), self._second.place(second))
            self._first.describe(entry)
            self._second.ship_when_full()
        return entry

    def flush(self) -> None:
        """Ship what is left in the two lines."""
        with self._lock:
            self._first.flush()
            self._second.flush()

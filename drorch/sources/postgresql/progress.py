"""Adds up what several threads did and tells the observer."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from drorch.sources.interface import Bytes, Observer


class Progress:
    """One line of progress: ``done`` of ``total`` ``unit``; also counts rows and statements for the outcome."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._lock = threading.Lock()
        self._label, self._unit, self._done, self._total = "", "", 0, 0
        self.rows = 0
        self.statements = 0

    def begin(self, label: str, total: int, unit: str) -> None:
        """Start a new line."""
        with self._lock:
            self._label, self._total, self._unit, self._done = label, total, unit, 0
        self._observer.advance(label, 0, total, unit)

    def add(self, amount: int, *, rows: int = 0, statements: int = 0) -> None:
        """Say that ``amount`` more of the unit is done."""
        with self._lock:
            self._done += amount
            self.rows += rows
            self.statements += statements
            done = self._done
        self._observer.advance(self._label, done, self._total, self._unit)

    def watching(self, pieces: Iterator[Bytes]) -> Iterator[Bytes]:
        """Yield ``pieces`` and count their bytes."""
        for piece in pieces:
            yield piece
            self.add(len(piece))

"""The pack lines of one run: a stream takes one and gives it back for the next, so that packs are filled."""

from __future__ import annotations

import queue
import threading

from drorch.repository.packing import PackLine, Shipper


class PackLines:
    """Lends lines, those of deltas apart: deltas are gone before their bases are. For several threads."""

    def __init__(self, shipper: Shipper) -> None:
        self._shipper = shipper
        self._lock = threading.Lock()
        self._idle: queue.SimpleQueue[PackLine] = queue.SimpleQueue()
        self._idle_for_deltas: queue.SimpleQueue[PackLine] = queue.SimpleQueue()
        self._all: list[PackLine] = []

    def take(self) -> PackLine:
        """Return a line that nobody else has."""
        return self._taken(self._idle)

    def take_for_deltas(self) -> PackLine:
        """Return a line for deltas that nobody else has."""
        return self._taken(self._idle_for_deltas)

    def give_back(self, line: PackLine) -> None:
        """Let another stream go on with a line of ``take``."""
        self._idle.put(line)

    def give_back_for_deltas(self, line: PackLine) -> None:
        """Let another stream go on with a line of ``take_for_deltas``."""
        self._idle_for_deltas.put(line)

    def new(self) -> PackLine:
        """Return a line that is never lent to another stream."""
        line = PackLine(self._shipper)
        with self._lock:
            self._all.append(line)
        return line

    def flush(self) -> None:
        """Ship what every line holds; no stream is being stored any more."""
        for line in self._all:
            line.flush()

    def _taken(self, idle: queue.SimpleQueue[PackLine]) -> PackLine:
        try:
            return idle.get_nowait()
        except queue.Empty:
            return self.new()

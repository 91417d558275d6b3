"""Keep to a bandwidth: a line that is shared with the office must not be filled by a backup."""

from __future__ import annotations

import threading
from collections.abc import Callable

from drorch.clock import Clock
from drorch.storage.interface import Bytes, ObjectStore, PutOutcome
from drorch.storage.passing import PassingStore

LONGEST_NAP_SECONDS = 30.0  # after it is asked again: a window may have ended


class ThrottledStore(PassingStore):
    """``store`` at no more than ``bytes_per_second`` of content on average, both ways and all threads together.

    One object travels at the speed of the line; the next waits until the average is kept. ``bytes_per_second`` is asked before each object and
    while it waits; ``None`` is no limit, and nothing waits any longer for what was sent before.
    """

    def __init__(self, store: ObjectStore, *, bytes_per_second: Callable[[], int | None], clock: Clock) -> None:
        super().__init__(store)
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = 0.0

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        """See ``ObjectStore``."""
        self._take_turn(len(content))
        return self._store.put_if_absent(name, content)

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """See ``ObjectStore``."""
        self._take_turn(0)
        content = self._store.read(name, limit_bytes=limit_bytes)
        self._reserve(len(content))  # its size was not known before
        return content

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See ``ObjectStore``."""
        self._take_turn(length)
        return self._store.read_range(name, offset, length)

    def _take_turn(self, size_bytes: int) -> None:
        starts_at = self._reserve(size_bytes)
        while (left := starts_at - self._clock.monotonic_seconds()) > 0 and self._bytes_per_second() is not None:
            self._clock.sleep(min(left, LONGEST_NAP_SECONDS))

    def _reserve(self, size_bytes: int) -> float:
        """Book the line for ``size_bytes`` and return from when on it is free for them."""
        rate = self._bytes_per_second()
        with self._lock:
            now = self._clock.monotonic_seconds()
            starts_at = now if rate is None else max(now, self._free_at)
            self._free_at = now if rate is None else starts_at + size_bytes / rate
        return starts_at

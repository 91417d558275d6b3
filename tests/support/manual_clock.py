"""A clock that stands still until somebody sleeps or sets it; sleeping takes no time."""

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class ManualClock:
    def __init__(self, now: datetime = START) -> None:
        self._lock = threading.Lock()
        self._start = now
        self.slept_seconds = 0.0
        self.naps: list[float] = []

    def now(self) -> datetime:
        with self._lock:
            return self._start + timedelta(seconds=self.slept_seconds)

    def monotonic_seconds(self) -> float:
        with self._lock:
            return self.slept_seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept_seconds += seconds
            self.naps.append(seconds)

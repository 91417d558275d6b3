"""The only reader of the wall clock and the monotonic clock. Everything else is given a ``Clock``."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Tells time. ``now`` is aware and in UTC; ``monotonic_seconds`` never goes back."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...

    def monotonic_seconds(self) -> float:
        """Return seconds since an arbitrary start; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` have passed."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See ``Clock``."""
        return datetime.now(UTC)

    def monotonic_seconds(self) -> float:
        """See ``Clock``."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See ``Clock``."""
        time.sleep(seconds)


def to_milliseconds(moment: datetime) -> int:
    """Return an aware ``moment`` as whole milliseconds since 1970-01-01 UTC (rounded down)."""
    if moment.tzinfo is None:
        raise ValueError("naive datetime")  # a bug of the caller, never input
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000 + delta.microseconds // 1_000


def from_milliseconds(milliseconds: int) -> datetime:
    """Return the aware UTC time of ``milliseconds`` since 1970-01-01 UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)

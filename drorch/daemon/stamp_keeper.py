"""Asks again for time-stamps that drills of this machine did not get, for as long as some are owed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drorch.catalog.interface import OccurrenceRecord
from drorch.daemon.observing import Observer
from drorch.daemon.results import Answer

_AGAIN_AFTER = timedelta(hours=1)


class StampKeeper(Observer):
    """See ``Observer``. ``owed`` is there while a stamp is missing; ``ask_again`` asks for all of them."""

    def __init__(self, owed: Path, ask_again: Callable[[], None]) -> None:
        self._owed = owed
        self._ask_again = ask_again
        self._asked_at: datetime | None = None

    def beat(self, now: datetime) -> None:
        """See ``Observer``: an hour after the drill that got none, which may still be asking, and then each hour."""
        since = self._asked_at or self._owed_since()
        if since is None or abs(now - since) < _AGAIN_AFTER:
            return
        self._asked_at = now if self._owed.exists() else None
        if self._asked_at is not None:
            self._ask_again()

    def _owed_since(self) -> datetime | None:
        try:
            return datetime.fromtimestamp(self._owed.stat().st_mtime, UTC)
        except OSError:
            return None

    def ended(self, occurrences: tuple[OccurrenceRecord, ...], answer: Answer | None) -> None:
        """See ``Observer``: a drill asks for its own."""

    def stopping(self) -> None:
        """See ``Observer``: what is owed waits for the next daemon."""

"""Let a run wait while its source's server has too much other work (``source_load`` of a policy)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from drorch.clock import Clock
from drorch.errors import SourceError
from drorch.quantities import format_duration

LOOK_SECONDS = 10.0


class Calm:
    """Asks the server now and then, and holds whoever reads from it while it is too busy. For several threads."""

    def __init__(self, too_busy: Callable[[], str], clock: Clock, tell: Callable[..., None]) -> None:
        """``too_busy`` returns what is over its limit, or nothing; ``tell`` hears of every pause and of its end."""
        self._too_busy = too_busy
        self._clock = clock
        self._tell = tell
        self._looking = threading.Lock()
        self._is_over = threading.Event()
        self._next_look_seconds = float("-inf")
        self._has_looked = False
        self.paused_seconds = 0.0
        self.reasons: list[str] = []

    def wait(self, show: Callable[[str], None]) -> None:
        """Return when the server has room for us; ``show`` hears what is waited for.

        Only the first look raises: later on a server that is gone is told by whoever reads from it.
        """
        if self._clock.monotonic_seconds() < self._next_look_seconds:
            return
        with self._looking:  # who else reads waits here
            begun = self._clock.monotonic_seconds()
            if begun < self._next_look_seconds or self._is_over.is_set():
                return
            reason = self._ask()
            if reason:
                self._pause(reason, show, begun)
            self._next_look_seconds = self._clock.monotonic_seconds() + LOOK_SECONDS

    def stop(self) -> None:
        """Let everybody go on; from any thread."""
        self._is_over.set()

    def _pause(self, reason: str, show: Callable[[str], None], begun: float) -> None:
        self._tell(f"paused: {reason}")
        self.reasons.append(reason)
        while reason:
            show(reason)
            if self._is_over.wait(LOOK_SECONDS):
                break
            reason = self._ask()
        lasted = self._clock.monotonic_seconds() - begun
        self.paused_seconds += lasted
        self._tell(f"went on after {format_duration(lasted)}")

    def _ask(self) -> str:
        if not self._has_looked:
            found = self._too_busy()
            self._has_looked = True
            return found
        with suppress(SourceError):
            return self._too_busy()
        return ""

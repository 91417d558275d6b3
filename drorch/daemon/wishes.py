"""What wakes the daemon: its alarm, the ends of runs, and signals; they wait in line from the first moment of the process on."""

from __future__ import annotations

import queue
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from types import FrameType

from drorch.daemon.results import Answer


class Wish(Enum):
    """Something that is wanted of the daemon."""

    WAKE = auto()
    RELOAD = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended, and what it answered."""

    unit: str
    answer: Answer


class Wishes:
    """The line of wishes. Anybody may put one: another thread, a signal handler."""

    def __init__(self) -> None:
        self._line: queue.SimpleQueue[Wish | Ended] = queue.SimpleQueue()  # may be used in a signal handler

    def put(self, wish: Wish | Ended) -> None:
        """Add to the line."""
        self._line.put(wish)

    def get(self) -> Wish | Ended:
        """Return the next wish, once there is one."""
        return self._line.get()

    def get_within(self, seconds: float) -> Wish | Ended | None:
        """Return the next wish, ``None`` when none came in time."""
        try:
            return self._line.get(timeout=seconds)
        except queue.Empty:
            return None

    def hear_hangups(self) -> None:
        """Take SIGHUP as the wish to read the configuration again, also while it is read for the first time."""
        signal.signal(signal.SIGHUP, self._wish(Wish.RELOAD))

    def hear_ends(self) -> None:
        """Take SIGTERM and SIGINT as the wish to end in order: once there is something to be ended."""
        signal.signal(signal.SIGTERM, self._wish(Wish.STOP))
        signal.signal(signal.SIGINT, self._wish(Wish.STOP))

    def _wish(self, what: Wish) -> Callable[[int, FrameType | None], None]:
        return lambda _number, _frame: self.put(what)

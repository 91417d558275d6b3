"""Work that must end: it is done in a thread of its own, and whoever waits for it goes on when its time is over.

A query that never answers, a program that hangs, a file system that is gone: nothing of that can be ended from inside. What can be cut short
is cut; a thread that does not end even then is left behind, and ends with the program.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from drorch.clock import Clock
from drorch.operations.interruption import Interruption

FAREWELL_SECONDS = 10.0
_LOOK_SECONDS = 0.25  # a signal is acted upon between two looks

Item = TypeVar("Item")


@dataclass(slots=True)
class Supervised(Generic[Item]):
    """Gives what work yields, until ``deadline`` (of the clock's monotonic seconds). ``stop`` cuts the work short, also when a person wants that."""

    deadline: float
    stop: Interruption
    clock: Clock
    is_out_of_time: bool = False
    is_left_behind: bool = False
    _ended: queue.SimpleQueue[tuple[Item | None, BaseException | None]] = field(default_factory=queue.SimpleQueue)

    @property
    def seconds_left(self) -> float:
        """How long work may still take."""
        return max(0.0, self.deadline - self.clock.monotonic_seconds())

    def items(self, work: Callable[[], Iterable[Item]]) -> Iterator[Item]:
        """Yield what ``work`` yields, and raise what it raises; what it would yield after its time counts no more.

        Raises the reason of ``stop`` when somebody else used it.
        """
        thread = threading.Thread(target=self._do, args=(work,), name="drill", daemon=True)
        thread.start()
        try:
            while not self.is_out_of_time:
                item = self._next(thread)
                if item is None:
                    return
                yield item
        except BaseException:
            self._end(thread)
            raise

    def _next(self, thread: threading.Thread) -> Item | None:
        """Return the next item, ``None`` when there is none or the time is over; raise what ended the work."""
        while self.seconds_left:
            found = self._look()
            self.stop.require_none()  # what was cut short fails in many ways, and none of them is a result
            if found is not None:
                item, error = found
                if error is not None:
                    raise error
                return item
        self.is_out_of_time = True
        self._end(thread)
        return None

    def _look(self) -> tuple[Item | None, BaseException | None] | None:
        with contextlib.suppress(queue.Empty):
            return self._ended.get(timeout=_LOOK_SECONDS)
        return None

    def _end(self, thread: threading.Thread) -> None:
        until = self.clock.monotonic_seconds() + FAREWELL_SECONDS
        while thread.is_alive() and self.clock.monotonic_seconds() < until:
            self.stop.end()  # again: what was cut between two questions asks the next one
            thread.join(_LOOK_SECONDS)
        self.is_left_behind = thread.is_alive()

    def _do(self, work: Callable[[], Iterable[Item]]) -> None:
        try:
            for item in work():
                self._ended.put((item, None))
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are asked for
            self._ended.put((None, error))
        else:
            self._ended.put((None, None))

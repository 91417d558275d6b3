"""Who hears what the daemon does: messages, metrics, health. A listener that hangs or fails never holds it up.

Each listener is called in a thread of its own, in the order in which things happened. ``MOST_UNHEARD`` calls wait for
a slow one; then the oldest are dropped, and it is told how many.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from drorch.catalog.interface import DaemonRecord, OccurrenceRecord
from drorch.daemon.results import Answer

MOST_UNHEARD = 1_000


class Observer:
    """A listener, which minds nothing that it does not override. What it raises is shown by ``Listeners.failures`` and changes nothing else."""

    def started(self, daemon: DaemonRecord, absence: str) -> None:
        """The daemon runs; ``absence`` says since when and why none ran, empty at the very first start."""

    def ended(self, occurrences: tuple[OccurrenceRecord, ...], answer: Answer | None) -> None:
        """Occurrences ended, or wait for another try; ``answer`` is how their run ended, if one ran and was heard."""

    def reloaded(self, problems: tuple[str, ...]) -> None:
        """The configuration was read again; ``problems`` are lines about files whose former content stays in force."""

    def troubled(self, what: str) -> None:
        """The daemon cannot do what it should, such as write the catalog; it goes on trying."""

    def beat(self, now: datetime) -> None:
        """Half a minute or less has passed: time to look at RPOs, disks and digests."""

    def stopping(self) -> None:
        """The daemon ends in good order."""


@dataclass(slots=True)
class _Listener:
    observer: Observer
    calls: deque[Callable[[], None]]
    is_wanted: threading.Condition
    thread: threading.Thread | None = None
    is_last: bool = False


class Listeners:
    """All observers of one daemon."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self.failures: dict[str, str] = {}
        self._listeners = [
            _Listener(observer, deque(maxlen=MOST_UNHEARD), threading.Condition()) for observer in observers
        ]
        for listener in self._listeners:
            listener.thread = threading.Thread(target=self._hear, args=(listener,), daemon=True, name="observer")
            listener.thread.start()

    def tell(self, call: Callable[[Observer], None]) -> None:
        """Have every observer called, each in its own time; returns at once."""
        for listener in self._listeners:
            with listener.is_wanted:
                listener.calls.append(partial(call, listener.observer))
                listener.is_wanted.notify()

    def close(self, patience_seconds: float) -> None:
        """Let every observer hear what is left, but wait no longer than that for all of them."""
        for listener in self._listeners:
            with listener.is_wanted:
                listener.is_last = True
                listener.is_wanted.notify()
        share = patience_seconds / max(1, len(self._listeners))
        for listener in self._listeners:
            if listener.thread is not None:
                listener.thread.join(share)

    def _hear(self, listener: _Listener) -> None:
        while True:
            with listener.is_wanted:
                listener.is_wanted.wait_for(lambda: listener.calls or listener.is_last)
                if not listener.calls:
                    return
                call = listener.calls.popleft()
            name = type(listener.observer).__name__
            try:
                call()
                self.failures.pop(name, None)
            except Exception as error:  # noqa: BLE001 - a listener's fault must not end the thread that serves it
                self.failures[name] = f"{type(error).__name__}: {error}"

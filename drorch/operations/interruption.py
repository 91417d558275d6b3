"""Ends what runs in other threads when a person or the system wants a command to end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drorch.errors import DrorchError, Interrupted, Terminated


class Interruption:
    """One for a command; whoever does something long says how it is cut short."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cutters: dict[object, Callable[[], None]] = {}
        self._kind: type[Interrupted | Terminated] | None = None

    @property
    def reason(self) -> DrorchError | None:
        """What a run that was cut short ends with; a new error each time, ``None`` while nobody wants an end."""
        kind = self._kind
        return None if kind is None else kind("interrupted" if kind is Interrupted else "terminated")

    def require_none(self) -> None:
        """Raise the reason, if there is one."""
        reason = self.reason
        if reason is not None:
            raise reason

    @contextmanager
    def cuts(self, cut: Callable[[], None]) -> Iterator[None]:
        """Have ``cut`` called, from another thread and perhaps at once, when the end is wanted before the block ends."""
        key = object()
        with self._lock:
            self._cutters[key] = cut
            wanted = self._kind is not None
        if wanted:
            cut()
        try:
            yield
        finally:
            with self._lock:
                self._cutters.pop(key, None)

    def end(self, *, terminated: bool = False) -> None:
        """Cut everything short; whatever begins later is cut at its beginning."""
        with self._lock:
            self._kind = Terminated if terminated else Interrupted
            cutters = list(self._cutters.values())
        for cut in cutters:
            cut()

"""All that a capture or restore holds open, to be ended at once from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from drorch.errors import DrorchError


class Lifeline:
    """All that a capture or restore holds open, so that any thread can end it at once.

    ``end`` shuts the sockets (libpq then reports a lost connection to whoever waits) and kills the children; the
    error that was given is what the waiting threads raise instead.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cutters: dict[object, Callable[[], None]] = {}
        self._reason: DrorchError | None = None

    @property
    def reason(self) -> DrorchError | None:
        """Why everything was ended, if it was."""
        return self._reason

    def hold(self, key: object, cut: Callable[[], None]) -> None:
        """Remember how to cut ``key``; cut it at once if the end has come."""
        with self._lock:
            self._cutters[key] = cut
            if self._reason is not None:
                cut()

    def release(self, key: object) -> None:
        """Forget ``key``: it is being closed by its owner."""
        with self._lock:
            self._cutters.pop(key, None)

    def end(self, reason: DrorchError) -> None:
        """Cut everything; only the first reason counts."""
        with self._lock:
            self._reason = self._reason or reason
            for cut in self._cutters.values():
                cut()

"""What keeps the daemon from its work at this moment; told once, and once more when it came back after it was over."""

from __future__ import annotations

from drorch.daemon.observing import Listeners


class Troubles:
    """The trouble of the last round of work, if there was any."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners
        self._known = ""
        self._found = ""

    @property
    def is_any(self) -> bool:
        """Whether something was in the way when it was last tried."""
        return bool(self._known)

    def begin_round(self) -> None:
        """Try everything again."""
        self._found = ""

    def tell(self, what: str) -> None:
        """Something is in the way."""
        self._found = what
        if what != self._known:
            self._known = what
            self._listeners.tell(lambda one: one.troubled(what))

    def end_round(self) -> None:
        """All was tried: what was not found again is over."""
        self._known = self._found

"""The process dies at the n-th store call: before the call, or after it was applied and before its answer came.

``Crashed`` is no ``Exception``: like a kill, nothing between the store and the test may stop it. A dead process
makes no further calls, so every later one crashes too.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

from drorch.storage.interface import ObjectStore
from tests.support.hooked_store import HookedStore

Result = TypeVar("Result")


class Crashed(BaseException):
    """The process is dead."""


class CrashStore(HookedStore):
    def __init__(self, store: ObjectStore, *, survives_calls: int, applies_last: bool = False) -> None:
        super().__init__(store)
        self.survives_calls = survives_calls
        self.applies_last = applies_last
        self.calls: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    @property
    def has_crashed(self) -> bool:
        return len(self.calls) > self.survives_calls

    def around(self, verb: str, name: str, call: Callable[[], Result]) -> Result:
        with self._lock:
            self.calls.append((verb, name))
            number = len(self.calls)
        if number <= self.survives_calls:
            return call()
        if number == self.survives_calls + 1 and self.applies_last:
            call()
        raise Crashed(f"at call {self.survives_calls + 1}: {verb} {name}")

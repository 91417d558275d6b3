"""A store that fails where a test tells it to, before or after the call was applied, and can prove that it did.

store = FaultyStore(MemoryStore(clock))
lost = store.plan("put", StoreUnavailable("reset"), after=True)     # applied, and the answer is lost
...
assert lost.fired == 1
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from drorch.storage.interface import ObjectStore
from tests.support.hooked_store import HookedStore

Result = TypeVar("Result")


@dataclass(kw_only=True)
class Fault:
    """Raise ``error`` at the calls of ``verb`` whose name holds ``name_part``: ``times`` times, after ``skip`` others."""

    verb: str
    error: BaseException
    name_part: str = ""
    after: bool = False
    skip: int = 0
    times: int = 1
    fired: int = 0

    def strikes(self, verb: str, name: str) -> bool:
        if verb != self.verb or self.name_part not in name or self.fired >= self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.fired += 1
        return True


class FaultyStore(HookedStore):
    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.faults: list[Fault] = []
        self._lock = threading.Lock()

    def plan(self, verb: str, error: BaseException, **how: Any) -> Fault:
        """Add a fault; ``how`` are the other fields of ``Fault``. The verb ``list_item`` breaks a listing after ``skip`` items."""
        fault = Fault(verb=verb, error=error, **how)
        self.faults.append(fault)
        return fault

    def assert_all_fired(self) -> None:
        assert [fault for fault in self.faults if fault.fired == 0] == []

    def around(self, verb: str, name: str, call: Callable[[], Result]) -> Result:
        with self._lock:
            struck = next((fault for fault in self.faults if fault.strikes(verb, name)), None)
        if struck and not struck.after:
            raise struck.error
        result = call()
        if struck:
            raise struck.error
        if isinstance(result, Iterator):
            return self._breaking(name, result)  # type: ignore[return-value]  # an iterator for an iterator
        return result

    def _breaking(self, name: str, items: Iterator[Any]) -> Iterator[Any]:
        """Yield up to where the next ``list_item`` fault breaks the listing off."""
        for fault in self.faults:
            if fault.verb == "list_item" and fault.name_part in name and fault.fired < fault.times:
                fault.fired += 1
                yield from islice(items, fault.skip)
                raise fault.error
        yield from items

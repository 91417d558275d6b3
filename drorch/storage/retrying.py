"""Try again what fails in passing: exponential backoff with full jitter, for a bounded time.

A put whose answer was lost and that is tried again reports ``EXISTED`` when the first try had got through:
whoever puts compares (an object's name is its digest, or the bytes are read back).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from drorch.clock import Clock
from drorch.errors import DrorchError, StoreUnavailable
from drorch.storage.interface import Bytes, ObjectStat, ObjectStore, PutOutcome

Result = TypeVar("Result")

# While we wait we look this often whether the store was closed: an interrupted run ends at once.
_NAP_SECONDS = 0.5


class RetryingStore:
    """``store``, with every call repeated while it raises a retryable error.

    The n-th wait is a random share of ``first_delay_seconds * 2 ** n``, at most ``longest_delay_seconds``. A
    call that could not succeed within ``deadline_seconds`` raises its last error; as long as the store has not answered
    anything yet, within ``first_answer_seconds`` (a wrong address is likelier than a passing fault, and somebody is
    waiting to be told). ``close`` ends all waiting.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        clock: Clock,
        random_fraction: Callable[[], float],
        deadline_seconds: float = 300.0,
        first_answer_seconds: float = 20.0,
        first_delay_seconds: float = 0.25,
        longest_delay_seconds: float = 20.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._random_fraction = random_fraction
        self._deadline_seconds = deadline_seconds
        self._first_answer_seconds = min(first_answer_seconds, deadline_seconds)
        self._has_answered = False
        self._first_delay_seconds = first_delay_seconds
        self._longest_delay_seconds = longest_delay_seconds
        self._is_closed = threading.Event()

    @property
    def address(self) -> str:
        """See ``ObjectStore``."""
        return self._store.address

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        """See ``ObjectStore`` and this module."""
        return self._persist(lambda: self._store.put_if_absent(name, content))

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """See ``ObjectStore``."""
        return self._persist(lambda: self._store.read(name, limit_bytes=limit_bytes))

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See ``ObjectStore``."""
        return self._persist(lambda: self._store.read_range(name, offset, length))

    def stat(self, name: str) -> ObjectStat:
        """See ``ObjectStore``."""
        return self._persist(lambda: self._store.stat(name))

    def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
        """See ``ObjectStore``; a listing that breaks starts again and goes on behind the last object it gave."""
        return self._persist_listing(lambda: self._store.list_objects(prefix))

    def list_folders(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        return self._persist_listing(lambda: self._store.list_folders(prefix))

    def delete(self, names: Sequence[str]) -> None:
        """See ``ObjectStore``."""
        self._persist(lambda: self._store.delete(names))

    def locked_until(self, name: str) -> datetime | None:
        """See ``ObjectStore``."""
        return self._persist(lambda: self._store.locked_until(name))

    def extend_lock(self, name: str, until: datetime) -> None:
        """See ``ObjectStore``."""
        self._persist(lambda: self._store.extend_lock(name, until))

    def hidden(self, prefix: str) -> Iterator[str]:
        """See ``ObjectStore``."""
        return self._persist_listing(lambda: self._store.hidden(prefix))

    def server_time(self) -> datetime:
        """See ``ObjectStore``."""
        return self._persist(self._store.server_time)

    def close(self) -> None:
        """See ``ObjectStore``."""
        self._is_closed.set()
        self._store.close()

    def _persist(self, call: Callable[[], Result]) -> Result:
        patience = self._patience()
        while True:
            try:
                result = call()
            except DrorchError as error:
                self._wait_or_raise(error, patience)
            else:
                self._has_answered = True
                return result

    def _persist_listing(self, begin: Callable[[], Iterator[Result]]) -> Iterator[Result]:
        patience, given = self._patience(), 0
        last: Result | None = None
        while True:
            try:
                for item in _rest(begin(), given, last):
                    self._has_answered = True
                    yield item
                    last, given = item, given + 1
                    patience = self._patience()  # it moves: the deadline is for standing still
            except DrorchError as error:
                self._wait_or_raise(error, patience)
            else:
                self._has_answered = True
                return

    def _patience(self) -> _Patience:
        seconds = self._deadline_seconds if self._has_answered else self._first_answer_seconds
        return _Patience(self._clock.monotonic_seconds() + seconds, self._first_delay_seconds)

    def _wait_or_raise(self, error: DrorchError, patience: _Patience) -> None:
        """Sleep before the next try, or raise ``error`` when it is final or there is no time for another."""
        delay = patience.longest_seconds * self._random_fraction()
        patience.longest_seconds = min(self._longest_delay_seconds, patience.longest_seconds * 2)
        wake_at = self._clock.monotonic_seconds() + delay
        self._has_answered = self._has_answered or not error.retryable
        if not error.retryable or wake_at > patience.deadline:
            raise error
        while (left := wake_at - self._clock.monotonic_seconds()) > 0 and not self._is_closed.is_set():
            self._clock.sleep(min(left, _NAP_SECONDS))
        if self._is_closed.is_set():
            raise error


class _Patience:
    """How long one call may still be tried, and how long the next wait may be."""

    def __init__(self, deadline: float, longest_seconds: float) -> None:
        self.deadline = deadline
        self.longest_seconds = longest_seconds


def _rest(items: Iterator[Result], given: int, last: Result | None) -> Iterator[Result]:
    """Yield what comes behind ``last`` in a listing that was begun again; all of it when nothing was given yet.

    Servers differ in the order of a listing, each keeps its own: so ``last`` is looked for, not compared.
    Raises ``StoreUnavailable`` when it is not there any more.
    """
    if given:
        for item in items:
            if item == last:
                break
        else:
            raise StoreUnavailable("a listing broke off and cannot be taken up again", found="its last object is gone")
    yield from items

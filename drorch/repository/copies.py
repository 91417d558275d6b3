"""Read an object from whichever copy passes the caller's check: every store, then the alternates ``<name>~k``.

A copy that fails is noted and the next is tried; only when all fail does an error leave. A store that does not answer is asked last from
then on: its time-outs and retries are waited for once, not at every read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from drorch.errors import ChunkUnavailable, DrorchError, IntegrityError, ObjectMissing, StoreError, StoreUnavailable
from drorch.format import names
from drorch.repository.opening import Replica
from drorch.storage.interface import ObjectStore

ALTERNATES = 2
FAULTS_KEPT = 1_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """A copy that could not be used, and why."""

    store: str
    name: str
    reason: str


class Copies:
    """The same objects in one or more stores. Safe to use from several threads."""

    def __init__(self, replicas: tuple[Replica, ...]) -> None:
        self._replicas = replicas
        self._lock = threading.Lock()
        self._faults: dict[tuple[str, str], Fault] = {}

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Every copy that failed so far, each object of a store once, the first ``FAULTS_KEPT``."""
        with self._lock:
            return tuple(self._faults.values())

    def first_good(self, name: str, read: Callable[[ObjectStore, str], T]) -> T:
        """Return what ``read`` makes of the first copy that it accepts.

        ``read`` is given a store and the name of a copy, and raises a ``StoreError`` or ``IntegrityError`` when that copy is no
        good. Raises ``ObjectMissing`` when no store has the object, ``ChunkUnavailable`` when some have and none is good.
        """
        failures: list[tuple[Replica, DrorchError]] = []
        for candidate in (name, *(names.alternate(name, k) for k in range(1, ALTERNATES + 1))):
            for replica in self._in_order():
                try:
                    good = read(replica.store, candidate)
                except (StoreError, IntegrityError) as error:
                    if isinstance(error, StoreUnavailable):
                        self._ask_last(replica)
                    if candidate == name:
                        failures.append((replica, error))
                else:
                    self._note(name, failures)
                    return good
        if all(isinstance(error, ObjectMissing) for _, error in failures):
            raise ObjectMissing(f"{name} is in none of the stores", expected="the object", found="nothing")
        self._note(name, failures)
        worst = next(error for _, error in failures if not isinstance(error, ObjectMissing))
        if len(failures) == 1 or isinstance(worst, StoreError):
            raise worst
        raise ChunkUnavailable(f"no copy of {name} is good", found=str(worst)) from worst

    def _in_order(self) -> tuple[Replica, ...]:
        with self._lock:
            return self._replicas

    def _ask_last(self, silent: Replica) -> None:
        with self._lock:
            self._replicas = (*(one for one in self._replicas if one.name != silent.name), silent)

    def _note(self, name: str, failures: list[tuple[Replica, DrorchError]]) -> None:
        with self._lock:
            for replica, error in failures:
                if len(self._faults) < FAULTS_KEPT:
                    self._faults.setdefault((replica.name, name), Fault(replica.name, name, str(error)))

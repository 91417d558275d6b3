"""Read an object from whichever copy passes the caller's check: every store, then the alternates ``<name>~k``.

A copy that fails is noted and the next is tried; only when all fail does an error leave.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from drorch.errors import ChunkUnavailable, DrorchError, IntegrityError, ObjectMissing, StoreError
from drorch.format import names
from drorch.repository.opening import Replica
from drorch.storage.interface import ObjectStore

ALTERNATES = 2
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
        self._faults: list[Fault] = []

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Every copy that failed so far."""
        with self._lock:
            return tuple(self._faults)

    def first_good(self, name: str, read: Callable[[ObjectStore, str], T]) -> T:
        """Return what ``read`` makes of the first copy that it accepts.

        ``read`` is given a store and the name of a copy, and raises a ``StoreError`` or ``IntegrityError`` when that copy is no
        good. Raises ``ObjectMissing`` when no store has the object, ``ChunkUnavailable`` when some have and none is good.
        """
        failures: list[tuple[Replica, DrorchError]] = []
        for candidate in (name, *(names.alternate(name, k) for k in range(1, ALTERNATES + 1))):
            for replica in self._replicas:
                try:
                    good = read(replica.store, candidate)
                except (StoreError, IntegrityError) as error:
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

    def _note(self, name: str, failures: list[tuple[Replica, DrorchError]]) -> None:
        with self._lock:
            self._faults += [Fault(replica.name, name, str(error)) for replica, error in failures]

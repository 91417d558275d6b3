"""Write the same objects to every store of a run; a store that fails is dropped for the run, never the run for a store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from drorch.errors import (
    Bug,
    DrorchError,
    IntegrityError,
    ObjectConflict,
    ObjectMissing,
    RunVoided,
    StoreError,
    StoreUnfit,
)
from drorch.repository.opening import Replica
from drorch.storage.interface import Bytes, PutOutcome

READ_BACK_LIMIT_BYTES = 64 * 2**20


class Replicas:
    """The stores that still take part in a run. Safe to use from several threads."""

    def __init__(self, replicas: Sequence[Replica], dropped: Mapping[str, DrorchError] | None = None) -> None:
        """Take part with ``replicas``; ``dropped`` are those that were left out before the run began."""
        if not replicas:
            raise Bug("a run without stores")
        self._lock = threading.Lock()
        self._alive = list(replicas)
        self._dropped = dict(dropped or {})

    @property
    def alive(self) -> tuple[Replica, ...]:
        """The stores that took everything so far."""
        with self._lock:
            return tuple(self._alive)

    @property
    def dropped(self) -> dict[str, DrorchError]:
        """Why each store that was dropped was dropped, by name."""
        with self._lock:
            return dict(self._dropped)

    def drop(self, replica: Replica, reason: StoreError | IntegrityError | RunVoided) -> None:
        """Leave ``replica`` out from now on; raises ``reason`` when it was the last."""
        with self._lock:
            self._alive = [other for other in self._alive if other.name != replica.name]
            self._dropped.setdefault(replica.name, reason)
            if not self._alive:
                raise reason

    def each(self, act: Callable[[Replica], object]) -> None:
        """Call ``act`` for every store in use; one in which it fails, or in which the run does not count, is dropped."""
        for replica in self.alive:
            try:
                act(replica)
            except (StoreError, IntegrityError, RunVoided) as error:
                self.drop(replica, error)

    def put_pack(self, name: str, content: Bytes) -> None:
        """Put an object whose name is its digest: one that exists already is the same one (a lost acknowledgement)."""

        def put(replica: Replica) -> None:
            replica.store.put_if_absent(name, content)

        self.each(put)

    def put_once(self, name: str, content: bytes) -> None:
        """Put an object that only this run may write; other bytes under its name drop the store (``ObjectConflict``)."""
        self.each(lambda replica: put_or_compare(replica, name, content))


def put_or_compare(replica: Replica, name: str, content: bytes) -> bool:
    """Put; when something is there already it must be the same bytes (our own lost acknowledgement). Return whether it is new.

    Raises ``ObjectConflict`` when it is not, ``StoreUnfit`` when the store shows neither.
    """
    if replica.store.put_if_absent(name, content) is PutOutcome.CREATED:
        return True
    try:
        present = replica.store.read(name, limit_bytes=READ_BACK_LIMIT_BYTES)
    except ObjectMissing as error:
        raise StoreUnfit(
            f"{replica.store.address} says that {name} exists and that it does not",
            expected="read after write",
            found="a put refused and a read that finds nothing",
        ) from error
    if present != content:
        raise ObjectConflict(
            f"{name} in {replica.store.address} holds other bytes",
            expected="the object of this run, or none",
            found="an object of another run or writer",
            hint="another process or machine writes to the same lane; see `drorch history`",
        )
    return False

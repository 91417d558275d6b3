"""What one run works with: its keys, its place in the lane, the stores that still take part, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from drorch.errors import StoreError
from drorch.format.keys import LaneKeys, RunKeys
from drorch.format.pack import ListedPack
from drorch.format.record import RecordContext
from drorch.format.signing import SigningKey
from drorch.ids import Digest, RunId
from drorch.repository.index import LaneIndex
from drorch.repository.lane import Head, LaneWriter
from drorch.repository.opening import Replica, Repository
from drorch.repository.replicas import Replicas

NO_PACK = ListedPack(Digest(bytes(32)), 0)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMaterial:
    """The keys of one run, its place in the lane, what is known of the lane, and the stores that still take part."""

    repository: Repository
    run: RunId
    lane: LaneWriter
    head: Head
    key: SigningKey
    run_keys: RunKeys
    lane_keys: LaneKeys
    run_record: bytes
    replicas: Replicas
    index: LaneIndex

    @property
    def context(self) -> RecordContext:
        """What binds the run's records."""
        return RecordContext(self.repository.trust.repository, self.lane.lane, self.run)


def store_time(replicas: Replicas) -> datetime | None:
    """Return the clock of the first store that tells it: its dates are compared with it, and no host's clock is trusted."""
    for replica in replicas.alive:
        with suppress(StoreError):
            return replica.store.server_time()
    return None


def places(replicas: Replicas) -> tuple[str, ...]:
    """Return what tells the stores in use from all others: a name may come to mean another bucket."""
    return tuple(f"{replica.name} {replica.store.address}" for replica in replicas.alive)


def in_each(replicas: Replicas, ask: Callable[[Replica], T]) -> list[T]:
    """Return what every store in use answers; one that fails is dropped for the run."""
    answers: dict[str, T] = {}

    def ask_one(replica: Replica) -> None:
        answers[replica.name] = ask(replica)

    replicas.each(ask_one)
    return [answers[replica.name] for replica in replicas.alive]

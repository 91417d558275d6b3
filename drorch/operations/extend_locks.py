"""Extend the locks of what must stay, in every store that locks: by the maintainer, without a private key.

It is due every few weeks, and costs next to nothing on the other days; the daemon runs it daily. A lane that cannot be read, a store that is away, or one
whose clock is not ours, is told, and the others are done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from drorch.clock import Clock
from drorch.errors import DrorchError, IntegrityError, StoreError
from drorch.format.signing import SigningKey
from drorch.ids import LaneId
from drorch.operations.agreed_time import agreed_time
from drorch.repository.chain import lanes_of
from drorch.repository.locking import ExtendedLane, extend_beside_lanes, extend_lane
from drorch.repository.opening import Replica, Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class LockProblem:
    """A lane, or with ``lane`` ``None`` a store, of which no lock was extended."""

    store: str
    lane: LaneId | None
    error: DrorchError


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLocks:
    """What was done, or is due, in one store: ``objects`` of ``lanes`` lanes are locked ``until`` then."""

    store: str
    promised_seconds: int
    objects: int
    lanes: int
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockReport:
    """Every store that locks; ``without`` are those that do not, by drorch.yaml."""

    stores: tuple[StoreLocks, ...]
    without: tuple[str, ...]
    problems: tuple[LockProblem, ...]


def run(
    repository: Repository,
    *,
    key: SigningKey | None,
    clock: Clock,
    stores: Collection[str] | None = None,
    asks: bool = False,
) -> LockReport:
    """Extend what is due in ``stores`` (``None``: all); without ``key`` only count it. With ``asks`` the store is asked of every object."""
    wanted = [one for one in repository.replicas if stores is None or one.name in stores]
    problems = [
        LockProblem(store=name, lane=None, error=error)
        for name, error in repository.unusable.items()
        if stores is None or name in stores
    ]
    done = []
    for replica in wanted:
        if replica.lock is None:
            continue
        one, found = _extend(replica, repository, key, clock, asks=asks)
        done.append(one)
        problems += found
    return LockReport(
        stores=tuple(done),
        without=tuple(one.name for one in wanted if one.lock is None),
        problems=tuple(problems),
    )


def _extend(
    replica: Replica, repository: Repository, key: SigningKey | None, clock: Clock, *, asks: bool
) -> tuple[StoreLocks, list[LockProblem]]:
    assert replica.lock is not None
    extended: list[ExtendedLane] = []
    problems: list[LockProblem] = []
    try:
        now = agreed_time(replica, clock, otherwise="no lock is extended there")
        extended.append(extend_beside_lanes(replica, now=now, only_count=key is None, asks=asks))
        for lane in lanes_of(replica.store):
            try:
                extended.append(extend_lane(replica, repository.trust, lane, key=key, clock=clock, now=now, asks=asks))
            except (IntegrityError, StoreError) as error:
                problems.append(LockProblem(store=replica.name, lane=lane, error=error))
    except StoreError as error:
        problems.append(LockProblem(store=replica.name, lane=None, error=error))
    return _summed(replica.name, replica.lock.seconds, extended), problems


def _summed(store: str, promised_seconds: int, extended: Collection[ExtendedLane]) -> StoreLocks:
    touched = [one for one in extended if one.objects]
    return StoreLocks(
        store=store,
        promised_seconds=promised_seconds,
        objects=sum(one.objects for one in touched),
        lanes=len(touched),
        until=max(_ends(touched), default=None),
    )


def _ends(touched: Collection[ExtendedLane]) -> Iterator[datetime]:
    yield from (one.until for one in touched if one.until is not None)

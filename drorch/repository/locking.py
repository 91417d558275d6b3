"""The locks of a lane in one store: what the lists say of them, which are due, and their extension by the maintainer.

Nothing here needs a private key. The store itself is asked only where that is the question (``verify``); what an extension did is said in a
retire list of the lane, signed by the maintainer, so that a writer, who may read no pack, knows which packs are locked long enough to be used again.

*With a prune.* An extension spares what a list retires. A list that comes meanwhile names packs that are locked a quantum longer than
they needed to be: a later prune deletes them. Nothing that a snapshot needs is ever touched by either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from drorch.clock import Clock
from drorch.errors import IntegrityError, ObjectMissing
from drorch.format import names
from drorch.format.objects import FRAME_BYTES, OBJECT_LIMIT_BYTES, ObjectType
from drorch.format.pack import PackHeader, PackList, pack_header_length
from drorch.format.packsets import ordinals, within
from drorch.format.retire_list import Extension
from drorch.format.signing import SigningKey
from drorch.format.trust import TrustChain
from drorch.ids import Digest, LaneId, RunId
from drorch.policy.locks import QUANTUM, SLACK, LockRule
from drorch.repository.opening import Replica
from drorch.repository.retirement import put_list, read_retirement
from drorch.storage.interface import ObjectStat, ObjectStore

R = TypeVar("R")
T = TypeVar("T")

AT_ONCE = 8
_BATCH = 256
BESIDE_LANES = ("trust/", "keys/", "ledger/", "evidence/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedLane:
    """What an extension did, or would do: of ``objects`` the lock is ``until`` then; ``number`` is the list that says so."""

    objects: int
    until: datetime | None = None
    number: int | None = None


def known_end(rule: LockRule, stored_at: datetime, extensions: Iterable[Extension]) -> datetime:
    """Return until when an object must be locked that was stored then, by what was asked for and said; the store is not asked."""
    return max([rule.at_put(stored_at), *(one.until for one in extensions if stored_at <= one.covers)])


def relied_on_since(rule: LockRule, extensions: Iterable[Extension], now: datetime) -> tuple[datetime, datetime | None]:
    """Return from which date on a pack is locked long enough to be used again, and up to which date an older one is, too."""
    long_enough = [one.covers for one in extensions if not rule.is_short(one.until, now)]
    return now - QUANTUM - SLACK, max(long_enough, default=None)


class LaneLocks:
    """The objects of a lane in one store that must stay locked: all but index segments, and packs that a list retires."""

    def __init__(self, replica: Replica, trust: TrustChain, lane: LaneId) -> None:
        self._store = replica.store
        self._trust = trust
        self._lane = lane
        self.retirement = read_retirement(replica.store, trust, lane)
        self._retired, self._without_list = self._retired_packs()

    def objects(self) -> Iterator[ObjectStat]:
        """Yield what must stay locked, as the store lists it."""
        for stat in self._store.list_objects(names.lane_prefix(self._lane)):
            if not names.is_index_segment(names.base_name(stat.name)) and not self._is_retired(stat):
                yield stat

    def _is_retired(self, stat: ObjectStat) -> bool:
        digest = names.pack_digest(stat.name)
        if digest is None:
            return False
        if digest in self._retired:
            return True
        # Of a run that was broken off nothing but the pack's own header says whose it is.
        return bool(self._without_list) and run_of_pack(self._store, stat.name) in self._without_list

    def _retired_packs(self) -> tuple[set[Digest], set[RunId]]:
        retired, without_list = set[Digest](), set[RunId]()
        allowed = self._trust.allowed(ObjectType.PACK_LIST, self._lane)
        for run, bitmap in self.retirement.packs.items():
            name = names.pack_list(self._lane, run)
            try:
                raw = self._store.read(name, limit_bytes=OBJECT_LIMIT_BYTES)
                packs = PackList.verify(
                    raw, repository=self._trust.repository, lane=self._lane, run=run, allowed=allowed
                ).packs
            except (ObjectMissing, IntegrityError):
                without_list.add(run)
                continue
            retired.update(packs[ordinal].digest for ordinal in ordinals(within(bitmap, len(packs))))
        return retired, without_list


def extend_lane(
    replica: Replica,
    trust: TrustChain,
    lane: LaneId,
    *,
    key: SigningKey | None,
    clock: Clock,
    now: datetime,
    asks: bool = False,
) -> ExtendedLane:
    """Extend the locks of a lane that are due, oldest objects first, and say so in a list signed by ``key``; ``None``: only count.

    What is due is known by dates; with ``asks`` the store is asked of every object, which may have come before the store locked. ``now`` is the store's clock. Everything as old as the newest object that is due is extended with it, so that one date says it all. Raises what the store
    raises; what was extended till then stays so, and the next time goes on.
    """
    rule = replica.lock
    assert rule is not None
    locks = LaneLocks(replica, trust, lane)
    said = locks.retirement.extensions
    if asks:
        due = (stat.stored_at for stat in _asked(replica, locks.objects(), now))
    else:
        due = (stat.stored_at for stat in locks.objects() if rule.is_due(known_end(rule, stat.stored_at, said), now))
    covers = max(due, default=None)
    if covers is None:
        return ExtendedLane(objects=0)
    until = rule.at_put(now)
    old = (stat.name for stat in locks.objects() if stat.stored_at <= covers)
    if key is None:
        return ExtendedLane(objects=sum(1 for _ in old), until=until)
    count = _extend_all(replica, old, until)
    number = put_list(replica, trust, lane, key=key, clock=clock, extensions=[Extension(covers=covers, until=until)])
    return ExtendedLane(objects=count, until=until, number=number)


def extend_beside_lanes(replica: Replica, *, now: datetime, only_count: bool, asks: bool = False) -> ExtendedLane:
    """Extend the locks of what lies beside the lanes; of each that could be due the store is asked: there are few. With ``asks`` of all."""
    rule = replica.lock
    assert rule is not None
    listed = (stat for prefix in BESIDE_LANES for stat in replica.store.list_objects(prefix))
    old = (stat for stat in listed if asks or rule.is_due(rule.at_put(stat.stored_at), now))
    due = [stat.name for stat in _asked(replica, old, now)]
    until = rule.at_put(now)
    count = len(due) if only_count else _extend_all(replica, due, until)
    return ExtendedLane(objects=count, until=until if count else None)


def _asked(replica: Replica, objects: Iterable[ObjectStat], now: datetime) -> Iterator[ObjectStat]:
    """Yield the objects whose lock is due, as the store itself says."""
    rule = replica.lock
    assert rule is not None

    def ask(stat: ObjectStat) -> ObjectStat | None:
        try:
            return stat if rule.is_due(replica.store.locked_until(stat.name), now) else None
        except ObjectMissing:
            return None

    yield from (one for one in _at_once(ask, objects) if one is not None)


def short_locks(
    replica: Replica, objects: Iterable[ObjectStat], now: datetime
) -> Iterator[tuple[str, datetime | None]]:
    """Yield the objects whose lock ends before what the store promises, as the store itself says."""
    rule = replica.lock
    assert rule is not None

    def ask(stat: ObjectStat) -> tuple[str, datetime | None] | None:
        try:
            until = replica.store.locked_until(stat.name)
        except ObjectMissing:
            return None  # deleted while we looked
        return (stat.name, until) if rule.is_short(until, now) else None

    yield from (one for one in _at_once(ask, objects) if one is not None)


def still_locked(replica: Replica, object_names: Iterable[str], now: datetime) -> Iterator[tuple[str, datetime]]:
    """Yield the objects that may not be deleted yet, and when their lock ends, as the store itself says."""

    def ask(name: str) -> tuple[str, datetime] | None:
        try:
            until = replica.store.locked_until(name)
        except ObjectMissing:
            return None
        return None if until is None or until <= now else (name, until)

    yield from (one for one in _at_once(ask, object_names) if one is not None)


def run_of_pack(store: ObjectStore, name: str) -> RunId | None:
    """Return the run that the header of a pack names; ``None`` when it cannot be read."""
    try:
        length = pack_header_length(store.read_range(name, 0, FRAME_BYTES))
        return PackHeader.decode(store.read_range(name, FRAME_BYTES, length - FRAME_BYTES)).run
    except (IntegrityError, ObjectMissing):
        return None


def _extend_all(replica: Replica, object_names: Iterable[str], until: datetime) -> int:
    def extend(name: str) -> bool:
        try:
            replica.store.extend_lock(name, until)
        except ObjectMissing:
            return False  # a prune was quicker, and it deletes nothing that is needed
        return True

    return sum(_at_once(extend, object_names))


def _at_once(act: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Act on several items at once, batch by batch: memory stays flat."""
    waiting = iter(items)
    with ThreadPoolExecutor(AT_ONCE, "locks") as threads:
        while batch := list(islice(waiting, _BATCH)):
            yield from threads.map(act, batch)

"""What the maintainer said of a lane in one store: which snapshots are given up, which are held, which packs are going.

The lists are read by GET of consecutive names, and their order decides: a snapshot that was held when a list gave it up is not given up, and a
hold on one that was given up before comes too late. Nobody's clock takes part in that but where a hold names its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from drorch.clock import Clock
from drorch.errors import IntegrityError, ObjectMissing
from drorch.format import names
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType
from drorch.format.packsets import read_pack_sets, united
from drorch.format.retire_list import Extension, HoldKind, HoldWord, RetireList
from drorch.format.signing import SigningKey
from drorch.format.trust import TrustChain
from drorch.ids import LaneId, RunId
from drorch.repository.opening import Replica
from drorch.storage.interface import ObjectStore, PutOutcome


@dataclass(slots=True)
class Retirement:
    """The sum of a lane's lists. ``retired`` maps each snapshot that is given up to the number of the list that did it."""

    count: int = 0
    packs: dict[RunId, bytes] = field(default_factory=dict)
    retired: dict[RunId, int] = field(default_factory=dict)
    holds: dict[RunId, dict[HoldKind, HoldWord]] = field(default_factory=dict)
    extensions: list[Extension] = field(default_factory=list)

    def add(self, one: RetireList) -> None:
        """Add the next list."""
        for run, bitmap in one.packs.items():
            self.packs[run] = united(self.packs.get(run, b""), bitmap)
        for run in one.given_up:
            if not self.is_held(run, one.made_at):
                self.retired.setdefault(run, one.number)
        for word in one.holds:
            if word.run not in self.retired:
                self.holds.setdefault(word.run, {})[word.kind] = word
        self.extensions += one.extensions
        self.count = one.number + 1

    def is_held(self, run: RunId, at: datetime) -> bool:
        """Say whether somebody holds the snapshot at that time."""
        return any(True for _ in self.standing(run, at))

    def standing(self, run: RunId, at: datetime) -> Iterator[HoldWord]:
        """Yield the holds of a snapshot that are in force."""
        for word in self.holds.get(run, {}).values():
            if word.stands and (word.until is None or word.until > at):
                yield word


def read_retirement(store: ObjectStore, trust: TrustChain, lane: LaneId) -> Retirement:
    """Return what all lists of the lane say together; raise what is wrong with one, and what the store raises."""
    found = Retirement()
    for one in _lists(store, trust, lane):
        found.add(one)
    return found


def known_retired(store: ObjectStore, trust: TrustChain, lane: LaneId) -> Mapping[RunId, int]:
    """Return the snapshots that good lists give up: for readers, whom a damaged list must not keep from anything."""
    found = Retirement()
    try:
        for one in _lists(store, trust, lane):
            found.add(one)
    except IntegrityError:
        return found.retired
    return found.retired


def retired_packs(store: ObjectStore, trust: TrustChain, lane: LaneId) -> dict[RunId, bytes]:
    """Return every pack that any retire list of the lane names, as bitmaps; raise what is wrong with one, and what the store raises."""
    return listed_packs(store, trust, lane, ObjectType.RETIRE_LIST, names.retire_list)


def listed_packs(
    store: ObjectStore, trust: TrustChain, lane: LaneId, object_type: ObjectType, name_of: Callable[[LaneId, int], str]
) -> dict[RunId, bytes]:
    """Return every pack that the lists of one kind name."""
    allowed = trust.allowed(object_type, lane)
    found: dict[RunId, bytes] = {}
    number = 0
    while True:
        try:
            raw = store.read(name_of(lane, number), limit_bytes=OBJECT_LIMIT_BYTES)
        except ObjectMissing:
            return found
        packs = read_pack_sets(raw, object_type, repository=trust.repository, lane=lane, number=number, allowed=allowed)
        for run, bitmap in packs.items():
            found[run] = united(found.get(run, b""), bitmap)
        number += 1


def _lists(store: ObjectStore, trust: TrustChain, lane: LaneId) -> Iterator[RetireList]:
    allowed = trust.allowed(ObjectType.RETIRE_LIST, lane)
    number = 0
    while True:
        try:
            raw = store.read(names.retire_list(lane, number), limit_bytes=OBJECT_LIMIT_BYTES)
        except ObjectMissing:
            return
        yield RetireList.verify(raw, repository=trust.repository, lane=lane, number=number, allowed=allowed)
        number += 1


def put_list(
    replica: Replica,
    trust: TrustChain,
    lane: LaneId,
    *,
    key: SigningKey,
    clock: Clock,
    packs: Mapping[RunId, bytes] | None = None,
    given_up: Iterable[RunId] = (),
    holds: Iterable[HoldWord] = (),
    extensions: Iterable[Extension] = (),
    start: int = 0,
) -> int:
    """Put the next list of the lane, signed by the maintainer's ``key``, and return its number. ``start`` is known to be taken up to there."""
    number = start
    while True:
        if not _is_there(replica, names.retire_list(lane, number)):
            one = RetireList(
                number=number,
                made_at=clock.now(),
                packs=packs or {},
                given_up=frozenset(given_up),
                holds=tuple(holds),
                extensions=tuple(extensions),
            )
            raw = one.sign(repository=trust.repository, lane=lane, key=key)
            if replica.store.put_if_absent(names.retire_list(lane, number), raw) is PutOutcome.CREATED:
                return number
            if _is_ours(replica, names.retire_list(lane, number), raw):
                return number  # the answer to an earlier try was lost
        number += 1


def _is_there(replica: Replica, name: str) -> bool:
    try:
        replica.store.stat(name)
    except ObjectMissing:
        return False
    return True


def _is_ours(replica: Replica, name: str, raw: bytes) -> bool:
    try:
        return replica.store.read(name, limit_bytes=OBJECT_LIMIT_BYTES) == raw
    except ObjectMissing:
        return False

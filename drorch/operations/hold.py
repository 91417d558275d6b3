"""Pin and hold snapshots: the word is put, signed, into every store that has the lane, and counts wherever a prune looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from drorch.clock import Clock
from drorch.errors import IntegrityError, NothingDone, StoreError, UsageInvalid
from drorch.format.retire_list import HoldKind, HoldWord
from drorch.format.signing import SigningKey
from drorch.operations.choose import choose
from drorch.repository.listing import ListedSnapshot
from drorch.repository.opening import Replica, Repository
from drorch.repository.retirement import put_list, read_retirement


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequest:
    """What is said of which snapshot; ``stands`` is false when it is taken back."""

    wanted: str
    kind: HoldKind
    stands: bool
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReport:
    """Where the word is now, and why it is not elsewhere."""

    snapshot: ListedSnapshot
    word: HoldWord
    stores: tuple[str, ...]
    failures: Mapping[str, StoreError | IntegrityError | NothingDone]


def run(repository: Repository, request: HoldRequest, *, key: SigningKey, clock: Clock) -> HoldReport:
    """Put the word into every store; raises ``SnapshotUnknown``, ``UsageInvalid``, and what the last store raised when none took it."""
    if request.until is not None and request.until <= clock.now():
        raise UsageInvalid("a hold that is over when it begins", expected="a time to come", found=f"{request.until}")
    if request.kind is HoldKind.HOLD and not request.reason:
        raise UsageInvalid("a hold needs a reason", expected="--reason TEXT", found="none")
    snapshot = choose(repository, request.wanted)
    word = HoldWord(
        run=snapshot.link.manifest.run,
        kind=request.kind,
        stands=request.stands,
        reason=request.reason,
        until=request.until,
    )
    stores: list[str] = []
    failures: dict[str, StoreError | IntegrityError | NothingDone] = {
        name: error for name, error in repository.unusable.items() if isinstance(error, StoreError | IntegrityError)
    }
    for replica in repository.replicas:
        try:
            _put(replica, repository, snapshot, word, key, clock)
        except (StoreError, IntegrityError, NothingDone) as error:
            failures[replica.name] = error
        else:
            stores.append(replica.name)
    if not stores:
        raise next(iter(failures.values()))
    return HoldReport(snapshot=snapshot, word=word, stores=tuple(stores), failures=failures)


def _put(
    replica: Replica, repository: Repository, snapshot: ListedSnapshot, word: HoldWord, key: SigningKey, clock: Clock
) -> None:
    """Say it, unless it stands already, and look whether a prune was quicker: the order of the lists decides."""
    lane = snapshot.link.lane
    known = read_retirement(replica.store, repository.trust, lane)
    said = known.holds.get(word.run, {}).get(word.kind)
    if said != word and (word.stands or said is not None):
        put_list(replica, repository.trust, lane, key=key, clock=clock, holds=[word], start=known.count)
        known = read_retirement(replica.store, repository.trust, lane)
    if word.stands and word.run in known.retired:
        raise NothingDone(
            f"snapshot {word.run.short} was given up in {replica.name} before",
            expected="a snapshot that stays",
            found=f"retire list {known.retired[word.run]}",
            hint="what is still there of it can be restored by its id; do that now, elsewhere",
        )

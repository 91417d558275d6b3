"""Seal the keys of existing runs again, to recipients that were added later: data do not move.

Each bundle is put when it is full. Killed anywhere, the next call finds what is sealed and goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from drorch.clock import Clock
from drorch.errors import DrorchError, IntegrityError, KeyMissing, KeyWrong, StoreError
from drorch.format import names
from drorch.format.keys import RecipientKey, SealedAgain, key_bundle, seal_run_keys
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType
from drorch.format.signing import SigningKey
from drorch.format.trust_record import Recipient
from drorch.ids import LaneId, RunId
from drorch.operations.readable_lanes import readable_lanes
from drorch.operations.rotate_keys.open_to import SealedRun, Seals
from drorch.operations.rotate_keys.publishing import bring_up, in_order
from drorch.repository.copies import Copies
from drorch.repository.key_bundles import further_keys
from drorch.repository.listing import LaneListing
from drorch.repository.opening import Repository
from drorch.repository.replicas import put_or_compare
from drorch.storage.interface import PutOutcome

BUNDLE_KEYS = 1_024  # 1.9 MB: less than a minute's work is lost when it is killed


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSeals:
    """The runs of a lane that some recipient cannot open, and for each who that is."""

    lane: LaneId
    source: str
    missing: tuple[tuple[SealedRun, tuple[Recipient, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResealPlan:
    """What is to be sealed again: of ``runs`` that snapshots need, those in ``lanes``. ``problems`` are runs of which no record is good."""

    recipients: tuple[Recipient, ...]
    runs: int
    lanes: tuple[LaneSeals, ...]
    first_bundle: int
    problems: tuple[tuple[LaneId, RunId, DrorchError], ...]

    @property
    def keys(self) -> int:
        """How many times keys are to be sealed."""
        return sum(len(recipients) for lane in self.lanes for _, recipients in lane.missing)

    @property
    def runs_to_seal(self) -> int:
        """How many runs somebody cannot open."""
        return sum(len(lane.missing) for lane in self.lanes)

    @property
    def bundles(self) -> int:
        """How many bundles that makes."""
        return -(-self.keys // BUNDLE_KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResealReport:
    """What was done. ``closed`` are runs that the given private key does not open; another recipient's may."""

    keys: int
    bundles: int
    closed: tuple[RunId, ...]
    stores: tuple[str, ...]
    missing: dict[str, DrorchError]


def make_plan(repository: Repository, recipients: Sequence[Recipient]) -> ResealPlan:
    """Find the runs that the snapshots of the repository need and one of ``recipients`` cannot open."""
    seals = Seals(repository)
    lanes: list[LaneSeals] = []
    problems: list[tuple[LaneId, RunId, DrorchError]] = []
    count = 0
    for listing in readable_lanes(repository):
        runs = _needed(listing)
        count += len(runs)
        missing = []
        for sealed in seals.of_runs(listing.lane, runs):
            if sealed.problem is not None:
                problems.append((sealed.lane, sealed.run, sealed.problem))
                continue
            closed_to = tuple(one for one in recipients if one.recipient_id not in sealed.readers)
            if closed_to:
                missing.append((sealed, closed_to))
        source = listing.snapshots[-1].link.manifest.source
        lanes += [LaneSeals(lane=listing.lane, source=source, missing=tuple(missing))] if missing else []
    return ResealPlan(
        recipients=tuple(recipients),
        runs=count,
        lanes=tuple(lanes),
        first_bundle=seals.bundles,
        problems=tuple(problems),
    )


def run(
    repository: Repository,
    plan: ResealPlan,
    *,
    opens: RecipientKey,
    key: SigningKey,
    clock: Clock,
    progress: Callable[[int], None] = lambda _count: None,
) -> ResealReport:
    """Seal what the plan names, opened by one recipient's private key, in bundles signed by the maintainer's ``key``.

    ``progress`` hears how many keys each bundle added. Raises ``KeyWrong`` when ``key`` is no maintainer's in force, and what the first store raises.
    """
    trust = repository.trust
    if key.key_id not in trust.allowed(ObjectType.KEY_BUNDLE, None):
        raise KeyWrong(
            "this machine's maintenance key may not sign here",
            expected="the key of a maintainer in force",
            found=f"key {str(key.key_id)[:16]}",
            hint="`drorch keys show` says which are",
        )
    missing = {**repository.unusable, **bring_up(repository)}
    bundles = _Bundles(repository, plan.first_bundle, missing, key, clock)
    closed: list[RunId] = []
    for one in _sealed_again(repository, plan, opens, closed):
        progress(bundles.add(one))
    progress(bundles.put())
    return ResealReport(
        keys=bundles.keys,
        bundles=bundles.count,
        closed=tuple(closed),
        stores=tuple(one.name for one in bundles.stores if one.name not in missing),
        missing=missing,
    )


class _Bundles:
    """Collects sealed keys, and puts each bundle that is full into every store; ``missing`` hears which stores did not take it."""

    def __init__(
        self,
        repository: Repository,
        number: int,
        missing: dict[str, DrorchError],
        key: SigningKey,
        clock: Clock,
    ) -> None:
        self.stores = in_order(repository, missing)
        self.keys = self.count = 0
        self._repository = repository
        self._number = number
        self._missing = missing
        self._key = key
        self._clock = clock
        self._waiting: list[SealedAgain] = []

    def add(self, one: SealedAgain) -> int:
        """Take one; return how many were put because a bundle is full."""
        self._waiting.append(one)
        return self.put() if len(self._waiting) >= BUNDLE_KEYS else 0

    def put(self) -> int:
        """Put what waits under the next number that is free, the same in every store; return how many keys that were."""
        if not self._waiting:
            return 0
        raw = self._put_first()
        name = names.bundle(self._number)
        for replica in self.stores[1:]:
            if replica.name not in self._missing:  # one that lacks a bundle gets no later one: readers stop at a gap
                try:
                    put_or_compare(replica, name, raw)
                except (StoreError, IntegrityError) as error:
                    self._missing[replica.name] = error
        sealed = len(self._waiting)
        self._waiting.clear()
        self._number, self.count, self.keys = self._number + 1, self.count + 1, self.keys + sealed
        return sealed

    def _put_first(self) -> bytes:
        """Put into the first store, whose numbers decide when two machines seal at once; return the object."""
        store = self.stores[0].store
        while True:
            raw = key_bundle(
                repository=self._repository.trust.repository,
                number=self._number,
                sealed=self._waiting,
                made_at=self._clock.now(),
                key=self._key,
            )
            name = names.bundle(self._number)
            if store.put_if_absent(name, raw) is PutOutcome.CREATED:
                return raw
            if store.read(name, limit_bytes=OBJECT_LIMIT_BYTES) == raw:
                return raw  # the answer to an earlier try was lost
            self._number += 1


def _sealed_again(
    repository: Repository, plan: ResealPlan, opens: RecipientKey, closed: list[RunId]
) -> Iterator[SealedAgain]:
    """Yield each run's keys, sealed to everybody who cannot open it; runs that ``opens`` cannot open go to ``closed``."""
    copies = Copies(repository.replicas)
    for lane in plan.lanes:
        further = further_keys(repository, copies, lane.lane)
        for sealed, recipients in lane.missing:
            if sealed.record is None:
                continue
            try:
                run_keys = sealed.record.open((opens,), further.get(sealed.run))
            except KeyMissing:
                closed.append(sealed.run)
                continue
            for one in recipients:
                again = seal_run_keys(run_keys, one, repository.trust.repository, lane.lane, sealed.run)
                yield SealedAgain(lane.lane, sealed.run, one.recipient_id, again)


def _needed(listing: LaneListing) -> tuple[RunId, ...]:
    """Return the runs whose packs or bodies the snapshots of a lane need, oldest first."""
    found: dict[RunId, None] = {}
    for one in listing.snapshots:
        manifest = one.link.manifest
        found |= dict.fromkeys((*(need.run for need in manifest.needs), manifest.run))
    return tuple(found)

"""Let old snapshots go: decide by the policies, show the plan, and carry out just that plan.

A plan is made for every lane in every store from what that store holds, without a private key. Nothing is deleted in a lane that cannot be read
to its end, in a store whose clock is not ours, and in any store while another one is away in which somebody may hold a snapshot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from drorch.catalog.interface import Catalog, CopyState, EventRecord, Severity
from drorch.clock import Clock
from drorch.errors import (
    DrorchError,
    IntegrityError,
    NothingDone,
    PolicyUnknown,
    StoreDenied,
    StoreError,
    UsageInvalid,
)
from drorch.format.manifest import Manifest, Result
from drorch.format.packsets import overlap
from drorch.format.signing import SigningKey
from drorch.ids import LaneId, RunId
from drorch.operations.agreed_time import agreed_time
from drorch.policy.model import Policy
from drorch.policy.retention import Candidate, Decision, Hold, decide
from drorch.policy.standing import LONGEST_DELAY, RIVAL_WITHIN, Standing, rivals, standing_of, times_served
from drorch.repository import sweeper
from drorch.repository.chain import ChainLink, LinkState
from drorch.repository.listing import list_lanes
from drorch.repository.locking import still_locked
from drorch.repository.opening import Replica, Repository
from drorch.repository.retirement import Retirement, read_retirement
from drorch.repository.sweeper import LaneContents, SweepPlan, SweepReport

LARGEST_SHARE = 0.25
DIGEST_CHARACTERS = 12
Place = tuple[str, LaneId]


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRequest:
    """What to prune, and by which rules.

    ``wanted``: policies and sources; empty for all. ``exempt`` maps sources of which nothing may go to the reason. ``drilled`` are snapshots that
    passed a drill. ``only_looks``: the plan is for reading, and shows the others also while a store is away. ``stores`` are those to prune, ``None`` for all; of others only the holds are read. ``heads`` is how far lanes were seen to go.
    """

    policies: Mapping[str, Policy]
    wanted: Collection[str] = ()
    exempt: Mapping[str, str] = field(default_factory=dict)
    drilled: Collection[RunId] = ()
    stores: Collection[str] | None = None
    heads: Mapping[Place, int] = field(default_factory=dict)
    only_looks: bool = False
    margin: timedelta = sweeper.MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSnapshot:
    """A snapshot and what was decided of it."""

    link: ChainLink
    standing: Standing
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlan:
    """What is to go of one lane in one store. ``retired`` went before; ``doubts`` say why somebody must confirm it.

    ``locked`` are objects that nothing needs and the store still locks, until then: they are left to a later prune.
    """

    store: str
    lane: LaneId
    source: str
    rule: str
    snapshots: tuple[JudgedSnapshot, ...]
    sweep: SweepPlan
    retired: frozenset[RunId]
    objects: int
    size_bytes: int
    doubts: tuple[str, ...]
    locked: Mapping[str, datetime] = field(default_factory=dict, repr=False)

    @property
    def goes(self) -> tuple[JudgedSnapshot, ...]:
        """The snapshots that are given up."""
        return tuple(one for one in self.snapshots if not one.decision.keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneProblem:
    """A lane, or with ``lane`` ``None`` a store, of which nothing is deleted."""

    store: str
    lane: LaneId | None
    error: DrorchError


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePlan:
    """Everything that is to go, and why; made without changing anything."""

    lanes: tuple[LanePlan, ...]
    problems: tuple[PruneProblem, ...]

    @property
    def digest(self) -> str:
        """What ``--confirm`` must name: it changes with every snapshot that is to go."""
        goes = sorted(f"{one.store} {one.lane} {each.link.manifest.run}" for one in self.lanes for each in one.goes)
        return hashlib.sha256("\n".join(goes).encode()).hexdigest()[:DIGEST_CHARACTERS]

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why somebody must confirm the plan; empty when nobody needs to."""
        return tuple(doubt for one in self.lanes for doubt in one.doubts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedLane:
    """What was done in one lane in one store; ``error`` is what broke it off."""

    plan: LanePlan
    report: SweepReport | None
    error: DrorchError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What a prune did."""

    plan: PrunePlan
    lanes: tuple[PrunedLane, ...]

    @property
    def complete(self) -> bool:
        """Whether everything that was to be looked at was, and everything that was to go is gone."""
        return not self.plan.problems and not any(one.error for one in self.lanes)


class Books(Protocol):
    """Keeps what was done and why; see ``prune_books``."""

    def begin(self, lane: LanePlan) -> str:
        """Record what is about to go; return the run's id."""
        ...

    def end(self, run: str, outcome: SweepReport | DrorchError, lane: LanePlan) -> None:
        """Record how it ended."""
        ...


# -- plan


def make_plan(repository: Repository, request: PruneRequest, clock: Clock) -> PrunePlan:
    """Return what would go, and why everything else stays. Raises ``PolicyUnknown`` when nothing is called as ``wanted`` says."""
    _require_known(request)
    problems: list[PruneProblem] = []
    nows: dict[str, datetime] = {}
    for replica in repository.replicas:
        try:
            nows[replica.name] = agreed_time(replica, clock, otherwise="nothing is deleted there")
        except StoreError as error:
            problems.append(PruneProblem(store=replica.name, lane=None, error=error))
    problems += [PruneProblem(store=name, lane=None, error=error) for name, error in repository.unusable.items()]
    chosen = request.stores
    away = [one for one in problems if chosen is None or one.store in chosen]
    if away and chosen is None and not request.only_looks:
        return PrunePlan(lanes=(), problems=tuple(problems))
    planner = _Planner(repository, request, nows)
    lanes = [one for lane in list_lanes(repository) for one in planner.plans(lane)] if nows else []
    return PrunePlan(lanes=tuple(lanes), problems=(*away, *planner.problems))


def _require_known(request: PruneRequest) -> None:
    for name in request.wanted:
        if name.partition("/")[0] not in request.policies:
            raise PolicyUnknown(
                f"no policy is called {name}", expected=", ".join(sorted(request.policies)) or "a policy", found=name
            )


class _Planner:
    """Makes the plans of one lane in all stores: what one store says of dates and holds counts in the others."""

    def __init__(self, repository: Repository, request: PruneRequest, nows: Mapping[str, datetime]) -> None:
        self._trust = repository.trust
        self._replicas = [replica for replica in repository.replicas if replica.name in nows]
        self._request = request
        self._nows = nows
        self.problems: list[PruneProblem] = []

    def plans(self, lane: LaneId) -> Iterator[LanePlan]:
        """Yield the plan of ``lane`` for every store that is to be pruned and can be read; note the problems of the others."""
        holds: list[Retirement] = []
        contents: dict[str, LaneContents] = {}
        for replica in self._replicas:
            try:
                if self._is_pruned(replica.name):
                    at_least = self._request.heads.get((replica.name, lane), 0)
                    found = sweeper.read_contents(replica, self._trust, lane, at_least=at_least)
                    contents[replica.name] = found
                    holds.append(found.retirement)
                else:
                    holds.append(read_retirement(replica.store, self._trust, lane))
            except (IntegrityError, StoreError) as error:
                self.problems.append(PruneProblem(store=replica.name, lane=lane, error=error))
                if self._is_pruned(replica.name) and self._request.stores is None:
                    return  # somebody may hold a snapshot there
        source = _source_of(contents.values())
        if source is None or not self._is_wanted(source):
            return
        dates = [one.committed_at for one in contents.values()]
        for store, found in contents.items():
            if found.links:
                yield self._plan(store, found, source, dates, holds)

    def _is_pruned(self, store: str) -> bool:
        return self._request.stores is None or store in self._request.stores

    def _is_wanted(self, source: str) -> bool:
        return not self._request.wanted or any(
            source == name or source.startswith(f"{name}/") for name in self._request.wanted
        )

    def _plan(
        self,
        store: str,
        contents: LaneContents,
        source: str,
        dates: Collection[Mapping[int, datetime]],
        holds: Iterable[Retirement],
    ) -> LanePlan:
        policy = self._request.policies.get(source.partition("/")[0])
        living = [
            link
            for link in contents.links
            if link.state is LinkState.COMMITTED and link.manifest.run not in contents.retirement.retired
        ]
        missing = contents.absent_packs()
        judged = _judged([(link, _standing(link.manifest, missing, dates)) for link in living], policy)
        standings = {candidate.snapshot: candidate.standing for candidate in judged}
        decisions = self._decide(store, judged, policy, source, holds)
        snapshots = tuple(
            JudgedSnapshot(link=link, standing=standings[decision.snapshot], decision=decision)
            for link, decision in zip(living, decisions, strict=True)
        )
        goes = [one.link.manifest.run for one in snapshots if not one.decision.keep]
        sweep = sweeper.plan(contents, goes, now=self._nows[store], margin=self._request.margin)
        locked = self._locked(store, sweep.object_names)
        sweep = replace(sweep, locked=frozenset(locked))
        doomed = sweep.object_names
        return LanePlan(
            store=store,
            lane=contents.lane,
            source=source,
            rule=policy.name if policy else "",
            snapshots=snapshots,
            sweep=sweep,
            retired=frozenset(contents.retirement.retired),
            objects=len(doomed),
            size_bytes=sum(contents.sizes.get(name, 0) for name in doomed),
            doubts=tuple(_doubts(store, source, snapshots, self._request.drilled)),
            locked=locked,
        )

    def _locked(self, store: str, doomed: Sequence[str]) -> dict[str, datetime]:
        """Return what the store would refuse to delete, by its own word: it is not even tried."""
        replica = next(one for one in self._replicas if one.name == store)
        return {} if replica.lock is None else dict(still_locked(replica, doomed, self._nows[store]))

    def _decide(
        self,
        store: str,
        candidates: Collection[Candidate],
        policy: Policy | None,
        source: str,
        holds: Iterable[Retirement],
    ) -> tuple[Decision, ...]:
        now = self._nows[store]
        if policy is None:
            reason = f"no policy is called {source.partition('/')[0]}: nothing says how long"
            return tuple(Decision(snapshot=one.snapshot, keep=True, reasons=(reason,)) for one in candidates)
        return decide(
            candidates,
            policy.retention.in_store(store),
            now=now,
            zone=policy.schedule.zone,
            holds=_holds(holds, now),
            keep_all=self._request.exempt.get(source, "") or _no_longer_there(source, policy),
        )


def _no_longer_there(source: str, policy: Policy) -> str:
    """Say so when the policy has no such source any more; which databases a server has is the catalog's to know."""
    promises = policy.sources()
    if any(promise.needs_discovery or promise.address == source for promise in promises):
        return ""
    return f"{policy.name} has no source of this name any more: nothing says how long"


def _source_of(contents: Iterable[LaneContents]) -> str | None:
    """Return what the newest snapshot of the lane says it is of: a source may have had another name before."""
    links = [one.links[-1] for one in contents if one.links]
    return max(links, key=lambda link: link.sequence).manifest.source if links else None


def _standing(
    manifest: Manifest, missing: Mapping[RunId, bytes], dates: Collection[Mapping[int, datetime]]
) -> Standing:
    return standing_of(
        is_whole=not overlap({need.run: need.bitmap for need in manifest.needs}, missing),
        is_complete=manifest.result is Result.COMPLETE,
        ended_at=manifest.ended,
        manifest_date=manifest.store_date,
        store_dates=[one[manifest.sequence] for one in dates if manifest.sequence in one],
    )


def _judged(links: Collection[tuple[ChainLink, Standing]], policy: Policy | None) -> list[Candidate]:
    """Return the candidates in the order of the chain; a sound snapshot counts at the time of the schedule that it serves."""
    sound = [link for link, standing in links if standing is Standing.SOUND]
    began = [_began(link.manifest) for link in sound]
    times = [None] * len(sound) if policy is None else times_served(policy.schedule, began)
    patience = RIVAL_WITHIN + timedelta(seconds=0 if policy is None else policy.spread_seconds)
    first = rivals(times, began, [link.manifest.slot for link in sound], patience)
    slots = dict(zip((link.sequence for link in sound), times, strict=True))
    rival_of = {
        link.sequence: str(sound[place].manifest.run)
        for link, place in zip(sound, first, strict=True)
        if place is not None
    }
    found = []
    for link, alone in links:
        slot = slots.get(link.sequence)
        standing = Standing.BY_HAND if alone is Standing.SOUND and slot is None else alone
        at = slot or link.manifest.ended
        found.append(
            Candidate(
                snapshot=str(link.manifest.run),
                sequence=link.sequence,
                at=at,
                standing=standing,
                rival_of=rival_of.get(link.sequence, ""),
            )
        )
    return found


def _began(manifest: Manifest) -> datetime:
    """Return when the run began, if that goes with its end, which the store's date bears out."""
    is_likely = manifest.ended - LONGEST_DELAY <= manifest.started <= manifest.ended
    return manifest.started if is_likely else manifest.ended


def _holds(retirements: Iterable[Retirement], now: datetime) -> dict[str, list[Hold]]:
    found: dict[str, list[Hold]] = {}
    for one in retirements:
        for run in one.holds:
            found.setdefault(str(run), []).extend(
                Hold(reason=f"{word.kind.words}: {word.reason}" if word.reason else word.kind.words, until=word.until)
                for word in one.standing(run, now)
            )
    return found


def _doubts(
    store: str, source: str, snapshots: Collection[JudgedSnapshot], drilled: Collection[RunId]
) -> Iterator[str]:
    goes = [one for one in snapshots if not one.decision.keep]
    if len(goes) > LARGEST_SHARE * len(snapshots):
        yield f"{len(goes)} of {len(snapshots)} snapshots of {source} would go in {store}: more than a quarter"
    passed = [one for one in snapshots if one.link.manifest.run in drilled]
    if passed and not any(one.decision.keep for one in passed):
        yield f"no snapshot of {source} in {store} that has passed a drill would be left"


# -- do


def run(
    repository: Repository,
    plan: PrunePlan,
    *,
    key: SigningKey,
    catalog: Catalog,
    clock: Clock,
    heads: Mapping[Place, int],
    confirmed: str = "",
    require_fit: Callable[[str], None] = lambda _store: None,
    books: Books | None = None,
) -> PruneReport:
    """Carry out ``plan``; every store and lane by itself, what breaks one off is in the report.

    ``require_fit`` raises ``StoreUnfit`` for a store that does not keep what a sweep relies on; ``books`` keeps the reasons. Raises ``NothingDone`` before anything is done
    when the plan has doubts and ``confirmed`` is not its digest, ``UsageInvalid`` when another plan was confirmed.
    """
    _require_confirmed(plan, confirmed)
    unfit: dict[str, DrorchError] = {}
    for store in sorted({one.store for one in plan.lanes if not one.sweep.is_empty}):
        try:
            require_fit(store)
        except StoreError as error:
            unfit[store] = error
    replicas = {replica.name: replica for replica in repository.replicas}
    done: list[PrunedLane] = []
    for lane in plan.lanes:
        _tell_catalog(catalog, lane.store, lane.retired)
        if lane.sweep.is_empty:
            continue
        if lane.store in unfit:
            done.append(PrunedLane(plan=lane, report=None, error=unfit[lane.store]))
            continue
        entry = None if books is None else books.begin(lane)
        one = _execute(replicas[lane.store], repository, lane, key, clock, heads)
        if books is not None and entry is not None:
            outcome = one.report or one.error
            assert outcome is not None
            books.end(entry, outcome, lane)
        if one.report is not None:
            _remember(catalog, one, clock)
        done.append(one)
    return PruneReport(plan=plan, lanes=tuple(done))


def _require_confirmed(plan: PrunePlan, confirmed: str) -> None:
    if confirmed and confirmed != plan.digest:
        raise UsageInvalid(
            "the plan is not the one that was confirmed",
            expected=plan.digest,
            found=confirmed,
            hint="look at it again: `drorch prune --plan`",
        )
    if plan.doubts and not confirmed:
        raise NothingDone(
            f"the plan needs somebody's word: {plan.doubts[0]}",
            expected=f"--confirm {plan.digest}",
            found=f"{len(plan.doubts)} points of doubt" if len(plan.doubts) > 1 else "none",
            hint="`drorch prune --plan` shows what would go and why; then give its digest by --confirm",
            still_good="Nothing was deleted.",
        )


def _execute(
    replica: Replica,
    repository: Repository,
    lane: LanePlan,
    key: SigningKey,
    clock: Clock,
    heads: Mapping[Place, int],
) -> PrunedLane:
    try:
        report = sweeper.execute(
            lane.sweep,
            replica,
            repository.trust,
            key=key,
            clock=clock,
            at_least=heads.get((lane.store, lane.lane), 0),
        )
    except (IntegrityError, StoreError) as error:
        if isinstance(error, StoreDenied):
            error.hint = (
                "prune needs the maintainer's credential: `drorch store bucket-policy maintainer` prints its rights"
            )
        return PrunedLane(plan=lane, report=None, error=error)
    return PrunedLane(plan=lane, report=report)


def _remember(catalog: Catalog, done: PrunedLane, clock: Clock) -> None:
    """Tell the catalog which copies are given up, and keep the event: what was deleted must be accounted for."""
    assert done.report is not None
    plan, report = done.plan, done.report
    gone = [one.link.manifest.run for one in plan.goes if one.link.manifest.run not in report.spared]
    _tell_catalog(catalog, plan.store, gone)
    catalog.record_event(
        EventRecord(
            at=clock.now(),
            kind="pruned",
            severity=Severity.INFO,
            message=f"{len(gone)} snapshots of {plan.source} given up in {plan.store}, {len(report.deleted)} objects deleted",
            source=plan.source,
            details={
                "store": plan.store,
                "lane": str(plan.lane),
                "snapshots": [str(run) for run in gone],
                "objects": len(report.deleted),
                "refused": len(report.refused),
                "retire_list": report.retire_list,
            },
        )
    )


def _tell_catalog(catalog: Catalog, store: str, gone: Collection[RunId]) -> None:
    for copy in catalog.copies(of=[str(run) for run in gone], store=store) if gone else ():
        if copy.state is not CopyState.ABSENT:
            catalog.record_copy(replace(copy, state=CopyState.ABSENT, stored_at=None, size_bytes=0))

"""Make the plan of a prune: of every lane in every store, from what that store holds; changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from drorch.clock import Clock
from drorch.errors import (
    IntegrityError,
    PolicyUnknown,
    StoreError,
)
from drorch.ids import LaneId
from drorch.operations.agreed_time import agreed_time
from drorch.operations.prune.judging import candidates, doubts, holds_of, no_longer_there, source_of, standing_in
from drorch.operations.prune.values import (
    JudgedSnapshot,
    LanePlan,
    PrunePlan,
    PruneProblem,
    PruneRequest,
)
from drorch.policy.model import Policy
from drorch.policy.retention import Candidate, Decision, decide
from drorch.repository import lane_contents, sweep_plan
from drorch.repository.chain import LinkState
from drorch.repository.lane_contents import LaneContents
from drorch.repository.listing import list_lanes
from drorch.repository.locking import still_locked
from drorch.repository.opening import Repository
from drorch.repository.retirement import Retirement, read_retirement


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
                    found = lane_contents.read_contents(replica, self._trust, lane, at_least=at_least)
                    contents[replica.name] = found
                    holds.append(found.retirement)
                else:
                    holds.append(read_retirement(replica.store, self._trust, lane))
            except (IntegrityError, StoreError) as error:
                self.problems.append(PruneProblem(store=replica.name, lane=lane, error=error))
                if self._is_pruned(replica.name) and self._request.stores is None:
                    return  # somebody may hold a snapshot there
        source = source_of(contents.values())
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
        judged = candidates([(link, standing_in(link.manifest, missing, dates)) for link in living], policy)
        standings = {candidate.snapshot: candidate.standing for candidate in judged}
        decisions = self._decide(store, judged, policy, source, holds)
        snapshots = tuple(
            JudgedSnapshot(link=link, standing=standings[decision.snapshot], decision=decision)
            for link, decision in zip(living, decisions, strict=True)
        )
        goes = [one.link.manifest.run for one in snapshots if not one.decision.keep]
        sweep = sweep_plan.plan(contents, goes, now=self._nows[store], margin=self._request.margin)
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
            doubts=tuple(doubts(store, source, snapshots, self._request.drilled)),
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
            holds=holds_of(holds, now),
            keep_all=self._request.exempt.get(source, "") or no_longer_there(source, policy),
        )

"""Carry out just the plan that was shown; every store and lane by itself, and the catalog hears of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from drorch.catalog.interface import Catalog, EventRecord, Severity
from drorch.clock import Clock
from drorch.errors import (
    DrorchError,
    IntegrityError,
    NothingDone,
    StoreDenied,
    StoreError,
    UsageInvalid,
)
from drorch.format.signing import SigningKey
from drorch.operations.listing import note_given_up
from drorch.operations.prune.values import (
    Books,
    LanePlan,
    Place,
    PrunedLane,
    PrunePlan,
    PruneReport,
)
from drorch.quantities import counted
from drorch.repository import sweeper
from drorch.repository.opening import Replica, Repository


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
        note_given_up(catalog, lane.store, lane.retired)
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
    note_given_up(catalog, plan.store, gone)
    catalog.record_event(
        EventRecord(
            at=clock.now(),
            kind="pruned",
            severity=Severity.INFO,
            message=f"{counted(len(gone), 'snapshot')} of {plan.source} given up in {plan.store}, {counted(len(report.deleted), 'object')} deleted",
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

"""A whole prune beside backups, holds and other prunes, paused or killed at every store call: nothing that stays is ever harmed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from drorch.catalog.interface import Catalog
from drorch.errors import NothingDone, ObjectConflict
from drorch.format.manifest import Result
from drorch.format.retire_list import HoldKind
from drorch.ids import RunId
from drorch.operations import hold, prune
from drorch.operations.hold import HoldReport, HoldRequest
from drorch.operations.prune import PrunePlan, PruneReport, PruneRequest
from drorch.repository import packing, segments
from drorch.repository.checker import CheckRequest, check
from drorch.repository.opening import Replica, Repository
from drorch.repository.run_parts import CommittedSnapshot
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.histories import DAY, FIRST_SLOT, SetClock, store
from tests.support.policies import DEFAULTS, policy_of
from tests.support.repositories import Household, read_back, snapshots
from tests.support.turns import Pick, Turns, in_order, shuffled, stopping

HOUSEHOLD = Household()
OLD, STEADY, MORE = (random.Random(number).randbytes(90_000) for number in range(3))
TODAY = FIRST_SLOT + 3 * DAY
POLICY = policy_of(
    'name: land\nsource: {sqlite: {file: /srv/x.db}}\nschedule: "30 1 * * *"\nretention: {keep_daily: 2}\n',
    defaults="\n".join(line for line in DEFAULTS.splitlines() if "retention" not in line) + "\n",
)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "UPLOADS", 1)
    monkeypatch.setattr(packing, "PACK_TARGET_BYTES", 80_000)
    monkeypatch.setattr(segments, "SEGMENT_PACKS", 1)


class NoCatalog:
    """Knows nothing and forgets everything."""

    def copies(self, **_: Any) -> tuple[()]:
        return ()

    def record_event(self, _: Any) -> None:
        return None


@dataclass
class Stage:
    """Three nights, of which the policy keeps two; the first alone holds ``OLD``."""

    clock: SetClock = field(default_factory=lambda: SetClock(TODAY))
    store: MemoryStore = field(init=False)
    repository: Repository = field(init=False)
    contents: dict[RunId, dict[str, bytes]] = field(default_factory=dict)
    nights: list[RunId] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        if not _made:
            _made.append(self)
            self.repository = HOUSEHOLD.create(self.store)
            for night, streams in enumerate(({"old": OLD, "steady": STEADY}, {"steady": STEADY}, {"steady": STEADY})):
                self.clock.time = FIRST_SLOT + night * DAY
                made = self.back_up(self.store, f"night {night}", streams, slot=self.clock.time)
                self.contents[made.run] = dict(streams)
                self.nights.append(made.run)
            self.clock.time = TODAY
            return
        first = _made[0]
        self.store._objects = dict(first.store._objects)
        self.repository = self.on(self.store, first.repository)
        self.contents, self.nights = dict(first.contents), first.nights

    def on(self, store: ObjectStore, repository: Repository | None = None) -> Repository:
        trust = (repository or self.repository).trust
        return Repository(trust=trust, replicas=(Replica(name="store", store=store),))

    def back_up(
        self, store_of: ObjectStore, label: str, streams: Mapping[str, bytes], slot: datetime | None = None
    ) -> CommittedSnapshot:
        repository = self.on(store_of)
        return store(
            repository,
            streams,
            household=HOUSEHOLD,
            source="land",
            clock=self.clock,
            label=label,
            ended=self.clock.time if slot else self.clock.time + len(label) * DAY,  # each on a day of its own
            slot=slot,
            result=Result.COMPLETE,
        )

    def writer(self, label: str, **streams: bytes) -> Callable[[ObjectStore], CommittedSnapshot]:
        def act(store_of: ObjectStore) -> CommittedSnapshot:
            made = self.back_up(store_of, label, streams)
            self.contents[made.run] = streams
            return made

        return act

    def prune(self, store_of: ObjectStore) -> PruneReport:
        repository = self.on(store_of)
        request = PruneRequest(policies={"land": POLICY}, margin=timedelta(0))
        plan = prune.make_plan(repository, request, self.clock)
        for problem in plan.problems:
            raise problem.error
        return self.carry_out(plan, store_of)

    def carry_out(self, plan: PrunePlan, store_of: ObjectStore) -> PruneReport:
        catalog: Catalog = NoCatalog()  # type: ignore[assignment]
        report = prune.run(
            self.on(store_of),
            plan,
            key=HOUSEHOLD.maintainer,
            catalog=catalog,
            clock=self.clock,
            heads={},
            confirmed=plan.digest if plan.doubts else "",
        )
        for one in report.lanes:
            if one.error is not None:
                raise one.error
        return report

    def hold(self, store_of: ObjectStore) -> HoldReport:
        request = HoldRequest(wanted=str(self.nights[0]), kind=HoldKind.HOLD, stands=True, reason="case 12")
        return hold.run(self.on(store_of), request, key=HOUSEHOLD.maintainer, clock=self.clock)

    def play(self, pick: Pick, **actors: Callable[[ObjectStore], Any]) -> dict[str, Any]:
        outcomes = Turns(self.store, pick).run(actors)
        for name, outcome in outcomes.items():
            if isinstance(outcome, Exception):
                assert isinstance(outcome, NothingDone | ObjectConflict), (name, outcome)
        return outcomes

    def judge(self, *, gone: Collection[RunId] = (), may_be_gone: Collection[RunId] = ()) -> None:
        """Everything acknowledged is listed and reads back equal, but for what was given up."""
        listed = {one.link.manifest.run: one for one in snapshots(self.repository)}
        assert self.contents.keys() - set(may_be_gone) - set(gone) <= listed.keys() <= self.contents.keys() - set(gone)
        for run, one in listed.items():
            assert read_back(self.repository, one) == self.contents[run]
        assert check(self.repository, CheckRequest()).errors == ()


_made: list[Stage] = []  # the first is nobody's: the others are copies of it


@pytest.fixture(autouse=True)
def first_stage(small_steps: None) -> None:
    if not _made:
        Stage()


def kind(outcome: Any) -> str:
    if isinstance(outcome, Exception):
        return type(outcome).__name__
    if isinstance(outcome, PruneReport):
        kept = sum(len(one.report.kept) for one in outcome.lanes if one.report)
        spared = sum(len(one.report.spared) for one in outcome.lanes if one.report)
        return "spared" if spared else "kept" if kept else "pruned" if outcome.lanes else "nothing"
    return type(outcome).__name__


def calls_of(actor: str) -> int:
    stage = Stage()
    turns = Turns(stage.store, in_order(actor))
    turns.run({actor: cast(stage)[actor]})
    return len(turns.log)


def cast(stage: Stage) -> dict[str, Callable[[ObjectStore], Any]]:
    return {
        "a": stage.writer("a", old=OLD, more=MORE),
        "bb": stage.writer("bb", old=OLD, steady=STEADY),
        "prune": stage.prune,
        "hold": stage.hold,
    }


def test_the_stage_is_what_it_says() -> None:
    stage = Stage()
    report = stage.prune(stage.store)
    assert [one.link.manifest.run for lane in report.lanes for one in lane.plan.goes] == stage.nights[:1]
    assert all(lane.report and lane.report.deleted for lane in report.lanes)
    stage.judge(gone=stage.nights[:1])
    assert kind(stage.prune(stage.store)) == "nothing"


@pytest.mark.parametrize("sleeper", ["a", "prune"])
def test_one_sleeps_at_any_call_while_the_other_finishes(sleeper: str) -> None:
    """A backup that needs what the prune takes, and the prune; each in turn under SIGSTOP."""
    seen: Counter[str] = Counter()
    (other,) = {"a", "prune"} - {sleeper}
    for after in range(calls_of(sleeper) + 1):
        stage = Stage()
        actors = {name: cast(stage)[name] for name in ("a", "prune")}
        outcomes = stage.play(stopping(sleeper, after, other), **actors)
        stage.judge(may_be_gone=stage.nights[:1])
        seen[kind(outcomes[sleeper])] += 1
    assert len(seen) > 1, seen  # void or committed; pruned, or kept what the backup needs


@pytest.mark.parametrize(
    "seeds", [range(12), pytest.param(range(12, 300), marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_random_schedules_of_two_backups_a_prune_and_a_hold(seeds: range) -> None:
    seen: Counter[tuple[str, ...]] = Counter()
    for seed in seeds:
        stage = Stage()
        outcomes = stage.play(shuffled(seed), **cast(stage))
        is_held = isinstance(outcomes["hold"], HoldReport)
        stage.judge(may_be_gone=() if is_held else stage.nights[:1])
        seen[tuple(sorted(f"{name} {kind(outcome)}" for name, outcome in outcomes.items()))] += 1
    assert len(seen) > 2, seen


@pytest.mark.parametrize("sleeper", ["hold", "prune"])
def test_of_a_hold_and_a_prune_one_knows_that_it_came_too_late(sleeper: str) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    (other,) = {"hold", "prune"} - {sleeper}
    for after in range(calls_of(sleeper) + 1):
        stage = Stage()
        actors = {name: cast(stage)[name] for name in ("hold", "prune")}
        outcomes = stage.play(stopping(sleeper, after, other), **actors)
        is_held = isinstance(outcomes["hold"], HoldReport)
        stage.judge(gone=() if is_held else stage.nights[:1])
        seen[kind(outcomes["hold"]), kind(outcomes["prune"])] += 1
    assert {held for held, _ in seen} == {"HoldReport", "NothingDone"} or sleeper == "hold", seen
    assert len(seen) > 1, seen


def test_a_prune_that_is_killed_at_any_call_harms_nothing_and_the_next_one_ends_it() -> None:
    calls = calls_of("prune")
    for survives in range(calls):
        stage = Stage()
        dying = CrashStore(stage.store, survives_calls=survives, applies_last=survives % 2 == 0)
        with pytest.raises(Crashed):
            stage.prune(dying)
        assert dying.has_crashed
        stage.judge(may_be_gone=stage.nights[:1])
        if survives % 3 == 0:
            stage.writer("a", old=OLD, more=MORE)(stage.store)  # a backup goes on in between
            stage.judge(may_be_gone=stage.nights[:1])
        stage.prune(stage.store)
        stage.judge(gone=stage.nights[:1])
        assert kind(stage.prune(stage.store)) == "nothing"


def test_two_prunes_at_once_do_the_work_of_one() -> None:
    for seed in range(8):
        stage = Stage()
        outcomes = stage.play(shuffled(seed), prune=stage.prune, again=stage.prune)
        assert not any(isinstance(outcome, Exception) for outcome in outcomes.values()), outcomes
        stage.judge(gone=stage.nights[:1])


@pytest.mark.parametrize("days", [-366, 300])
def test_a_plan_that_is_carried_out_months_later_or_earlier_takes_nothing_that_is_needed_by_then(days: int) -> None:
    """A process that slept, a clock that was set: backups came meanwhile that need what the plan names."""
    stage = Stage()
    plan = prune.make_plan(stage.repository, PruneRequest(policies={"land": POLICY}, margin=timedelta(0)), stage.clock)
    stage.clock.time += days * DAY
    made = stage.writer("a", old=OLD)(stage.store)
    assert made.totals.known_chunks > 0
    report = stage.carry_out(plan, stage.store)
    assert kind(report) == "kept"
    stage.judge(gone=stage.nights[:1])


def test_a_writer_that_wakes_after_a_prune_and_a_year_commits_nothing_that_is_not_whole() -> None:
    stage = Stage()
    calls = calls_of("a")
    for after in range(calls - 6, calls + 1):
        stage = Stage()

        def a_year_later(store_of: ObjectStore, stage: Stage = stage) -> PruneReport:
            stage.clock.time += 366 * DAY
            return stage.prune(store_of)

        outcomes = stage.play(stopping("a", after, "prune"), a=cast(stage)["a"], prune=a_year_later)
        assert isinstance(outcomes["prune"], PruneReport)
        stage.judge(may_be_gone=stage.nights[:1])

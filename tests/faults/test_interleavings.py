"""Writers, a late writer and a sweeper in one lane, with a pause at every store call: nothing acknowledged is ever lost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drorch.errors import NothingDone, ObjectConflict, RunVoided
from drorch.format import names
from drorch.ids import LaneId, RunId
from drorch.repository import lane_contents, packing, segments, sweep_plan, sweeper
from drorch.repository.checker import CheckRequest, check
from drorch.repository.copier import catch_up
from drorch.repository.copy_report import CopyReport
from drorch.repository.opening import Replica, Repository, open_repository
from drorch.repository.run_parts import CommittedSnapshot
from drorch.repository.sweeper import SweepReport
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.repositories import Household, ManualClock, back_up, counting_random, read_back, snapshots
from tests.support.turns import Pick, Turns, in_order, shuffled, stopping

HOUSEHOLD = Household()
OLD, CRASHED, STEADY = (random.Random(n).randbytes(90_000) for n in range(3))
NO_MARGIN = timedelta(0)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call of a run at a time, and an index segment for every pack."""
    monkeypatch.setattr(packing, "UPLOADS", 1)
    monkeypatch.setattr(packing, "PACK_TARGET_BYTES", 80_000)
    monkeypatch.setattr(segments, "SEGMENT_PACKS", 1)


@dataclass(frozen=True)
class Base:
    """A lane with two snapshots, of which the first is given up, and a run that was broken off."""

    objects: dict[str, bytes]
    lane: LaneId
    given_up: RunId
    kept: RunId
    root: bytes

    def store(self) -> MemoryStore:
        store = MemoryStore(ManualClock())
        for name, content in self.objects.items():
            store.put_if_absent(name, content)
        return store


@pytest.fixture
def base() -> Base:
    return _base()


_made: list[Base] = []


def _base() -> Base:
    if not _made:
        store = MemoryStore(ManualClock())
        repository = HOUSEHOLD.create(store)
        first = back_up(repository, {"old": OLD, "steady": STEADY}, random_bytes=counting_random("1"))
        second = back_up(repository, {"steady": STEADY}, random_bytes=counting_random("2"))
        root = repository.trust.root_digest.raw
        for survives in range(40):
            crashing = CrashStore(store, survives_calls=survives)
            with pytest.raises(Crashed):
                back_up(with_store(repository, crashing), {"c": CRASHED}, random_bytes=counting_random(f"c{survives}"))
            if any("/x/" in name for verb, name in crashing.calls[:survives] if verb == "put"):
                break
        objects = {stat.name: store.read(stat.name, limit_bytes=10**8) for stat in store.list_objects("")}
        _made.append(Base(objects, first.lane, first.run, second.run, root))
    return _made[0]


def with_store(repository: Repository, store: ObjectStore) -> Repository:
    return Repository(trust=repository.trust, replicas=(Replica(name="store", store=store),))


@dataclass
class Stage:
    """One play: actors by name, what each writes, and what must be readable in the end."""

    base: Base
    store: MemoryStore = field(init=False)
    repository: Repository = field(init=False)
    models: dict[str, dict[str, bytes]] = field(default_factory=dict)
    acknowledged: dict[RunId, dict[str, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = self.base.store()
        self.repository = open_repository([Replica(name="store", store=self.store)], self.base.root)

    def writer(
        self, label: str, cache: Path | None = None, /, **streams: bytes
    ) -> Callable[[ObjectStore], CommittedSnapshot]:
        self.models[label] = streams

        def act(store: ObjectStore) -> CommittedSnapshot:
            repository = with_store(self.repository, store)
            return back_up(repository, streams, random_bytes=counting_random(label), cache=cache)

        return act

    def sweeper(self) -> Callable[[ObjectStore], SweepReport]:
        def act(store: ObjectStore) -> SweepReport:
            replica, trust, clock = Replica(name="store", store=store), self.repository.trust, ManualClock()
            contents = lane_contents.read_contents(replica, trust, self.base.lane)
            plan = sweep_plan.plan(
                contents, [self.base.given_up], now=clock.now() + timedelta(days=400), margin=NO_MARGIN
            )
            return sweeper.execute(plan, replica, trust, key=HOUSEHOLD.maintainer, clock=clock, batch_objects=5)

        return act

    def play(self, pick: Pick, **actors: Callable[[ObjectStore], Any]) -> dict[str, Any]:
        outcomes = Turns(self.store, pick).run(actors)
        self.acknowledged |= {
            outcome.run: self.models[name]
            for name, outcome in outcomes.items()
            if isinstance(outcome, CommittedSnapshot)
        }
        for name, outcome in outcomes.items():
            if isinstance(outcome, Exception):
                assert isinstance(outcome, (NothingDone, ObjectConflict)), (name, outcome)
        self.judge()
        return outcomes

    def judge(self) -> None:
        """Everything acknowledged is listed, everything listed but the given-up one reads back equal."""
        wanted = {self.base.kept: {"steady": STEADY}, **self.acknowledged}
        listed = {one.link.manifest.run: one for one in snapshots(self.repository)}
        assert wanted.keys() <= set(listed) <= wanted.keys() | {self.base.given_up}  # until a retire list names it
        for run, streams in wanted.items():
            assert read_back(self.repository, listed[run]) == streams
        report = check(self.repository, CheckRequest(retired={self.base.given_up}))
        assert report.errors == ()


def kind(outcome: Any) -> str:
    if isinstance(outcome, RunVoided):
        return "voided"
    if isinstance(outcome, Exception):
        return type(outcome).__name__
    if isinstance(outcome, SweepReport):
        return f"swept, kept {len(outcome.kept)}" if outcome.kept else "swept"
    return "committed"


def calls_of(base: Base, *actors: str) -> Iterator[tuple[str, int]]:
    """How many store calls each actor makes when it is alone."""
    for actor in actors:
        stage = Stage(base)
        turns = Turns(stage.store, in_order(actor))
        turns.run({actor: cast(stage)[actor]})
        yield actor, len(turns.log)


def cast(stage: Stage) -> dict[str, Callable[[ObjectStore], Any]]:
    """A writer that needs what the sweeper wants and what a crashed run left, another one, and the sweeper."""
    return {
        "a": stage.writer("a", old=OLD, crashed=CRASHED),
        "b": stage.writer("b", old=OLD, steady=STEADY),
        "sweeper": stage.sweeper(),
    }


def test_the_stage_holds_what_it_is_for(base: Base) -> None:
    stage = Stage(base)
    outcomes = stage.play(in_order("a", "b", "sweeper"), **cast(stage))
    assert {name: kind(outcome) for name, outcome in outcomes.items()} == {
        "a": "committed",
        "b": "committed",
        "sweeper": "swept",
    }
    alone = Stage(base)
    swept = alone.play(in_order("sweeper"), sweeper=alone.sweeper())["sweeper"]
    packs = [name for name in swept.deleted if "/p/" in name]
    assert len(packs) >= 3  # of the snapshot that is given up, and of the run that was broken off
    assert [name for name in swept.deleted if "/x/" in name]
    before = base.objects.keys()
    assert {stat.name for stat in alone.store.list_objects("")} < before | {f"l/{base.lane}/g/0"}


@pytest.mark.parametrize("sleeper", ["a", "sweeper"])
@pytest.mark.parametrize("order", [1, pytest.param(-1, marks=pytest.mark.slow)])
def test_one_sleeps_at_any_call_while_the_others_finish(base: Base, sleeper: str, order: int) -> None:
    others = [name for name in ("a", "b", "sweeper") if name != sleeper][::order]
    ((_, calls),) = calls_of(base, sleeper)
    assert calls > 10
    seen: Counter[str] = Counter()
    for after in range(calls + 1):
        stage = Stage(base)
        outcomes = stage.play(stopping(sleeper, after, *others), **cast(stage))
        seen[kind(outcomes[sleeper])] += 1
    if sleeper == "a":
        assert seen["voided"] > 0
        assert seen["committed"] > 0
    else:
        assert sum(count for outcome, count in seen.items() if outcome.startswith("swept, kept")) > 0


@pytest.mark.parametrize(
    "seeds", [range(25), pytest.param(range(25, 2_000), marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_random_schedules_of_all_three(base: Base, seeds: range) -> None:
    seen: Counter[tuple[str, ...]] = Counter()
    for seed in seeds:
        stage = Stage(base)
        outcomes = stage.play(shuffled(seed), **cast(stage))
        seen[tuple(kind(outcomes[name]) for name in ("a", "b", "sweeper"))] += 1
    assert len(seen) > 4
    assert {"committed", "voided"} <= {outcome for outcomes in seen for outcome in outcomes[:2]}


def test_two_runs_at_once_never_take_one_number(base: Base) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for seed in range(15):
        stage = Stage(base)
        outcomes = stage.play(shuffled(seed), a=stage.writer("a", new=OLD), b=stage.writer("b", other=CRASHED))
        numbers = [one.sequence for one in outcomes.values() if isinstance(one, CommittedSnapshot)]
        assert len(set(numbers)) == len(numbers) > 0
        seen[kind(outcomes["a"]), kind(outcomes["b"])] += 1
    assert len(seen) > 1


@pytest.mark.parametrize("with_cache", ["kept", "lost"])
def test_what_a_sleeper_adds_after_its_packs_were_taken_over_stays_unknown(
    base: Base, tmp_path: Path, with_cache: str
) -> None:
    """A later run puts the list of the packs that are there; what the sleeper adds stands in no list and must not be relied on."""
    more = random.Random(77).randbytes(300_000)
    relied = 0
    for after in range(22, 34, 2):
        stage = Stage(base)
        caches = [tmp_path / f"{after}-{number}" if with_cache == "kept" else None for number in range(2)]
        sleeper = stage.writer("a", caches[0], one=OLD + more, two=more[::-1])
        stage.play(stopping("a", after, "b"), a=sleeper, b=stage.writer("b", caches[1], one=OLD + more))
        again = stage.writer("c", caches[1], two=more[::-1])
        outcomes = stage.play(in_order("c"), c=again)
        relied += outcomes["c"].totals.known_chunks
    assert relied > 0


# -- two stores, two runs that each see one of them, and the copy that joins them


@dataclass
class Parted:
    """Store ``ahead`` holds the next snapshot. In ``behind`` a run that saw only that store takes the same number, unless the copy is quicker."""

    base: Base
    ahead: MemoryStore = field(init=False)
    behind: MemoryStore = field(init=False)
    whole: Repository = field(init=False)
    winner: CommittedSnapshot = field(init=False)

    def __post_init__(self) -> None:
        self.ahead, self.behind = self.base.store(), self.base.store()
        replicas = [Replica(name="ahead", store=self.ahead), Replica(name="behind", store=self.behind)]
        self.whole = open_repository(replicas, self.base.root)
        self.winner = self.back_up(self.ahead, "winner", old=OLD, steady=STEADY)

    def back_up(self, store: ObjectStore, label: str, /, **streams: bytes) -> CommittedSnapshot:
        return back_up(with_store(self.whole, store), streams, random_bytes=counting_random(label))

    def late(self, store: ObjectStore) -> CommittedSnapshot:
        return self.back_up(store, "late", crashed=CRASHED)

    def copy(self, store: ObjectStore) -> CopyReport:
        source, target = Replica(name="ahead", store=self.ahead), Replica(name="behind", store=store)
        return catch_up([source], target, self.whole.trust)

    def sweeper(self, store: ObjectStore) -> SweepReport:
        replica, trust, clock = Replica(name="behind", store=store), self.whole.trust, ManualClock()
        contents = lane_contents.read_contents(replica, trust, self.base.lane)
        plan = sweep_plan.plan(contents, [self.base.given_up], now=clock.now() + timedelta(days=400), margin=NO_MARGIN)
        return sweeper.execute(plan, replica, trust, key=HOUSEHOLD.maintainer, clock=clock, batch_objects=5)

    def judge(self, outcomes: Mapping[str, Any]) -> str:
        """What ``behind`` says is committed reads back from it alone; the late run is acknowledged there, or knows that it is not."""
        alone = with_store(self.whole, self.behind)
        wanted = {self.base.kept: {"steady": STEADY}, self.winner.run: {"old": OLD, "steady": STEADY}}
        late, copied = outcomes["late"], outcomes["copy"]
        if isinstance(late, CommittedSnapshot):
            wanted[late.run] = {"crashed": CRASHED}
        else:
            assert isinstance(late, (RunVoided, NothingDone, ObjectConflict)), late
        listed = {one.link.manifest.run: one for one in snapshots(alone)}
        assert listed.keys() <= wanted.keys() | {self.base.given_up}
        for run in listed.keys() & wanted.keys():
            assert read_back(alone, listed[run]) == wanted[run]
        assert not isinstance(late, CommittedSnapshot) or late.run in listed
        errors = check(alone, CheckRequest(retired={self.base.given_up})).errors
        assert errors == (), errors
        joined = self.winner.run in listed
        assert joined == (not isinstance(copied, Exception) and self.winner.run in copied_runs(copied))
        return "joined" if joined else "forked" if late.__class__ is CommittedSnapshot else "refused"


def copied_runs(report: CopyReport) -> set[RunId]:
    return {one.link.manifest.run for one in report.snapshots}


def parted_calls(base: Base) -> int:
    alone = Parted(base)
    turns = Turns(alone.behind, in_order("late"))
    assert isinstance(turns.run({"late": alone.late})["late"], CommittedSnapshot)
    return len(turns.log)


def test_a_number_that_two_runs_took_goes_to_one_of_them(base: Base) -> None:
    """The late run sleeps at each of its calls in turn while the copy finishes; then it wakes."""
    seen: Counter[str] = Counter()
    calls = parted_calls(base)
    for after in range(calls + 1):
        parted = Parted(base)
        actors = {"late": parted.late, "copy": parted.copy}
        outcomes = Turns(parted.behind, stopping("late", after, "copy")).run(actors)
        end = parted.judge(outcomes)
        seen[end] += 1
        if end == "joined":
            again = parted.copy(parted.behind)
            assert (again.problems, again.snapshots) == ((), ())
            following = back_up(parted.whole, {"c": OLD}, random_bytes=counting_random("following"))
            came_later = isinstance(
                outcomes["late"], CommittedSnapshot
            )  # it found the copy done, and took the next number
            assert set(following.copies) == ({"behind"} if came_later else {"ahead", "behind"})
            assert check(parted.whole, CheckRequest()).errors == ()
        else:
            assert after == calls
            assert "another history" in outcomes["copy"].problems[0].error.message
    assert seen == {"joined": calls, "forked": 1}


def test_a_run_that_died_with_the_number_loses_it_to_the_copy(base: Base) -> None:
    """Before that, a run that sees both stores goes on where the number is decided, and does not void what lies open in the other."""
    parted = Parted(base)
    pick = stopping("late", parted_calls(base) - 1, "other")
    outcomes = Turns(parted.behind, pick).run({"late": parted.late, "other": lambda store: store.server_time()})
    assert isinstance(outcomes["late"], CommittedSnapshot)
    parted.behind.delete([names.commit(base.lane, parted.winner.sequence)])  # as if it had died before its last call
    following = back_up(
        Repository(trust=parted.whole.trust, replicas=parted.whole.replicas[::-1]),
        {"c": OLD},
        random_bytes=counting_random("following"),
    )
    assert following.copies == ("ahead",)
    assert copied_runs(parted.copy(parted.behind)) == {parted.winner.run, following.run}
    assert check(parted.whole, CheckRequest()).errors == ()
    last = back_up(parted.whole, {"d": OLD}, random_bytes=counting_random("last"))
    assert set(last.copies) == {"ahead", "behind"}


def test_random_schedules_of_a_late_run_a_copy_and_a_sweeper(base: Base) -> None:
    seen: Counter[str] = Counter()
    for seed in range(25):
        parted = Parted(base)
        actors = {"late": parted.late, "copy": parted.copy, "sweeper": parted.sweeper}
        outcomes = Turns(parted.behind, shuffled(seed)).run(actors)
        seen[parted.judge(outcomes)] += 1
    assert seen["joined"] > 0
    assert len(seen) > 1


def in_phases(*phases: tuple[str, int]) -> Pick:
    """Each named actor up to so many calls of its own, one phase after the other; then all to their ends in that order."""

    def pick(waiting: Mapping[str, int]) -> str:
        due = (name for name, calls in phases if name in waiting and waiting[name] < calls)
        return next(due, next(name for name, _ in phases[1:] + phases[:1] if name in waiting))

    return pick


def calls_before(turns: Turns, actor: str, verb: str, end: str) -> int:
    """How many calls ``actor`` made before the first ``verb`` on a name that ends so."""
    own = [(called, name) for who, called, name in turns.log if who == actor]
    return next(place for place, (called, name) in enumerate(own) if called == verb and name.endswith(end))


def test_a_sweeper_sees_what_a_copy_is_about_to_commit_beside_an_open_number(base: Base) -> None:
    """It has read all manifests and is about to delete when the commit comes: it must have read the alternate, too."""
    parted = Parted(base)
    number = names.manifest(base.lane, parted.winner.sequence)
    alone = Turns(parted.behind, in_order("late"))
    alone.run({"late": parted.late})
    asleep = ("late", calls_before(alone, "late", "put", number) + 1)
    rehearsals: dict[str, int] = {}
    for actor, verb, end in (("copy", "put", number + ".c"), ("sweeper", "delete", "")):
        rehearsal = Parted(base)
        turns = Turns(rehearsal.behind, in_phases(asleep, (actor, 10**6)))
        turns.run({"late": rehearsal.late, actor: getattr(rehearsal, actor)})
        rehearsals[actor] = calls_before(turns, actor, verb, end)
    parted = Parted(base)
    phases = in_phases(asleep, ("copy", rehearsals["copy"]), ("sweeper", rehearsals["sweeper"] + 3))
    turns = Turns(parted.behind, phases)
    outcomes = turns.run({"late": parted.late, "copy": parted.copy, "sweeper": parted.sweeper})
    assert parted.judge(outcomes) == "joined"
    assert outcomes["sweeper"].retire_list == 0
    assert outcomes["sweeper"].deleted

"""Lock extension beside a prune and backups, paused or killed at every store call: nothing needed loses its lock or its life."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from drorch.policy.locks import LockRule
from drorch.repository import locking
from drorch.repository.locking import ExtendedLane, LaneLocks, extend_lane
from drorch.repository.opening import Replica, Repository
from drorch.storage.interface import ObjectStore
from tests.faults.test_prune import HOUSEHOLD, MORE, OLD, TODAY, Stage, first_stage, small_steps
from tests.support.crash_store import Crashed, CrashStore
from tests.support.turns import Turns, in_order, shuffled, stopping

__all__ = ["first_stage", "small_steps"]  # fixtures of the stage
RULE = LockRule(seconds=86_400)


@pytest.fixture(autouse=True)
def one_call_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "AT_ONCE", 1)


class LockedStage(Stage):
    """The same three nights, two months later: every lock is due, and the first night is to go."""

    def __init__(self) -> None:
        super().__init__()
        self.store._rule = RULE
        for name, stored in self.store._objects.items():
            self.store._objects[name] = replace(stored, locked_until=RULE.at_put(stored.stored_at))
        self.clock.time = TODAY + timedelta(days=70)
        self.repository = super().on(self.store)  # for the judge, who looks at what is there, not at its locks

    def on(self, store: ObjectStore, repository: Repository | None = None) -> Repository:
        trust = (repository or self.repository).trust
        return Repository(trust=trust, replicas=(Replica(name="store", store=store, lock=RULE),))

    def extend(self, store: ObjectStore) -> ExtendedLane:
        opened = self.on(store)
        (lane,) = {names.split("/")[1] for names in self.store._objects if names.startswith("l/")}
        return extend_lane(
            opened.replicas[0],
            opened.trust,
            next(one for one in locking_lanes(self.store) if str(one) == lane),
            key=HOUSEHOLD.maintainer,
            clock=self.clock,
            now=self.clock.time,
        )

    def judge_locks(self) -> None:
        """Whatever is needed today is locked for what was promised."""
        for lane in locking_lanes(self.store):
            for stat in LaneLocks(self.on(self.store).replicas[0], self.repository.trust, lane).objects():
                assert not RULE.is_short(self.store.locked_until(stat.name), self.clock.time), stat.name


def locking_lanes(store: ObjectStore) -> Any:
    from drorch.repository.chain import lanes_of

    return lanes_of(store)


def cast(stage: LockedStage) -> dict[str, Callable[[ObjectStore], Any]]:
    return {"extend": stage.extend, "prune": stage.prune, "a": stage.writer("a", old=OLD, more=MORE)}


def calls_of(actor: str) -> int:
    stage = LockedStage()
    turns = Turns(stage.store, in_order(actor))
    turns.run({actor: cast(stage)[actor]})
    return len(turns.log)


def finish(stage: LockedStage) -> None:
    """The next day's extension and prune, undisturbed; then everything must be in order."""
    stage.extend(stage.store)
    stage.judge_locks()
    stage.judge(may_be_gone=stage.nights[:1])


@pytest.mark.parametrize(("sleeper", "other"), [("extend", "prune"), ("prune", "extend"), ("extend", "a")])
def test_one_sleeps_at_any_call_while_the_other_finishes(sleeper: str, other: str) -> None:
    seen: Counter[int] = Counter()
    for after in range(0, calls_of(sleeper) + 1, 2):
        stage = LockedStage()
        actors = {name: cast(stage)[name] for name in (sleeper, other)}
        outcomes = stage.play(stopping(sleeper, after, other), **actors)
        stage.judge(may_be_gone=stage.nights[:1])
        finish(stage)
        seen[outcomes["extend"].objects] += 1
    assert sum(seen) > 0  # it had something to do
    assert len(seen) > 1 or other == "a", seen  # it came before the prune, or after


def test_random_schedules_of_an_extension_a_prune_and_a_backup() -> None:
    for seed in range(10):
        stage = LockedStage()
        stage.play(shuffled(seed), **cast(stage))
        finish(stage)


def test_an_extension_that_is_killed_at_any_call_is_ended_by_the_next() -> None:
    fired = 0
    for survives in range(0, calls_of("extend"), 2):
        stage = LockedStage()
        dying = CrashStore(stage.store, survives_calls=survives, applies_last=survives % 4 == 0)
        with pytest.raises(Crashed):
            stage.extend(dying)
        fired += dying.has_crashed
        stage.judge()
        finish(stage)
        assert stage.extend(stage.store).objects == 0
    assert fired > 5

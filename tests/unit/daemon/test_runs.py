"""A run is its daemon's from its start until its end is written, whatever stands in the line before its answer."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import pytest

from drorch.daemon import runs
from drorch.daemon.results import Answer
from drorch.daemon.wishes import Ended, Wish, Wishes
from drorch.policy.occurrences.duty import Duty, DutyKind
from drorch.policy.occurrences.line import Job, Waiting
from drorch.policy.schedule import parse_schedule
from tests.support.manual_clock import START, ManualClock

if TYPE_CHECKING:
    from drorch.daemon.configuration import InForce

_DUTY = Duty(kind=DutyKind.PRUNE, subject="", schedule=parse_schedule("0 6 * * *", ZoneInfo("UTC")), since=START)
_SETTINGS = SimpleNamespace(file=None, upkeep=SimpleNamespace(read_percent=5))
IN_FORCE = cast("InForce", SimpleNamespace(environment={}, settings=_SETTINGS))
PRUNE = Job(unit="prune:", members=(Waiting(duty=_DUTY, slot=START, not_before=START + timedelta(seconds=9)),))


class Children:
    """Processes that end when the test says so, as the threads that wait for real ones tell it."""

    def __init__(self, ended: Callable[[str, Answer], None], clock: object) -> None:
        del clock
        self._ended = ended
        self.names: frozenset[str] = frozenset()
        self.refuses = False

    def start(self, name: str, words: Sequence[str], environment: Mapping[str, str]) -> int:
        del words, environment
        if self.refuses:
            raise OSError(11, "Resource temporarily unavailable")
        self.names |= {name}
        return 4711

    def end(self, name: str, code: int = 0) -> None:
        self._ended(name, Answer(code=code, document={}))
        self.names -= {name}

    def end_all(self) -> None:
        """Nobody hears it."""

    def kill_all(self) -> None:
        for name in sorted(self.names):
            self.end(name, -signal.SIGKILL)


@pytest.fixture
def wishes() -> Wishes:
    return Wishes()


@pytest.fixture
def started(wishes: Wishes, monkeypatch: pytest.MonkeyPatch) -> tuple[runs.Runs, Children]:
    made: list[Children] = []

    def make(ended: Callable[[str, Answer], None], clock: object) -> Children:
        made.append(Children(ended, clock))
        return made[0]

    monkeypatch.setattr(runs, "Children", make)
    return runs.Runs(wishes, ManualClock()), made[0]


def test_a_run_whose_answer_waits_behind_another_wish_is_no_stranger(
    started: tuple[runs.Runs, Children], wishes: Wishes
) -> None:
    ours, children = started
    ours.start(PRUNE, IN_FORCE)
    assert ours.names == {"prune:"}
    wishes.put(Wish.WAKE)
    children.end("prune:")

    assert wishes.get() is Wish.WAKE  # what the daemon does now, it does without the answer
    assert (set(ours.names), len(ours.answers)) == ({"prune:"}, 0)

    ended = wishes.get()
    assert isinstance(ended, Ended)
    ours.heard(ended)
    assert (set(ours.names), ours.answers["prune:"].code) == ({"prune:"}, 0)
    ours.written("prune:")
    assert (len(ours.names), len(ours.answers)) == (0, 0)


def test_a_run_that_cannot_be_started_has_an_end_too(started: tuple[runs.Runs, Children], wishes: Wishes) -> None:
    ours, children = started
    children.refuses = True
    ours.start(PRUNE, IN_FORCE)
    ended = wishes.get()
    assert isinstance(ended, Ended)
    assert ended.answer.document is not None
    assert "Resource temporarily unavailable" in ended.answer.document["error"]["message"]
    ours.heard(ended)
    ours.written("prune:")
    assert not ours.names


def test_a_run_that_the_daemon_had_to_kill_was_broken_off_and_one_that_another_killed_was_not(
    started: tuple[runs.Runs, Children], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "FAREWELL_SECONDS", 0.0)
    ours, children = started
    ours.start(PRUNE, IN_FORCE)
    ours.start(replace(PRUNE, unit="another"), IN_FORCE)
    children.end("another", -signal.SIGKILL)  # by the kernel, when memory is short
    ours.end_in_order(0.0)
    assert set(ours.answers) == {"prune:", "another"}
    assert {unit for unit in ours.answers if ours.was_broken_off(unit)} == {"prune:"}

"""Many jobs at once: limits in all and by server, nobody waits for the dead, an end that is wanted comes soon."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from drorch.operations import at_once
from drorch.operations.at_once import Job, Limits, Place, results

LONGEST_SECONDS = 20.0


class Gauge:
    """Counts what runs now, and the most that ever ran, by server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def enter(self, server: str) -> None:
        with self._lock:
            for key in (server, "all"):
                self._now[key] += 1
                self.most[key] = max(self.most[key], self._now[key])

    def leave(self, server: str) -> None:
        with self._lock:
            self._now.subtract([server, "all"])


def nothing(_error: BaseException) -> None:
    """Abandon nothing."""


def jobs(*servers: str) -> list[Job[tuple[int, str]]]:
    return [Job(work=(number, server), server=server) for number, server in enumerate(servers)]


def test_no_more_than_allowed_and_every_job_once() -> None:
    gauge = Gauge()

    def act(work: tuple[int, str], _place: Place) -> int:
        gauge.enter(work[1])
        time.sleep(0.01)
        gauge.leave(work[1])
        return work[0]

    limits = Limits(in_all=4, per_server=2)
    found = results(jobs(*"aaaaaabbbbbbcccc"), act, limits=limits, monotonic_seconds=time.monotonic, abandon=nothing)
    assert sorted(outcome for _work, outcome in found) == list(range(16))
    assert gauge.most["all"] <= 4
    assert max(gauge.most[server] for server in "abc") <= 2
    assert gauge.most["all"] >= 3, "the limit of one server must not hold up the others"


def test_who_waits_for_a_dead_server_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "PATIENCE_SECONDS", 0.05)
    dead, answered = threading.Event(), []

    def act(work: tuple[int, str], place: Place) -> None:
        if work[1].startswith("dead"):
            place.waits()
            assert dead.wait(LONGEST_SECONDS)
            place.works()
        else:
            answered.append(work[0])
            if len(answered) == 6:
                dead.set()

    limits = Limits(in_all=2, per_server=2)
    servers = ("dead1", "dead2", "dead3", *"aabbcc")
    assert (
        len(list(results(jobs(*servers), act, limits=limits, monotonic_seconds=time.monotonic, abandon=nothing))) == 9
    )
    assert len(answered) == 6


def test_a_job_that_works_holds_its_place_however_long_it_takes() -> None:
    place = Place(lambda: clock[0])
    clock = [0.0]
    place.waits()
    clock[0] = at_once.PATIENCE_SECONDS + 1
    assert not place.is_held
    assert place.waited_seconds == at_once.PATIENCE_SECONDS + 1
    place.works()
    assert place.is_held


def test_what_a_job_raises_is_raised_and_the_others_are_told_to_end() -> None:
    told: list[BaseException] = []
    release = threading.Event()

    def abandon(error: BaseException) -> None:
        told.append(error)
        release.set()

    def act(work: tuple[int, str], _place: Place) -> None:
        if work[0] == 1:
            raise ValueError("a bug")
        assert release.wait(LONGEST_SECONDS)

    limits = Limits(in_all=2, per_server=2)
    with pytest.raises(ValueError, match="a bug"):
        list(results(jobs("a", "b"), act, limits=limits, monotonic_seconds=time.monotonic, abandon=abandon))
    assert [type(error) for error in told] == [ValueError]


def test_whoever_stops_asking_ends_what_runs() -> None:
    release = threading.Event()
    ended: list[int] = []

    def act(work: tuple[int, str], _place: Place) -> None:
        if work[0]:
            assert release.wait(LONGEST_SECONDS)
            ended.append(work[0])

    limits = Limits(in_all=3, per_server=3)
    asked = results(
        jobs(*"abc"), act, limits=limits, monotonic_seconds=time.monotonic, abandon=lambda _error: release.set()
    )
    next(asked)
    asked.close()
    assert sorted(ended) == [1, 2]


class Rung(BaseException):
    """As Ctrl-C: raised in the main thread, wherever that stands."""


@pytest.fixture
def bell() -> Iterator[Callable[[], None]]:
    """Rings from any thread."""

    def ring(_number: int, _frame: object) -> None:
        raise Rung

    before = signal.signal(signal.SIGUSR1, ring)
    yield lambda: os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_that_comes_anywhere_while_jobs_are_waited_for_is_told(
    bell: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_once, "_LOOK_SECONDS", 0.0)  # never at rest
    limits = Limits(in_all=1, per_server=1)
    for _ in range(100):  # one moment in fifty was a bad one
        told, is_over = list[BaseException](), threading.Event()

        def act(_work: tuple[int, str], _place: Place, is_over: threading.Event = is_over) -> None:
            time.sleep(0.001)  # until it waits
            bell()
            is_over.wait(LONGEST_SECONDS)

        def abandon(error: BaseException, told: list[BaseException] = told, is_over: threading.Event = is_over) -> None:
            told.append(error)
            is_over.set()

        found = results(jobs("a"), act, limits=limits, monotonic_seconds=time.monotonic, abandon=abandon)
        with pytest.raises(Rung):
            next(found)
        assert [type(error) for error in told] == [Rung]

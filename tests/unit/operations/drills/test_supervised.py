"""Work that hangs is left behind when its time is over, and what it would say after that counts no more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from drorch.clock import SystemClock
from drorch.errors import Interrupted
from drorch.operations.drills import supervised
from drorch.operations.drills.supervised import Supervised
from drorch.operations.interruption import Interruption


def supervise(seconds: float) -> Supervised[str]:
    clock = SystemClock()
    return Supervised(clock.monotonic_seconds() + seconds, Interruption(), clock)


def test_what_ends_in_time_gives_all_it_has_and_what_it_raises() -> None:
    assert list(supervise(60).items(lambda: ["one", "two"])) == ["one", "two"]

    def failing() -> Iterator[str]:
        yield "one"
        raise KeyError

    items = supervise(60).items(failing)
    assert next(items) == "one"
    with pytest.raises(KeyError):
        next(items)


def test_what_hangs_is_cut_short_and_says_no_more() -> None:
    work, is_cut = supervise(0.3), threading.Event()

    def hanging() -> Iterator[str]:
        yield "one"
        with work.stop.cuts(is_cut.set):
            is_cut.wait(60)
        yield "too late"

    assert list(work.items(hanging)) == ["one"]
    assert is_cut.is_set()
    assert (work.is_out_of_time, work.is_left_behind) == (True, False)


def test_what_cannot_be_cut_short_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "FAREWELL_SECONDS", 0.1)
    work, end = supervise(0.1), threading.Event()

    def deaf() -> Iterator[str]:
        end.wait(60)
        yield from ()

    try:
        assert list(work.items(deaf)) == []
        assert work.is_left_behind
    finally:
        end.set()


def _waits(is_cut: threading.Event, stop: Interruption) -> Callable[[], Iterator[str]]:
    def work() -> Iterator[str]:
        with stop.cuts(is_cut.set):
            is_cut.wait(60)
        yield "the server went away"

    return work


def test_a_person_who_wants_the_end_gets_it_and_no_verdict() -> None:
    work = supervise(60)
    threading.Timer(0.1, work.stop.end).start()
    with pytest.raises(Interrupted):
        list(work.items(_waits(threading.Event(), work.stop)))
    assert not work.is_out_of_time

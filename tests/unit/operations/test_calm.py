"""A run waits while its server is too busy, and says so."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from drorch.clock import SystemClock
from drorch.errors import SourceRightsMissing, SourceUnreachable
from drorch.operations import calm
from drorch.operations.calm import Calm


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calm, "LOOK_SECONDS", 0.01)


def answers(*told: str | Exception) -> Callable[[], str]:
    left = list(told)

    def ask() -> str:
        answer = left.pop(0) if left else ""
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def test_a_calm_server_is_not_waited_for() -> None:
    shown: list[str] = []
    one = Calm(answers(), SystemClock(), lambda *_: pytest.fail("nothing to tell"))
    one.wait(shown.append)
    assert (one.paused_seconds, one.reasons, shown) == (0, [], [])


def test_a_pause_is_shown_told_and_counted_and_ends() -> None:
    shown: list[str] = []
    told: list[str] = []
    one = Calm(answers("61 sessions", "52 sessions", ""), SystemClock(), told.append)
    one.wait(shown.append)
    assert shown == ["61 sessions", "52 sessions"]
    assert one.reasons == ["61 sessions"]
    assert one.paused_seconds > 0
    assert [line.split(":")[0].split(" after")[0] for line in told] == ["paused", "went on"]


def test_whoever_reads_meanwhile_waits_too_and_stop_ends_it() -> None:
    is_paused = threading.Event()
    one = Calm(lambda: "busy", SystemClock(), lambda *_: None)
    threads = [threading.Thread(target=one.wait, args=(lambda _: is_paused.set(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert is_paused.wait(20)
    assert all(thread.is_alive() for thread in threads)
    one.stop()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


def test_only_the_first_look_raises() -> None:
    with pytest.raises(SourceRightsMissing):
        Calm(answers(SourceRightsMissing("no")), SystemClock(), lambda *_: None).wait(lambda _: None)
    shown: list[str] = []
    Calm(answers("busy", SourceUnreachable("gone")), SystemClock(), lambda *_: None).wait(shown.append)
    assert shown == ["busy"]

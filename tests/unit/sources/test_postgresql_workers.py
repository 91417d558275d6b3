"""Work in parallel: order, locks, errors; without a server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from drorch.errors import RestoreDiffers
from drorch.sources.postgresql.lifeline import Lifeline
from drorch.sources.postgresql.session import Session
from drorch.sources.postgresql.workers import Work, run_all


class FakeSession:
    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def run(work: list[Work], jobs: int = 3) -> list[FakeSession]:
    made: list[FakeSession] = []

    def make() -> Session:
        made.append(FakeSession())
        return cast("Session", made[-1])

    try:
        run_all(work, jobs=jobs, make=make, lifeline=Lifeline())
    finally:
        assert all(session.is_closed for session in made)
    return made


def doing(log: list[int], key: int) -> Callable[[Any], None]:
    return lambda _session: log.append(key)


def test_larger_pieces_come_first() -> None:
    log: list[int] = []
    run([Work(key=key, size=key, do=doing(log, key)) for key in range(6)], jobs=1)
    assert log == [5, 4, 3, 2, 1, 0]


def test_what_comes_after_comes_after() -> None:
    log: list[int] = []
    run([Work(key=key, size=key, do=doing(log, key), after=frozenset({key - 1, 999})) for key in range(40)])
    assert log == list(range(40))


def test_two_that_lock_the_same_never_run_together() -> None:
    running: set[int] = set()
    seen: list[tuple[int, ...]] = []
    lock = threading.Lock()

    def work(key: int) -> Callable[[Any], None]:
        def do(_session: Any) -> None:
            with lock:
                running.add(key)
                seen.append(tuple(running))
            threading.Event().wait(0.005)
            with lock:
                running.remove(key)

        return do

    shared = [Work(key=key, size=1, do=work(key), shared=frozenset({7})) for key in range(10)]
    exclusive = [Work(key=key, size=1, do=work(key), exclusive=frozenset({7})) for key in range(10, 15)]
    run([*shared, *exclusive], jobs=4)
    assert len(seen) == 15
    assert all(len(together) == 1 for together in seen if max(together) >= 10)
    assert any(len(together) > 1 for together in seen)


def test_the_first_error_stops_all() -> None:
    log: list[int] = []

    def fail(_session: Any) -> None:
        raise RestoreDiffers("the digest is another one")

    work = [Work(key=0, size=1_000, do=fail)] + [
        Work(key=key, size=1, do=doing(log, key), after=frozenset({0})) for key in range(1, 50)
    ]
    with pytest.raises(RestoreDiffers):
        run(work)
    assert log == []


def test_an_error_while_logging_in_is_told() -> None:
    def make() -> Session:
        raise RestoreDiffers("no session")

    with pytest.raises(RestoreDiffers):
        run_all([Work(key=0, size=1, do=lambda _session: None)], jobs=2, make=make, lifeline=Lifeline())

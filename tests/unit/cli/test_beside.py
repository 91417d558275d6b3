"""Several at once: whoever stops listening has the others cut first, and waits for them then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from types import SimpleNamespace
from typing import Any

import pytest

from drorch.cli import fan_out
from drorch.cli.drill.beside import drilled_beside
from drorch.cli.output import Output
from drorch.errors import Interrupted
from drorch.operations.at_once import Job
from drorch.operations.interruption import Interruption

Started = Callable[[Callable[[Any, Interruption], Any]], Generator[Any, None, None]]
LONG_SECONDS = 60.0


def drills(act: Callable[[Any, Interruption], Any]) -> Generator[Any, None, None]:
    made: Any = drilled_beside(["fast", "slow"], act, width=2, monotonic_seconds=time.monotonic)  # type: ignore[list-item]
    return made  # type: ignore[no-any-return]


def backups(act: Callable[[Any, Interruption], Any]) -> Generator[Any, None, None]:
    interruption = Interruption()

    def run(unit: tuple[Any, ...], _place: object) -> tuple[Any, ...]:
        with interruption.delayed(LONG_SECONDS):
            return (act(unit[0], interruption),)

    limits = SimpleNamespace(parallel_runs=2, parallel_per_server=2)
    wiring: Any = SimpleNamespace(
        settings=SimpleNamespace(limits=limits), clock=SimpleNamespace(monotonic_seconds=time.monotonic)
    )
    runner: Any = SimpleNamespace(among_others=run)
    pairs: Any = ["fast", "slow"]
    return fan_out.run_many(wiring, runner, pairs, "", interruption, Output(quiet=True))


@pytest.mark.parametrize("started", [drills, backups])
def test_the_others_are_cut_before_they_are_waited_for(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "_jobs", lambda pairs: [Job(work=(pair,)) for pair in pairs])
    running, cut = threading.Event(), threading.Event()

    def act(name: str, stop: Interruption) -> str:
        if name == "fast":
            assert running.wait(LONG_SECONDS)
            return name
        with stop.cuts(cut.set):
            running.set()
            assert cut.wait(LONG_SECONDS)
        raise Interrupted("interrupted")

    ended = started(act)
    next(ended)
    begun = time.monotonic()
    ended.close()
    assert cut.is_set()
    assert time.monotonic() - begun < LONG_SECONDS / 2

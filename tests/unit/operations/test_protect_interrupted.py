"""Ctrl-C at every call of a backup to its store and to its catalog: what is stored and what is recorded say the same."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest

from drorch.catalog.interface import RunState
from drorch.catalog.sqlite import open_sqlite
from drorch.clock import SystemClock
from drorch.errors import Interrupted
from drorch.ids import Digest, RunId
from drorch.operations.interruption import Interruption
from drorch.operations.machine import Machine
from drorch.operations.protect import Protector
from drorch.operations.protection import Protection
from drorch.storage.memory import MemoryStore
from tests.support.hooked_store import HookedStore
from tests.support.noise import MEGABYTE, Nobody, NoiseCapture, NoiseSource
from tests.support.repositories import Household, counting_random, snapshots

TEXT = "name: noise\n"
MOST_CALLS = 200
Result = TypeVar("Result")


class Presser:
    """Presses Ctrl-C in the midst of the ``at``-th call, before or after it does what it is for."""

    def __init__(self, at: int, *, after: bool) -> None:
        self._numbers = count()
        self._lock = threading.Lock()
        self._at = at
        self._after = after
        self.pressed_in: str | None = None

    def around(self, name: str, call: Callable[[], Result]) -> Result:
        with self._lock:
            is_it = next(self._numbers) == self._at
        if is_it and not self._after:
            self._press(name)
        try:
            return call()
        finally:
            if is_it and self._after:
                self._press(name)

    def _press(self, name: str) -> None:
        self.pressed_in = name
        os.kill(os.getpid(), signal.SIGINT)


class PressingStore(HookedStore):
    presser: Presser | None = None

    def around(self, verb: str, name: str, call: Callable[[], Result]) -> Result:
        return call() if self.presser is None else self.presser.around(f"{verb} {name}", call)


class PressingCatalog:
    def __init__(self, catalog: Any, presser: Presser) -> None:
        self._catalog = catalog
        self._presser = presser

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._catalog, name)
        if name in ("end_run", "recognise_crashed_runs"):  # the end of a run that was cut; before its beginning
            return found
        return lambda *given, **named: self._presser.around(name, lambda: found(*given, **named))


@pytest.mark.parametrize("after", [False, True])
def test_ctrl_c_at_every_call_leaves_books_that_are_true(tmp_path: Path, *, after: bool) -> None:
    ended = list(until_undisturbed(lambda at: interrupted_at(tmp_path / str(at), at, after=after)))
    assert set(ended) == {"absent", "present", "undisturbed"}


def until_undisturbed(interrupted: Callable[[int], str]) -> Iterator[str]:
    for at in range(MOST_CALLS):
        yield (found := interrupted(at))
        if found == "undisturbed":
            return


def interrupted_at(directory: Path, at: int, *, after: bool) -> str:
    """Back up with Ctrl-C at that call; return what became of the snapshot."""
    directory.mkdir()
    store, presser = PressingStore(MemoryStore(SystemClock())), Presser(at, after=after)
    repository = Household().create(store)
    store.presser = presser
    with closing(open_sqlite(directory / "catalog.sqlite")) as catalog:
        was_cut = back_up_is_cut(repository, PressingCatalog(catalog, presser), directory)
        store.presser = None
        if presser.pressed_in is None:
            return "undisturbed"
        assert was_cut, f"Ctrl-C in {presser.pressed_in} was not heard"
        stored = [found.short_id for found in snapshots(repository)]
        assert [RunId.parse(found.snapshot).short for found in catalog.snapshots()] == stored, presser.pressed_in
        states = [run.state for run in catalog.runs()]
        assert states in ([[RunState.COMPLETE]] if stored else [[], [RunState.INTERRUPTED]]), presser.pressed_in
        return "present" if stored else "absent"


def back_up_is_cut(repository: Any, catalog: Any, directory: Path) -> bool:
    protector = Protector(
        repository=repository,
        host_key=Household().host,
        catalog=catalog,
        machine=Machine(host="host", machine_id="one", pid=1, process_started="now"),
        is_alive=lambda pid, started: True,
        cache=directory / "cache",
        clock=SystemClock(),
        random_bytes=counting_random("run"),
    )
    digest = Digest(hashlib.sha256(TEXT.encode()).digest())
    protection = Protection(address="noise", policy="noise", policy_text=TEXT, policy_digest=digest, probes={})
    try:
        protector.run(protection, NoiseSource(NoiseCapture([MEGABYTE])), Nobody(), interruption=Interruption())
    except (KeyboardInterrupt, Interrupted):
        return True
    return False

"""A run that is broken off ends soon, whatever its stores and its source do, and leaves what it stored to the next."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from drorch.clock import SystemClock
from drorch.errors import CaptureFailed, DrorchError
from drorch.ids import Digest, RunId
from drorch.operations import back_up
from drorch.repository.beginning import RunPlace, begin_run
from drorch.repository.opening import Repository
from drorch.repository.writer import RunWriter
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from tests.support.hooked_store import HookedStore
from tests.support.noise import MEGABYTE, Nobody, NoiseCapture, NoiseSource
from tests.support.repositories import Household, counting_random, snapshots

Result = TypeVar("Result")
WELL_WITHIN_SECONDS = 4.0


class HangingStore(HookedStore):
    """A store that does not answer the puts whose name holds ``part``, until it is let go."""

    def __init__(self, store: ObjectStore, part: str) -> None:
        super().__init__(store)
        self.part = part
        self.hangs = threading.Event()
        self.let_go = threading.Event()

    def around(self, verb: str, name: str, call: Callable[[], Result]) -> Result:
        if verb == "put" and self.part in name:
            self.hangs.set()
            self.let_go.wait(60)
        return call()


def run(
    repository: Repository,
    capture: NoiseCapture,
    label: str = "run",
    keep: Callable[[back_up.BackupReport], None] = lambda _: None,
) -> back_up.BackupReport:
    random_bytes, clock = counting_random(label), SystemClock()

    def begin() -> RunWriter:
        place = RunPlace(source="noise")
        material = begin_run(
            repository,
            Household().host,
            place,
            run=RunId(random_bytes(16)),
            cache=None,
            clock=clock,
            random_bytes=random_bytes,
        )
        return RunWriter(material, clock=clock, random_bytes=random_bytes, compression_level=1, seal_threads=1)

    return back_up.run(
        source_name="noise",
        source=NoiseSource(capture),
        probes={},
        begin_run=begin,
        policy_digest=Digest(bytes(32)),
        slot=None,
        clock=clock,
        observer=Nobody(),
        keep=keep,
    )


def interrupt_when(hangs: threading.Event) -> Callable[[], float]:
    """Press Ctrl-C soon after; the answer tells how long ago that was."""
    pressed_at: list[float] = []

    def interrupt() -> None:
        if hangs.wait(120):
            time.sleep(0.3)  # until everybody waits for the store
            pressed_at.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    return lambda: time.monotonic() - pressed_at[0]


def let_go_after_press(store: HangingStore, seconds_since: Callable[[], float]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            seconds_since()
        except IndexError:
            time.sleep(0.02)
        else:
            store.let_go.set()
            return


@pytest.mark.parametrize(("part", "megabytes"), [("/p/", [40, 40, 40, 40]), ("/p/", [1]), ("/x/", [1]), ("/q/", [1])])
def test_ctrl_c_ends_a_run_whose_store_does_not_answer(part: str, megabytes: list[int]) -> None:
    store = HangingStore(MemoryStore(SystemClock()), part)
    repository = Household().create(store)
    seconds_since = interrupt_when(store.hangs)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(repository, NoiseCapture([size * MEGABYTE for size in megabytes]))
        assert seconds_since() < 10 * WELL_WITHIN_SECONDS  # ten times: the machine may have other things to do
    finally:
        store.let_go.set()
    wait_for_threads()
    assert snapshots(repository) == []


@pytest.mark.parametrize("part", ["/m/", ".c"])
def test_a_store_that_does_not_answer_a_commit_holds_nobody_up_for_long(part: str) -> None:
    store = HangingStore(MemoryStore(SystemClock()), part)
    repository = Household().create(store)
    seconds_since = interrupt_when(store.hangs)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(repository, NoiseCapture([MEGABYTE]))
        assert back_up.COMMIT_PATIENCE_SECONDS <= seconds_since() < 10 * WELL_WITHIN_SECONDS
    finally:
        store.let_go.set()
    wait_for_threads()


def test_a_commit_that_has_begun_is_ended_and_kept_before_ctrl_c_acts() -> None:
    store = HangingStore(MemoryStore(SystemClock()), ".c")
    repository = Household().create(store)
    seconds_since = interrupt_when(store.hangs)
    threading.Thread(target=let_go_after_press, args=(store, seconds_since), daemon=True).start()
    kept: list[back_up.BackupReport] = []
    with pytest.raises(KeyboardInterrupt):
        run(repository, NoiseCapture([MEGABYTE]), keep=kept.append)
    assert [found.short_id for found in snapshots(repository)] == [report.snapshot.run.short for report in kept]
    assert len(kept) == 1


def test_a_source_that_fails_leaves_no_thread_behind() -> None:
    repository = Household().create(MemoryStore(SystemClock()))
    with pytest.raises(CaptureFailed):
        run(repository, NoiseCapture([20 * MEGABYTE, MEGABYTE, MEGABYTE], fails=True))
    wait_for_threads()


def test_a_store_that_fails_leaves_no_thread_behind() -> None:
    class Failing(HookedStore):
        def around(self, verb: str, name: str, call: Callable[[], Result]) -> Result:
            if "/p/" in name and verb == "put":
                raise DrorchError("a fault that is none of a store's")
            return call()

    repository = Household().create(Failing(MemoryStore(SystemClock())))
    with pytest.raises(DrorchError, match="none of a store's"):
        run(repository, NoiseCapture([60 * MEGABYTE] * 5))
    wait_for_threads()


def threads_of_ours() -> list[str]:
    prefixes = ("upload", "seal", "stream", "leave", "fetch", "to its end")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(prefixes)]


def wait_for_threads() -> None:
    deadline = time.monotonic() + 60
    while threads_of_ours():
        assert time.monotonic() < deadline, threads_of_ours()
        time.sleep(0.02)


class BusySource(NoiseSource):
    """A source whose server is too busy before the run, and once more while it reads."""

    def __init__(self, capture: NoiseCapture) -> None:
        super().__init__(capture)
        self.answers = ["61 sessions at work, at most 50", "", "a standby is 9 min behind", ""]

    def too_busy(self) -> str:
        return self.answers.pop(0) if self.answers else ""


def test_a_run_waits_for_a_server_that_is_too_busy_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drorch.operations.calm.LOOK_SECONDS", 0.001)
    monkeypatch.setattr(f"{__name__}.NoiseSource", BusySource)
    repository = Household().create(MemoryStore(SystemClock()))
    report = run(repository, NoiseCapture([4 * MEGABYTE]))
    assert report.paused_for == ("61 sessions at work, at most 50", "a standby is 9 min behind")
    assert 0 < report.paused_seconds <= report.duration_seconds
    assert len(snapshots(repository)) == 1

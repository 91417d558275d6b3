"""Hooks: a failing one before fails the run, the one after always runs, and nobody cuts it short."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest

from drorch.errors import CaptureFailed, Interrupted, SourceUnsupported
from drorch.operations.hooks import HookFrame
from drorch.operations.interruption import Interruption
from drorch.sources.interface import Cuts, ProgramEnd
from tests.support.manual_clock import ManualClock

GOOD = ProgramEnd(code=0, in_time=True)


class Hooks:
    """Remembers what was run, and with which variables; each hook ends as told."""

    def __init__(self, before: ProgramEnd = GOOD, after: ProgramEnd | Exception = GOOD, seconds: float = 0) -> None:
        self.ends: dict[str, ProgramEnd | Exception] = {"before": before, "after": after}
        self.seconds = seconds
        self.run: list[tuple[str, str | None]] = []
        self.log: list[str] = []
        self.interruption = Interruption()
        self.frame = HookFrame(
            self,
            has_before=True,
            has_after=True,
            timeout_seconds=5,
            interruption=self.interruption,
            clock=ManualClock(),
        )

    def __call__(self, which: str, words: Mapping[str, str], cuts: Cuts | None) -> ProgramEnd:
        assert words["DRORCH_HOOK"] == which
        assert (cuts is not None) == (which == "before")
        if which == "after":
            time.sleep(self.seconds)
        self.run.append((which, words.get("DRORCH_OUTCOME")))
        end = self.ends[which]
        if isinstance(end, Exception):
            raise end
        return end

    def around(self, act: object = None) -> None:
        with self.frame.around(self.log.append):
            self.run.append(("capture", None))
            if callable(act):
                act()


def test_both_run_around_the_capture_and_the_log_says_so() -> None:
    hooks = Hooks(before=ProgramEnd(code=0, in_time=True, lines=("frozen 3 sessions",)))
    hooks.around()
    assert hooks.run == [("before", None), ("capture", None), ("after", "captured")]
    assert hooks.frame.warnings == ()
    assert [line.split(",")[0] for line in hooks.log] == ["hook before: ok", "  frozen 3 sessions", "hook after: ok"]
    assert hooks.frame.facts() == {"hooks": ["before", "after"]}


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (ProgramEnd(code=3, in_time=True, lines=("no such application",)), "exit code 3"),
        (ProgramEnd(code=-9, in_time=True), "signal 9"),
        (ProgramEnd(code=-15, in_time=False), "not ended in time"),
    ],
)
def test_a_failing_one_before_fails_the_run_and_the_one_after_runs(end: ProgramEnd, how: str) -> None:
    hooks = Hooks(before=end)
    with pytest.raises(CaptureFailed, match="hook before") as caught:
        hooks.around()
    assert caught.value.found.splitlines() == [how, *end.lines]
    assert hooks.run == [("before", None), ("after", "failed")]
    assert f"hook before: {how}, 0 s" in hooks.log[0] or how in hooks.log[0]


@pytest.mark.parametrize("error", [CaptureFailed("x"), KeyboardInterrupt(), SystemExit(143), ZeroDivisionError()])
def test_the_one_after_runs_whatever_ended_the_capture(error: BaseException) -> None:
    hooks = Hooks()

    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        hooks.around(fail)
    assert hooks.run[-1] == ("after", "failed")


@pytest.mark.parametrize(
    "end", [ProgramEnd(code=1, in_time=True, lines=("still locked",)), ProgramEnd(code=-9, in_time=False), SourceUnsupported("no program")]
)  # fmt: skip
def test_a_failing_one_after_is_a_warning_for_the_snapshot_is_good(end: ProgramEnd | Exception) -> None:
    hooks = Hooks(after=end)
    hooks.around()
    assert len(hooks.frame.warnings) == 1
    assert "hook after the capture" in hooks.frame.warnings[0]
    assert hooks.frame.warnings[0] in hooks.log


def wait_for(timers: Sequence[threading.Timer]) -> None:
    """Let no signal of the test come after it: the whole session would take it for its own."""
    for timer in timers:
        timer.join()
    time.sleep(0.1)  # the main thread sees a signal a little later


def test_a_second_ctrl_c_does_not_keep_the_application_frozen() -> None:
    hooks = Hooks(seconds=0.6)
    timers = [threading.Timer(delay, signal.raise_signal, [signal.SIGINT]) for delay in (0.2, 0.3)]
    for timer in timers:
        timer.start()
    interrupted = False
    try:
        hooks.around()
        wait_for(timers)
    except KeyboardInterrupt:
        interrupted = True
        with suppress(KeyboardInterrupt):
            wait_for(timers)
    assert interrupted
    assert hooks.run[-1] == ("after", "captured")


def test_whoever_ends_the_command_waits_for_the_one_after() -> None:
    hooks = Hooks(seconds=0.3)
    captures, cut = threading.Event(), threading.Event()

    def capture() -> None:
        with hooks.interruption.cuts(cut.set):
            captures.set()
            assert cut.wait(60)
        hooks.interruption.require_none()

    def run() -> None:
        with suppress(Interrupted):
            hooks.around(capture)

    thread = threading.Thread(target=run)
    thread.start()
    assert captures.wait(60)
    hooks.interruption.end()
    hooks.interruption.wait()
    assert hooks.run[-1] == ("after", "failed")
    thread.join()


def test_the_wait_is_bounded() -> None:
    interruption = Interruption()
    started = time.monotonic()
    with interruption.delayed(0.1):
        interruption.wait()
    assert 0.15 < time.monotonic() - started < 30

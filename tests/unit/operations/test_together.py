"""A consistency group: begins together, in order, and says whether it did; nobody waits for one that has failed."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from drorch.clock import SystemClock
from drorch.errors import CaptureFailed, DrorchError, Interrupted
from drorch.operations.hooks import HookFrame
from drorch.operations.interruption import Interruption
from drorch.operations.together import GroupFrame, Member, Together
from drorch.sources.interface import ProgramEnd

ID = bytes(range(16))


class Run:
    """One run of a group with a thread for each member, and what happened in which order."""

    def __init__(self, *members: str, files: tuple[str, ...] = (), hooks: tuple[str, ...] = (), max_skew: float = 30) -> None:  # fmt: skip
        self.happened: list[str] = []
        self.interruption = Interruption()
        self.errors: dict[str, BaseException] = {}
        self.frames: dict[str, GroupFrame] = {}
        self.fails: dict[str, str] = {}  # member -> at which step
        self.slow: dict[
            str, float
        ] = {}  # member, or hook and member -> seconds that its capture takes to begin, or the hook
        self.together = Together(
            "vilis",
            [
                Member(address=name, rank=int(name in files), hooks=self._hooks(name) if name in hooks else None)
                for name in members
            ],
            max_skew_seconds=max_skew,
            group_id=ID,
            interruption=self.interruption,
            clock=SystemClock(),
        )
        self.threads = {name: threading.Thread(target=self._act, args=(name,)) for name in members}

    def _hooks(self, name: str) -> HookFrame:
        def run(which: str, words: Any, cuts: Any) -> ProgramEnd:
            time.sleep(self.slow.get(f"{which} {name}", 0))
            self.happened.append(f"{which} {name}")
            return ProgramEnd(code=int(self.fails.get(name) == which), in_time=True)

        return HookFrame(
            run, has_before=True, has_after=True, timeout_seconds=5, interruption=self.interruption, clock=SystemClock()
        )

    def _act(self, name: str) -> None:
        try:
            self._capture(name)
        except BaseException as error:  # noqa: BLE001 - it is asked for
            self.errors[name] = error
        finally:
            self.together.leave(name)

    def _capture(self, name: str) -> None:
        self._fail_at(name, "claim")
        frame = self.frames[name] = self.together.frame(name)
        with frame.around(lambda _: None):
            time.sleep(self.slow.get(name, 0))
            self._fail_at(name, "begin")
            frame.begun()
            self.happened.append(f"begun {name}")
            time.sleep(0.1)
            self._fail_at(name, "read")
            self.happened.append(f"read {name}")
        self.happened.append(f"commit {name}")

    def _fail_at(self, name: str, step: str) -> None:
        if self.fails.get(name) == step:
            raise CaptureFailed(step)

    def all(self) -> Run:
        for thread in self.threads.values():
            thread.start()
        for thread in self.threads.values():
            thread.join(60)
            assert not thread.is_alive(), "it hangs"
        return self

    def place(self, *words: str) -> list[int]:
        return [self.happened.index(word) for word in words]


def test_all_begin_before_any_is_committed_and_the_snapshots_share_an_id() -> None:
    run = Run("lis", "sde").all()
    assert max(run.place("begun lis", "begun sde")) < min(run.place("commit lis", "commit sde"))
    assert max(run.place("read lis", "read sde")) < min(run.place("commit lis", "commit sde"))
    for frame in run.frames.values():
        assert frame.group == ID
        assert frame.warnings == ()
        told: Any = frame.facts()["group"]
        assert (told["name"], told["together"], told["exact"], told["members"]) == (
            "vilis",
            True,
            False,
            ["lis", "sde"],
        )
        assert 0 <= told["skew_milliseconds"] < 30_000
        assert told["max_skew_seconds"] == 30


def test_databases_begin_before_files() -> None:
    run = Run("scans", "lis", "sde", files=("scans",))
    run.slow = {"lis": 0.2}
    run.all()
    assert run.place("begun scans")[0] > max(run.place("begun lis", "begun sde"))
    assert run.frames["scans"].group == ID


def test_a_group_that_began_too_far_apart_is_broken_and_every_snapshot_says_so() -> None:
    run = Run("lis", "scans", files=("scans",), max_skew=0.1)
    run.slow = {"scans": 0.4}
    run.all()
    for frame in run.frames.values():
        assert frame.group is None
        assert "apart" in frame.warnings[0]
        told: Any = frame.facts()["group"]
        assert told["together"] is False
        assert told["skew_milliseconds"] >= 400
        assert told["broken"] == frame.warnings[0]
    assert run.errors == {}


def test_hooks_hold_everything_still_from_before_the_first_begins_until_after_the_last_has_ended() -> None:
    run = Run("lis", "sde", "scans", files=("scans",), hooks=("lis", "sde"))
    run.slow = {"before sde": 0.2}
    run.all()
    begun = run.place("begun lis", "begun sde", "begun scans")
    read = run.place("read lis", "read sde", "read scans")
    assert max(run.place("before lis", "before sde")) < min(begun)
    assert max(read) < min(run.place("after lis", "after sde"))
    told: Any = run.frames["scans"].facts()["group"]
    assert told["exact"] is True


@pytest.mark.parametrize("step", ["claim", "before", "begin", "read"])
def test_nobody_waits_for_one_that_has_failed_and_the_others_are_kept_without_the_id(step: str) -> None:
    run = Run("lis", "sde", "scans", files=("scans",), hooks=("sde",))
    run.fails = {"sde": step}
    run.all()
    assert list(run.errors) == ["sde"]
    assert isinstance(run.errors["sde"], DrorchError)
    assert {"commit lis", "commit scans"} <= set(run.happened)
    assert ("after sde" in run.happened) == (step != "claim")
    for name in ("lis", "scans"):
        assert run.frames[name].group is None
        assert "sde has no capture" in run.frames[name].warnings[0]


def test_one_that_thaws_slowly_after_it_has_failed_keeps_nobody_waiting() -> None:
    run = Run("lis", "sde", hooks=("sde",))
    run.fails, run.slow = {"sde": "begin"}, {"after sde": 0.6}
    run.all()
    assert run.place("commit lis") < run.place("after sde")


def test_all_fail() -> None:
    run = Run("lis", "sde")
    run.fails = {"lis": "begin", "sde": "claim"}
    assert set(run.all().errors) == {"lis", "sde"}


def test_a_hook_after_that_fails_is_told_and_the_group_stands() -> None:
    run = Run("lis", "sde", hooks=("lis",))
    run.fails = {"lis": "after"}
    run.all()
    assert run.frames["lis"].group == ID
    assert "may still be frozen" in run.frames["lis"].warnings[0]
    assert run.frames["sde"].warnings == ()


def test_whoever_waits_ends_when_the_command_does() -> None:
    run = Run("lis", "sde", hooks=("lis",))
    run.slow = {"sde": 1.0}
    timer = threading.Timer(0.3, run.interruption.end)
    timer.start()
    run.all()
    assert isinstance(run.errors["lis"], Interrupted)
    assert run.happened.count("after lis") == 1
    assert "commit lis" not in run.happened


def test_a_run_that_is_repeated_comes_too_late_for_its_group() -> None:
    run = Run("lis", "sde", hooks=("lis",)).all()
    run._capture("lis")
    frame = run.frames["lis"]
    assert frame.group is None
    assert "captured again" in frame.warnings[0]
    told: Any = frame.facts()["group"]
    assert told["together"] is False
    assert run.happened.count("before lis") == 2
    assert run.frames["sde"].group == ID


def test_many_at_once() -> None:
    names = [f"m{number}" for number in range(30)]
    run = Run(*names, files=tuple(names[::3])).all()
    assert {frame.group for frame in run.frames.values()} == {ID}

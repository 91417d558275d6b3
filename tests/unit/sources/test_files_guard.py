"""A call that never comes back costs its run, and nothing else waits for it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drorch.errors import Interrupted, SourceStalled
from drorch.sources.files.guard import BUNDLE_BYTES, StallGuard
from drorch.sources.interface import Bytes
from tests.support.file_trees import Lab

LONG_SECONDS = 60.0


@pytest.fixture
def comes_back() -> Iterator[threading.Event]:
    """Let a hanging call come back at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def test_work_is_done_and_its_failures_are_raised() -> None:
    guard = StallGuard(LONG_SECONDS)
    assert guard.call(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        guard.call(lambda: 1 // 0)
    assert list(guard.pieces(iter([b"a", b"b"]))) == [b"ab"]
    guard.close()
    assert not guard.is_left_behind


def test_small_pieces_cross_together_and_big_ones_alone() -> None:
    big, small = bytes(BUNDLE_BYTES), b"x" * (BUNDLE_BYTES // 4)
    given: list[Bytes] = [big, *[small] * 5, b"", big, b"end"]
    guard = StallGuard(LONG_SECONDS)
    found = [bytes(piece) for piece in guard.pieces(iter(given))]
    guard.close()
    assert b"".join(found) == b"".join(given)
    assert min(map(len, found[:-1])) >= BUNDLE_BYTES


def test_a_call_that_gives_no_sign_is_left_behind(comes_back: threading.Event) -> None:
    guard = StallGuard(0.2, look_seconds=0.05)
    with pytest.raises(SourceStalled, match="gave nothing"):
        guard.call(lambda: comes_back.wait(LONG_SECONDS))
    with pytest.raises(SourceStalled):
        guard.call(lambda: 42)
    guard.close()
    assert guard.is_left_behind


def test_slow_work_that_gives_signs_is_waited_for() -> None:
    guard = StallGuard(10, look_seconds=0.02)

    def slow() -> int:
        for _ in range(20):
            guard.beat()
            time.sleep(0.02)
        return 42

    assert guard.call(slow) == 42
    guard.close()


def test_whoever_stops_a_capture_does_not_wait_for_a_call_that_hangs(comes_back: threading.Event) -> None:
    guard = StallGuard(LONG_SECONDS, look_seconds=0.05)
    threading.Timer(0.1, guard.stop).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        guard.call(lambda: comes_back.wait(LONG_SECONDS))
    assert time.monotonic() - began < LONG_SECONDS / 2


@pytest.mark.parametrize("call", ["readv", "scandir"])
def test_a_tree_whose_file_system_hangs_fails_its_capture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comes_back: threading.Event, call: str
) -> None:
    lab = Lab(tmp_path)
    (lab.tree / "deep").mkdir(parents=True)
    (lab.tree / "deep/file").write_bytes(b"content")
    asked, real = threading.Event(), getattr(os, call)

    def hangs(*words: Any) -> Any:
        asked.set()
        comes_back.wait(LONG_SECONDS)
        return real(*words)

    monkeypatch.setattr(os, call, hangs)
    with pytest.raises(SourceStalled):
        lab.capture(stall_timeout_seconds=0.3)
    assert asked.is_set()
    monkeypatch.undo()
    assert b"deep/file" in lab.capture().lines

"""A read that never comes back, of a network file system whose server is gone, fails the run and no more.

The kernel lets nobody end such a call. So all that may touch the trees is done in a thread of the capture's own, which is left behind
when it gives no sign for too long; it keeps what it has open, and ends when its call does, or with the program.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from drorch.errors import Interrupted, SourceStalled
from drorch.quantities import format_duration
from drorch.sources.interface import Bytes

LOOK_SECONDS: Final = 1.0
PATIENCE_LOOKS: Final = 2  # of whoever interrupts a run, for a call that may yet come back
BUNDLE_BYTES: Final = 2**18  # small pieces cross together: each crossing waits for its turn among the other threads

Result = TypeVar("Result")


class StallGuard:
    """Does the work of one capture, one piece after the other. ``beat`` is called by the work: it is alive.

    Not safe for several callers at once.
    """

    def __init__(self, stall_timeout_seconds: float, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._look_seconds = min(look_seconds, stall_timeout_seconds)
        self._stall_timeout_seconds = stall_timeout_seconds
        self._asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._beats = 0
        self.is_left_behind = False

    def beat(self) -> None:
        """Show that the work goes on; raise ``Interrupted`` when it must not."""
        self._beats += 1
        if self._stopped.is_set():
            raise Interrupted("the capture was stopped")

    def stop(self) -> None:
        """End the work soon; from any thread."""
        self._stopped.set()

    def call(self, work: Callable[[], Result]) -> Result:
        """Return what ``work`` returns, raise what it raises.

        Raises ``SourceStalled`` when it gives no sign for the time-out, ``Interrupted`` when it was stopped and does not end.
        """
        self._start()
        answer: _Answer[Result] = _Answer(work)
        self._asked.put(answer.fill)
        silent, stopped, beats = 0.0, 0, self._beats
        while not answer.is_there.wait(self._look_seconds):
            silent = 0.0 if self._beats != beats else silent + self._look_seconds
            stopped += self._stopped.is_set()
            beats = self._beats
            if stopped > PATIENCE_LOOKS or silent >= self._stall_timeout_seconds:
                self.is_left_behind = True
                raise Interrupted("the capture was stopped") if stopped else self._stalled()
        return answer.result()

    def pieces(self, pieces: Iterator[Bytes]) -> Iterator[Bytes]:
        """Yield the bytes of ``pieces``, asked for where the work is done; small ones are put together."""
        bundles = _bundled(pieces)
        while (piece := self.call(lambda: next(bundles, None))) is not None:
            yield piece

    def close(self) -> None:
        """End the thread, unless it does not listen."""
        self._stopped.set()
        self._asked.put(None)
        if self._thread is not None and not self.is_left_behind:
            self._thread.join(PATIENCE_LOOKS * self._look_seconds)
            self.is_left_behind = self._thread.is_alive()

    def _start(self) -> None:
        if self.is_left_behind:
            raise self._stalled()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="files", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (work := self._asked.get()) is not None:
            work()

    def _stalled(self) -> SourceStalled:
        waited = format_duration(self._stall_timeout_seconds)
        return SourceStalled(
            f"the files gave nothing for {waited}",
            expected=f"a sign of life within `stall_timeout` ({waited})",
            found="a read that does not come back",
            hint="is it a network file system whose server is gone? `limits: {stall_timeout: ...}` says how long to wait",
        )


class _Answer(Generic[Result]):
    """What became of one piece of work."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._results: list[Result] = []
        self._error: BaseException | None = None
        self.is_there = threading.Event()

    def fill(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
            self._error = error
        self.is_there.set()

    def result(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._results[0]


def _bundled(pieces: Iterator[Bytes]) -> Iterator[Bytes]:
    """Yield the same bytes in pieces that are rarely small; one is valid until the next is asked for."""
    waiting = bytearray()
    for piece in pieces:
        if not waiting and len(piece) >= BUNDLE_BYTES:
            yield piece
            continue
        waiting += piece
        if len(waiting) >= BUNDLE_BYTES:
            yield waiting
            waiting = bytearray()
    if waiting:
        yield waiting

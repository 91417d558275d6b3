"""Programs of the policy around a capture: one that freezes an application, and one that thaws it whatever happened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from drorch.clock import Clock
from drorch.errors import CaptureFailed, DrorchError
from drorch.operations.interruption import Interruption
from drorch.quantities import format_duration, format_promise
from drorch.sources.interface import Cuts, Json, ProgramEnd


class RunsHook(Protocol):
    """Runs one of a policy's two hooks to its end. ``words`` are variables for it; ``cuts`` is told how it is cut short."""

    def __call__(self, which: str, words: Mapping[str, str], cuts: Cuts | None) -> ProgramEnd:
        """Return how it ended; raise a ``SourceError`` when it cannot be started."""
        ...


class HookFrame:
    """See ``Frame``. A failing ``before`` fails the run; ``after`` always runs, and its failure is a warning: the snapshot is good."""

    group: bytes | None = None

    def __init__(
        self,
        run: RunsHook,
        *,
        has_before: bool,
        has_after: bool,
        timeout_seconds: float,
        interruption: Interruption,
        clock: Clock,
    ) -> None:
        self._run = run
        self._has_before = has_before
        self._has_after = has_after
        self._timeout_seconds = timeout_seconds
        self._interruption = interruption
        self._clock = clock
        self._warnings: list[str] = []

    @property
    def warnings(self) -> tuple[str, ...]:
        """See ``Frame``."""
        return tuple(self._warnings)

    @contextmanager
    def around(self, tell: Callable[[str], None]) -> Iterator[None]:
        """See ``Frame``; whoever ends the command waits until ``after`` has run."""
        self._warnings.clear()
        with self._interruption.delayed(self._timeout_seconds):
            outcome = "failed"
            try:
                self.before(tell)
                yield
                outcome = "captured"
            finally:
                self.after(tell, outcome)

    def begun(self) -> None:
        """See ``Frame``."""

    def facts(self) -> Mapping[str, Json]:
        """See ``Frame``."""
        return {"hooks": [name for name, has in (("before", self._has_before), ("after", self._has_after)) if has]}

    def before(self, tell: Callable[[str], None]) -> None:
        """Run the hook ``before``; raise ``CaptureFailed`` unless it ends well and in time."""
        if not self._has_before:
            return
        started = self._clock.monotonic_seconds()
        ended = self._run("before", {"DRORCH_HOOK": "before"}, self._interruption.cuts)
        self._interruption.require_none()
        self._tell(tell, "before", ended, started)
        if not _is_good(ended):
            raise CaptureFailed(
                "the hook before the capture failed",
                expected=f"exit code 0 within {format_promise(round(self._timeout_seconds))}",
                found="\n".join([_how(ended), *ended.lines]),
                hint="nothing was captured; the hook after has run",
            )

    def after(self, tell: Callable[[str], None], outcome: str) -> None:
        """Run the hook ``after``, which nobody interrupts; a failure becomes a warning."""
        if self._has_after:
            _uninterrupted(lambda: self._after(tell, outcome))

    def _after(self, tell: Callable[[str], None], outcome: str) -> None:
        started = self._clock.monotonic_seconds()
        try:
            ended = self._run("after", {"DRORCH_HOOK": "after", "DRORCH_OUTCOME": outcome}, None)
        except DrorchError as error:
            self._warn(tell, f"the hook after the capture did not run: {error.message}")
            return
        self._tell(tell, "after", ended, started)
        if not _is_good(ended):
            last = f": {ended.lines[-1]}" if ended.lines else ""
            self._warn(
                tell, f"the hook after the capture failed ({_how(ended)}{last}); what it thaws may still be frozen"
            )

    def _warn(self, tell: Callable[[str], None], text: str) -> None:
        self._warnings.append(text)
        tell(text)

    def _tell(self, tell: Callable[[str], None], which: str, ended: ProgramEnd, started: float) -> None:
        took = format_duration(self._clock.monotonic_seconds() - started)
        tell(f"hook {which}: {'ok' if _is_good(ended) else _how(ended)}, {took}")
        for line in ended.lines:
            tell(f"  {line}")


def _is_good(ended: ProgramEnd) -> bool:
    return ended.in_time and ended.code == 0


def _how(ended: ProgramEnd) -> str:
    if not ended.in_time:
        return "not ended in time"
    return f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"


def _uninterrupted(act: Callable[[], None]) -> None:
    """Do it to its end in a thread of its own: Ctrl-C and SIGTERM come to this one, and are raised afterwards."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    thread = threading.Thread(target=run, name="hook after")
    thread.start()
    interrupted: BaseException | None = None
    while thread.is_alive():
        try:
            thread.join()
        except (KeyboardInterrupt, SystemExit) as error:
            interrupted = error
    if interrupted is not None or failed:
        raise interrupted or failed[0]

"""A server of a sandbox: started cut off, ended at the latest when its time is over."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import TargetUnreachable
from drorch.sandbox.interface import SandboxLimits
from drorch.sandbox.isolation import isolated
from drorch.sandbox.unprivileged import ENVIRONMENT

_START_SECONDS = 60.0
_ENDING_SECONDS = 10.0


class RunningServer:
    """One server process. ``end`` may be called from any thread, and more than once."""

    def __init__(self, command: Sequence[str], log: Path, limits: SandboxLimits) -> None:
        words, self.isolation = isolated(command, limits)
        self.is_out_of_time = False
        self._log = log
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", env=ENVIRONMENT
            )
        self._timer = threading.Timer(limits.seconds, self._out_of_time)
        self._timer.daemon = True

    def wait_until(self, is_ready: Callable[[], bool], name: str, clock: Clock) -> None:
        """Return when the server is ready, from when on its time counts; raise ``TargetUnreachable`` with its last words when it ended or takes too long."""
        deadline = clock.monotonic_seconds() + _START_SECONDS
        while not is_ready():
            if self._process.poll() is not None or clock.monotonic_seconds() > deadline:
                said = self._log.read_text(encoding="utf-8", errors="replace")[-400:].strip()
                raise TargetUnreachable(f"the throw-away {name} did not start", found=said)
            clock.sleep(0.05)
        self._timer.start()

    def kill(self) -> None:
        """End the server at once; who waits for an answer of it waits no longer."""
        self._process.kill()

    def end(self, politely: signal.Signals) -> None:
        """Ask the server to end, end it when it does not, and wait for that."""
        self._timer.cancel()
        self._process.send_signal(politely)
        try:
            self._process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _out_of_time(self) -> None:
        self.is_out_of_time = True
        self._process.kill()

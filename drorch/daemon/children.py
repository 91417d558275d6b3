"""The processes of runs: started, waited for, ended. What they crash, leak or lock does not reach the daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from drorch.clock import Clock
from drorch.daemon.results import Answer

MOST_OUTPUT_BYTES = 64 * 2**20  # of 10,000 sources in one answer; what is longer is no answer
_ADDED = {"PYTHONUNBUFFERED": "1"}


class Children:
    """The running processes by name. ``ended`` is called from another thread when one has ended."""

    def __init__(self, ended: Callable[[str, Answer], None], clock: Clock) -> None:
        self._ended = ended
        self._clock = clock
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> frozenset[str]:
        """The names of those that run."""
        with self._lock:
            return frozenset(self._processes)

    def start(self, name: str, words: Sequence[str], environment: Mapping[str, str]) -> int:
        """Start ``drorch`` with ``words`` in a session of its own and return its process id; raises ``OSError``.

        Its messages go where the daemon's go; a terminal's Ctrl-C reaches the daemon only, which ends it in order.
        """
        began = self._clock.monotonic_seconds()
        process = subprocess.Popen(
            [sys.executable, "-m", "drorch", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**environment, **_ADDED},
            start_new_session=True,
        )
        with self._lock:
            self._processes[name] = process
        threading.Thread(target=self._wait, args=(name, process, began), daemon=True, name=f"run {name}").start()
        return process.pid

    def end_all(self) -> None:
        """Ask every run to end: what it uploaded is used again."""
        self._signal(signal.SIGTERM)

    def kill_all(self) -> None:
        """End every run at once, with what it started."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            for process in (one for one in self._processes.values() if one.returncode is None):
                with suppress(ProcessLookupError):
                    # politely to drorch alone, which ends what it started; otherwise to all of them
                    os.kill(process.pid, number) if number is signal.SIGTERM else os.killpg(process.pid, number)

    def _wait(self, name: str, process: subprocess.Popen[bytes], began: float) -> None:
        assert process.stdout is not None
        with process.stdout as pipe:
            output = pipe.read(MOST_OUTPUT_BYTES)
            while pipe.read(2**16):  # the rest of an answer that is too long
                output = b""
        code = process.wait()
        self._ended(name, Answer.of(code, output, seconds=self._clock.monotonic_seconds() - began))
        with self._lock:  # after it was told: who sees no process any more finds the answer
            if self._processes.get(name) is process:
                del self._processes[name]

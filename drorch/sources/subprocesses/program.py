"""One running program: its end, its last words, and how it is ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import IO

from drorch.errors import Bug
from drorch.sources.last_words import last_words, without_secrets

TAIL_BYTES = 64 * 1024  # of standard error; a dumper that warns about every table must not fill memory
ENDING_SECONDS = 3.0  # between the polite signal and the other one: Ctrl-C is answered within five seconds


class Program:
    """A running program in a process group of its own, so that Ctrl-C reaches us first and we end it in order."""

    def __init__(
        self, process: subprocess.Popen[bytes], name: str, told: IO[bytes] | None, secret_texts: Sequence[str]
    ) -> None:
        if told is None:
            raise Bug("a program without a pipe for what it tells")
        self._process = process
        self._name = name
        self._secret_texts = secret_texts
        self._tail = bytearray()
        self._is_cut = False
        self._told = told
        self._ending = threading.Lock()
        self._end = _end_of(process)
        self._no_more_words = os.eventfd(0)
        self._drainer = threading.Thread(target=self._drain, name=f"words of {name}", daemon=True)
        self._drainer.start()

    @property
    def identifier(self) -> int:
        """The process id."""
        return self._process.pid

    def has_ended(self, seconds: float | None) -> bool:
        """Wait for the program's end, but not longer; its number and its process group stay its own until ``kill``."""
        if self._process.returncode is not None:
            return True
        if self._end is None:
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
            return True
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1_000))

    def exit_code(self) -> int:
        """Return the exit code of a program that has ended, negative for a signal; ends what it left running."""
        self.kill()
        return int(self._process.returncode)

    def last_line(self) -> str:
        """Return the last line of standard error that is not a detail."""
        return last_words(self.complaint())

    def complaint(self) -> str:
        """Return the tail of standard error; secrets that the caller named are struck out."""
        return without_secrets(bytes(self._tail), self._secret_texts, is_cut=self._is_cut)

    def kill(self) -> None:
        """End the program and all that it started; may be called from any thread, more than once."""
        with self._ending:
            if self._process.returncode is not None:
                return
            if not self.has_ended(0):
                self._signal(signal.SIGTERM)
                self.has_ended(ENDING_SECONDS)
            self._signal(signal.SIGKILL)  # the group, even when its first process has gone by itself
            self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def join(self, seconds: float = ENDING_SECONDS) -> None:
        """Wait for the last words, but not longer: a program that got away may hold the pipe open."""
        self._drainer.join(seconds)

    def close(self, seconds: float = ENDING_SECONDS) -> None:
        """End it all; the last call. ``seconds`` are for the last words."""
        self.kill()
        self.join(seconds)
        os.eventfd_write(self._no_more_words, 1)
        self._drainer.join()  # the pipe must not be closed under it
        os.close(self._no_more_words)
        if self._end is not None:
            os.close(self._end)
            self._end = None

    def _drain(self) -> None:
        told = self._told.fileno()
        poll = select.poll()
        poll.register(told, select.POLLIN)
        poll.register(self._no_more_words, select.POLLIN)
        while told in dict(poll.poll()):
            part = os.read(told, 4096)
            if not part:
                return
            self._tail += part
            if len(self._tail) > 2 * TAIL_BYTES:
                del self._tail[:-TAIL_BYTES]
                self._is_cut = True


def _end_of(process: subprocess.Popen[bytes]) -> int | None:
    """Return a descriptor that tells the end of a process without reaping it; ``None`` where the system has none."""
    try:
        return os.pidfd_open(process.pid)
    except OSError:  # then the end is waited for by reaping, and what it left running keeps running
        return None


def ending(code: int) -> str:
    """Say how a program ended."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"

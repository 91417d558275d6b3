"""A program that is written to."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Sequence
from typing import IO

from drorch.errors import Bug, TargetError, TargetRefused
from drorch.sources.interface import Bytes
from drorch.sources.last_words import last_lines
from drorch.sources.subprocesses.pipes import other_end, widen
from drorch.sources.subprocesses.program import Program, ending

_DYING_SECONDS = 0.5  # between the end of a program's input and its own, when it dies


class Fed(Program):
    """A running program whose standard input is written by one thread; made by ``feeding``."""

    def __init__(
        self, process: subprocess.Popen[bytes], name: str, stall_seconds: float | None, secret_texts: Sequence[str]
    ) -> None:
        if process.stdin is None:
            raise Bug("a program without a pipe for its input")
        self._input: IO[bytes] = process.stdin
        widen(self._input)
        os.set_blocking(self._input.fileno(), False)  # else a full pipe would be waited for without end
        self._stall_seconds = stall_seconds
        super().__init__(process, name, process.stdout, secret_texts)

    def write(self, piece: Bytes) -> None:
        """Hand over all of ``piece``; raise ``TargetRefused`` when it reads no further, ``TargetError`` after too long a wait."""
        descriptor, rest = self._input.fileno(), memoryview(piece)
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        while rest:
            if self._stall_seconds is not None and not poll.poll(self._stall_seconds * 1_000):
                raise TargetError(
                    f"{self._name} read nothing for {self._stall_seconds:g} s",
                    found="\n".join(last_lines(self.complaint())),
                )
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._stopped_reading() from None

    def finish(self) -> None:
        """Say that this was all and wait for the end, however long it builds indexes; raise ``TargetRefused`` unless the exit code is 0."""
        with other_end(self._input.fileno()) as reading_end:
            self._input.close()
            self.has_ended(None)
            is_read = reading_end is None or not os.read(reading_end, 1)
        code = self.exit_code()
        self.join()
        if code != 0:
            raise self._failure(ending(code))
        if not is_read:
            raise self._failure("exit code 0, before it had read everything")

    def _stopped_reading(self) -> TargetRefused:
        """Return the error of a program that closed its input, or ended, before it had all: whatever it says of itself."""
        has_ended = self.has_ended(_DYING_SECONDS)
        code = self.exit_code()
        self.join()
        return self._failure(f"{ending(code) if has_ended else 'its input closed'}, before it had read everything")

    def _failure(self, found: str) -> TargetRefused:
        lines = last_lines(self.complaint())
        return TargetRefused(
            f"{self._name} failed",
            expected="exit code 0, with everything read",
            found="\n".join([found, *lines]),
        )

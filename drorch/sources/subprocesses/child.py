"""A program that is read."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Sequence
from typing import IO

from drorch.errors import Bug, CaptureFailed, SourceStalled
from drorch.sources.subprocesses.pipes import widen
from drorch.sources.subprocesses.program import Program, ending

AHEAD_BYTES = 256 * 1024


class Child(Program):
    """A running program whose standard output is read by one thread; made by ``running``."""

    def __init__(
        self, process: subprocess.Popen[bytes], name: str, stall_seconds: float | None, secret_texts: Sequence[str] = ()
    ) -> None:
        if process.stdout is None:
            raise Bug("a child without a pipe for its output")
        self._stall_seconds = stall_seconds
        self._ahead, self._position = b"", 0
        self._output: IO[bytes] = process.stdout
        widen(self._output)
        super().__init__(process, name, process.stderr, secret_texts)

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes of output, ``b""`` at its end; raise ``SourceStalled`` after too long a silence."""
        descriptor = self._output.fileno()
        if self._stall_seconds is not None:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            if not poll.poll(self._stall_seconds * 1_000):
                raise SourceStalled(f"{self._name} sent nothing for {self._stall_seconds:g} s")
        return os.read(descriptor, size)

    def read_exactly(self, size: int) -> bytes:
        """Return ``size`` bytes, read ahead in larger parts; raise ``CaptureFailed`` if the output ends before.

        Not to be mixed with ``read``, which does not see what was read ahead.
        """
        end = self._position + size
        if end > len(self._ahead):
            self._read_ahead(size)
            end = size
        found = self._ahead[self._position : end]
        self._position = end
        return found

    def _read_ahead(self, size: int) -> None:
        parts = [self._ahead[self._position :]]
        missing = size - len(parts[0])
        while missing > 0:
            part = self.read(AHEAD_BYTES)
            if not part:
                raise self.failure("its output ends too early")
            parts.append(part)
            missing -= len(part)
        self._ahead, self._position = b"".join(parts), 0

    def is_at_end(self) -> bool:
        """Return whether the output is used up; waits for its end."""
        return self._position == len(self._ahead) and not self.read(1)

    def finish(self) -> None:
        """Wait for the end, not longer than for a byte; raise ``CaptureFailed`` unless the exit code is 0."""
        if not self.has_ended(self._stall_seconds):
            raise SourceStalled(f"{self._name} did not end {self._stall_seconds:g} s after its output")
        code = self.exit_code()
        self.join()
        if code != 0:
            raise self.failure(ending(code))

    def failure(self, found: str) -> CaptureFailed:
        """Return the error that says how this program failed, with the last line that it wrote."""
        self.kill()
        self.join()
        line = self.last_line()
        return CaptureFailed(
            f"{self._name} failed", expected="exit code 0", found=f"{found}: {line}" if line else found
        )

"""The only place that starts other programs.

Promises: argument lists, never a shell; an environment that the caller spells out; standard error drained all
the time and only its tail kept; a child never outlives the context that started it; an error names the program and
its last line and never the environment or the arguments.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from drorch.errors import CaptureFailed, SourceStalled, SourceUnsupported

TAIL_BYTES = 64 * 1024  # of standard error; a dumper that warns about every table must not fill memory
AHEAD_BYTES = 256 * 1024
ENDING_SECONDS = 5.0  # between the polite signal and the other one


class Child:
    """A running program whose standard output is read by one thread; made by ``running``."""

    def __init__(self, process: subprocess.Popen[bytes], name: str, stall_seconds: float | None) -> None:
        self._process = process
        self._name = name
        self._stall_seconds = stall_seconds
        self._tail = bytearray()
        self._ahead, self._position = b"", 0
        if process.stdout is None or process.stderr is None:
            raise ValueError("a child needs both pipes")
        self._output: IO[bytes] = process.stdout
        self._errors: IO[bytes] = process.stderr
        self._drainer = threading.Thread(target=self._drain, name=f"stderr of {name}", daemon=True)
        self._drainer.start()

    @property
    def identifier(self) -> int:
        """The process id."""
        return self._process.pid

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
        """Wait for the end; raise ``CaptureFailed`` unless the exit code is 0."""
        code = self._process.wait()
        self._drainer.join(ENDING_SECONDS)
        if code != 0:
            raise self.failure(f"signal {-code}" if code < 0 else f"exit code {code}")

    def failure(self, found: str) -> CaptureFailed:
        """Return the error that says how this program failed, with the last line that it wrote."""
        self.kill()
        self._drainer.join(ENDING_SECONDS)
        line = self.last_line()
        return CaptureFailed(
            f"{self._name} failed", expected="exit code 0", found=f"{found}: {line}" if line else found
        )

    def last_line(self) -> str:
        """Return the last line of standard error that is not a detail."""
        lines = [line.strip() for line in self.complaint().splitlines() if line.strip()]
        told = [line for line in lines if "error:" in line] or lines
        return told[-1][:400] if told else ""

    def complaint(self) -> str:
        """Return the tail of standard error."""
        return bytes(self._tail).decode("utf-8", "replace")

    def kill(self) -> None:
        """End the program and all that it started; may be called from any thread, more than once."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def join(self) -> None:
        """Wait for the reader of standard error: the pipe must not be closed under it."""
        self._drainer.join(ENDING_SECONDS)

    def _drain(self) -> None:
        while part := os.read(self._errors.fileno(), 4096):
            self._tail += part
            if len(self._tail) > 2 * TAIL_BYTES:
                del self._tail[:-TAIL_BYTES]


@contextlib.contextmanager
def running(
    arguments: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    stall_seconds: float | None = None,
    standard_input: int | None = None,
) -> Iterator[Child]:
    """Run a program for the length of the context; raise ``SourceUnsupported`` if it cannot be started.

    The child gets its own process group, so that Ctrl-C reaches us first and we end it in order.
    """
    name = Path(arguments[0]).name
    try:
        process = subprocess.Popen(
            [os.fspath(argument) for argument in arguments],
            stdin=subprocess.DEVNULL if standard_input is None else standard_input,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
            close_fds=True,
        )
    except OSError as error:
        raise SourceUnsupported(f"{name} cannot be started", found=error.strerror or "") from error
    with process:
        child = Child(process, name, stall_seconds)
        try:
            yield child
        finally:
            child.kill()
            child.join()


def output_of(arguments: Sequence[str | Path], *, environment: Mapping[str, str], timeout_seconds: float = 10) -> str:
    """Return what a short-lived program prints; raise ``SourceUnsupported`` or ``CaptureFailed``."""
    parts = []
    with running(arguments, environment=environment, stall_seconds=timeout_seconds) as child:
        while part := child.read(65_536):
            parts.append(part)
        child.finish()
    return b"".join(parts).decode("utf-8", "replace")

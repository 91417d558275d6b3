"""The only place that starts other programs.

Promises: argument lists, never a shell; an environment that the caller spells out; standard error drained all
the time and only its tail kept; a child, and what it started in its process group, never outlives the context that
started it; an error names the program and its last words and never the environment or the arguments.

Three ways to run one: ``running`` reads what it writes, ``feeding`` writes what it reads, ``run_to_end`` waits for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from drorch.errors import Bug, CaptureFailed, SourceStalled, SourceUnsupported, TargetError, TargetRefused
from drorch.sources.interface import Bytes, Cuts, ProgramEnd
from drorch.sources.last_words import last_lines, last_words, without_secrets

TAIL_BYTES = 64 * 1024  # of standard error; a dumper that warns about every table must not fill memory
AHEAD_BYTES = 256 * 1024
PIPE_BYTES = 1024 * 1024  # as much as any account may ask for
ENDING_SECONDS = 3.0  # between the polite signal and the other one: Ctrl-C is answered within five seconds
_DYING_SECONDS = 0.5  # between the end of a program's input and its own, when it dies
_LEFT_BEHIND_SECONDS = 0.2  # for the last words of a program that left another running with its output


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
        _widen(self._output)
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
            raise self.failure(_ending(code))

    def failure(self, found: str) -> CaptureFailed:
        """Return the error that says how this program failed, with the last line that it wrote."""
        self.kill()
        self.join()
        line = self.last_line()
        return CaptureFailed(
            f"{self._name} failed", expected="exit code 0", found=f"{found}: {line}" if line else found
        )


class Fed(Program):
    """A running program whose standard input is written by one thread; made by ``feeding``."""

    def __init__(
        self, process: subprocess.Popen[bytes], name: str, stall_seconds: float | None, secret_texts: Sequence[str]
    ) -> None:
        if process.stdin is None:
            raise Bug("a program without a pipe for its input")
        self._input: IO[bytes] = process.stdin
        _widen(self._input)
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
        with _other_end(self._input.fileno()) as other_end:
            self._input.close()
            self.has_ended(None)
            is_read = other_end is None or not os.read(other_end, 1)
        code = self.exit_code()
        self.join()
        if code != 0:
            raise self._failure(_ending(code))
        if not is_read:
            raise self._failure("exit code 0, before it had read everything")

    def _stopped_reading(self) -> TargetRefused:
        """Return the error of a program that closed its input, or ended, before it had all: whatever it says of itself."""
        has_ended = self.has_ended(_DYING_SECONDS)
        code = self.exit_code()
        self.join()
        return self._failure(f"{_ending(code) if has_ended else 'its input closed'}, before it had read everything")

    def _failure(self, found: str) -> TargetRefused:
        lines = last_lines(self.complaint())
        return TargetRefused(
            f"{self._name} failed",
            expected="exit code 0, with everything read",
            found="\n".join([found, *lines]),
        )


def _widen(pipe: IO[bytes]) -> None:
    """Let more bytes lie in a pipe: 1 GB through it took 0.2 s of a processor, and 1.0 s before."""
    with contextlib.suppress(OSError):  # an account may have only so many wide ones
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


@contextlib.contextmanager
def _other_end(writing_end: int) -> Iterator[int | None]:
    """Yield the reading end of a pipe, so that what a program left in it can be seen; ``None`` where ``/proc`` is not there."""
    try:
        reading_end = os.open(f"/proc/self/fd/{writing_end}", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        yield None
        return
    try:
        yield reading_end
    finally:
        os.close(reading_end)


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _start(
    arguments: Sequence[str | Path],
    environment: Mapping[str, str],
    standard_input: int,
    standard_error: int,
) -> subprocess.Popen[bytes]:
    """Start a program with pipes; raise ``SourceUnsupported`` if it cannot be started."""
    try:
        return subprocess.Popen(
            [os.fspath(argument) for argument in arguments],
            stdin=standard_input,
            stdout=subprocess.PIPE,
            stderr=standard_error,
            env=dict(environment),
            start_new_session=True,
            close_fds=True,
        )
    except OSError as error:
        raise SourceUnsupported(f"{Path(arguments[0]).name} cannot be started", found=error.strerror or "") from error


@contextlib.contextmanager
def running(
    arguments: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    stall_seconds: float | None = None,
    standard_input: int | None = None,
    secret_texts: Sequence[str] = (),
) -> Iterator[Child]:
    """Run a program for the length of the context, to be read; raise ``SourceUnsupported`` if it cannot be started.

    ``secret_texts`` are struck out of whatever is told of its words.
    """
    given = subprocess.DEVNULL if standard_input is None else standard_input
    with _start(arguments, environment, given, subprocess.PIPE) as process:
        child = Child(process, Path(arguments[0]).name, stall_seconds, secret_texts)
        try:
            yield child
        finally:
            child.close()


@contextlib.contextmanager
def feeding(
    arguments: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    stall_seconds: float | None = None,
    secret_texts: Sequence[str] = (),
) -> Iterator[Fed]:
    """Run a program for the length of the context, to be fed; what it prints counts as its words.

    One that has not been told by ``finish`` that it has everything is killed with its input still open: it never sees an end.
    """
    with _start(arguments, environment, subprocess.PIPE, subprocess.STDOUT) as process:
        fed = Fed(process, Path(arguments[0]).name, stall_seconds, secret_texts)
        try:
            yield fed
        finally:
            fed.close()


def run_to_end(
    arguments: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    timeout_seconds: float,
    secret_texts: Sequence[str] = (),
    cuts: Cuts | None = None,
) -> ProgramEnd:
    """Run a program to its end and return how it ended; one that takes longer is killed. Never raises for what it does.

    ``cuts`` is told how to end it from another thread, for as long as it runs.
    What a program that ended in time left running goes on: a hook may freeze something by holding it.
    """
    with _start(arguments, environment, subprocess.DEVNULL, subprocess.STDOUT) as process:
        program = Program(process, Path(arguments[0]).name, process.stdout, secret_texts)
        try:
            with cuts(program.kill) if cuts is not None else contextlib.nullcontext():
                in_time = program.has_ended(timeout_seconds)
            if in_time:
                process.wait()
        finally:
            program.close(_LEFT_BEHIND_SECONDS)
        return ProgramEnd(code=process.returncode, in_time=in_time, lines=last_lines(program.complaint()))


def output_of(arguments: Sequence[str | Path], *, environment: Mapping[str, str], timeout_seconds: float = 10) -> str:
    """Return what a short-lived program prints; raise ``SourceUnsupported`` or ``CaptureFailed``."""
    parts = []
    with running(arguments, environment=environment, stall_seconds=timeout_seconds) as child:
        while part := child.read(65_536):
            parts.append(part)
        child.finish()
    return b"".join(parts).decode("utf-8", "replace")

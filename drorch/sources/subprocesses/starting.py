"""How a program is started, for as long as somebody reads it, feeds it or waits for it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from drorch.errors import SourceUnsupported
from drorch.sources.interface import Cuts, ProgramEnd
from drorch.sources.last_words import last_lines
from drorch.sources.subprocesses.child import Child
from drorch.sources.subprocesses.fed import Fed
from drorch.sources.subprocesses.program import Program

_LEFT_BEHIND_SECONDS = 0.2  # for the last words of a program that left another running with its output


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

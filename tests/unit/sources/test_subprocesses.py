"""Other programs: drained, watched, ended, and quiet about their environment."""

from __future__ import annotations

import os
import sys
import time

import pytest

from drorch.errors import CaptureFailed, SourceStalled, SourceUnsupported
from drorch.sources.subprocesses import output_of, running

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "CANARY": "s3cret"}


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


def test_all_output_is_read_while_it_complains_without_end() -> None:
    code = "import sys\nfor i in range(20000): print('x' * 50); print('warning ' * 9, file=sys.stderr)"
    with running(python(code), environment=ENVIRONMENT) as child:
        size = 0
        while part := child.read(65_536):
            size += len(part)
        child.finish()
        assert len(child.complaint()) < 200_000
    assert size == 20_000 * 51


def test_a_failure_tells_the_last_error_and_no_secret() -> None:
    code = "import sys; sys.stderr.write('dump: error: no such table\\ndump: detail: more\\n'); sys.exit(3)"
    with running(python(code), environment=ENVIRONMENT) as child, pytest.raises(CaptureFailed) as caught:
        child.finish()
    assert "exit code 3" in caught.value.found
    assert "no such table" in caught.value.found
    assert "s3cret" not in repr(caught.value) + caught.value.found


def test_an_output_that_is_too_short_is_a_failure() -> None:
    with running(python("print('abc', end='')"), environment=ENVIRONMENT) as child:
        assert child.read_exactly(2) == b"ab"
        with pytest.raises(CaptureFailed):
            child.read_exactly(2)


def test_silence_is_a_stall() -> None:
    with running(python("import time; time.sleep(30)"), environment=ENVIRONMENT, stall_seconds=0.2) as child:
        with pytest.raises(SourceStalled):
            child.read(10)
        identifier = child.identifier
    with pytest.raises(ProcessLookupError):
        os.kill(identifier, 0)


def test_leaving_the_context_ends_the_child_and_its_children() -> None:
    code = "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\nprint('up', flush=True)\ntime.sleep(60)"
    started = time.monotonic()
    with running(python(code), environment=ENVIRONMENT) as child:
        assert child.read(10) == b"up\n"
        group = child.identifier
    assert time.monotonic() - started < 30
    deadline = time.monotonic() + 60
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_program_that_is_not_there() -> None:
    with (
        pytest.raises(SourceUnsupported, match="no-such-program"),
        running(["/no-such-program"], environment=ENVIRONMENT),
    ):
        pass
    assert output_of(python("print('hello')"), environment=ENVIRONMENT) == "hello\n"

"""Programs that are fed, and programs that are waited for: no hang, no half success, nobody left behind, no secret told."""

from __future__ import annotations

import base64
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from drorch.errors import CaptureFailed, SourceStalled, TargetError, TargetRefused
from drorch.sources.last_words import STRUCK_OUT
from drorch.sources.subprocesses import ENDING_SECONDS, TAIL_BYTES, feeding, run_to_end, running

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
CANARY = "kênh/s3cret +x"


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


def wait_until(is_so: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def lives(identifier: int) -> bool:
    try:
        os.kill(identifier, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{identifier}/status").read_text()


# -- fed


def feed(arguments: list[str], content: bytes) -> None:
    with feeding(arguments, environment=ENVIRONMENT) as fed:
        fed.write(content)
        fed.finish()


def test_everything_arrives_however_big(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    content = os.urandom(3_000_000)
    with feeding(python(f"import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, open({str(copy)!r}, 'wb'))"), environment=ENVIRONMENT) as fed:  # fmt: skip
        fed.write(content[:1])
        fed.write(memoryview(content)[1:])
        fed.finish()
    assert copy.read_bytes() == content


@pytest.mark.parametrize("size", [1, 100, 5_000_000], ids=["a byte", "less than a pipe", "more than a pipe"])
def test_one_that_exits_0_without_reading_has_failed(size: int) -> None:
    with pytest.raises(TargetRefused, match="sleep failed") as caught:
        feed(["sleep", "0.2"], bytes(size))
    assert "exit code 0, before it had read everything" in caught.value.found


def test_one_that_closes_its_input_early_and_goes_on() -> None:
    code = "import os, time; os.read(0, 10); os.close(0); time.sleep(60)"
    with pytest.raises(TargetRefused) as caught:
        feed(python(code), bytes(5_000_000))
    assert caught.value.found.startswith("its input closed")


def test_one_that_reads_nothing_stalls() -> None:
    code = "import time; time.sleep(60)"
    with (
        feeding(python(code), environment=ENVIRONMENT, stall_seconds=0.3) as fed,
        pytest.raises(TargetError, match=r"read nothing for 0\.3 s"),
    ):
        fed.write(bytes(5_000_000))


def test_one_that_fails_tells_why() -> None:
    code = "import sys; sys.stdin.buffer.read(); print('to stdout', flush=True); sys.exit('no room left\\nerror 7')"
    with pytest.raises(TargetRefused) as caught:
        feed(python(code), b"abc")
    assert caught.value.found.splitlines() == ["exit code 1", "to stdout", "no room left", "error 7"]


def test_one_that_was_not_told_that_it_has_everything_never_sees_an_end(tmp_path: Path) -> None:
    """Not even when it ignores SIGTERM: what it was given may be false."""
    mark = tmp_path / "saw the end"
    code = f"import signal, sys; signal.signal(15, signal.SIG_IGN); sys.stdin.buffer.read(); open({str(mark)!r}, 'w')"
    with feeding(python(code), environment=ENVIRONMENT) as fed:
        fed.write(b"abc")
        time.sleep(0.3)
    assert not lives(fed.identifier)
    assert not mark.exists()


# -- read


def test_one_that_ignores_the_polite_signal_is_gone_in_time() -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    with running(python(code), environment=ENVIRONMENT) as child:
        assert child.read(10) == b"up\n"
        started = time.monotonic()
    assert ENDING_SECONDS - 0.1 < time.monotonic() - started < 30  # its sleep is twice that
    assert not lives(child.identifier)


def test_what_a_finished_program_left_running_is_ended() -> None:
    code = (
        "import subprocess, sys, os\n"
        "p = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\nprint(p.pid)"
    )
    with running(python(code), environment=ENVIRONMENT) as child:
        left = int(child.read(100))
        assert child.read(100) == b""
        child.finish()
    wait_until(lambda: not lives(left))


def test_one_that_closes_its_output_and_does_not_end() -> None:
    code = "printf all; exec >&-; sleep 60"  # a shell begins sooner than Python does on a busy machine
    with running(["/bin/sh", "-c", code], environment=ENVIRONMENT, stall_seconds=1) as child:
        assert child.read(10) == b"all"
        assert child.read(10) == b""
        with pytest.raises(SourceStalled, match="did not end"):
            child.finish()


@pytest.mark.parametrize(
    "spelled",
    ["{0}", "{1}", "{2}", "password is '{0}', or {0}{0}"],
    ids=["as it is", "in a URL", "in base 64", "more than once"],
)
def test_a_secret_in_what_a_program_says_is_struck_out(spelled: str) -> None:
    words = spelled.format(CANARY, quote(CANARY, safe=""), base64.b64encode(CANARY.encode()).decode())
    code = f"import sys; sys.stderr.write({words!r}); sys.exit(1)"
    with (
        running(python(code), environment=ENVIRONMENT, secret_texts=["word", CANARY]) as child,
        pytest.raises(CaptureFailed) as caught,
    ):
        child.finish()
    assert STRUCK_OUT in caught.value.found
    for spelling in (CANARY, quote(CANARY, safe=""), base64.b64encode(CANARY.encode()).decode().rstrip("=")):
        assert spelling not in caught.value.found + child.complaint()


def test_a_secret_that_is_cut_in_two_by_the_limit_is_not_told_by_half() -> None:
    code = f"import sys; sys.stderr.write({CANARY!r} * {3 * TAIL_BYTES // len(CANARY)}); sys.stderr.write('\\nthe end')"
    with running(python(code), environment=ENVIRONMENT, secret_texts=[CANARY]) as child:
        child.finish()
        assert child.complaint() == "the end"


# -- waited for


def test_a_program_that_is_waited_for_tells_how_it_ended() -> None:
    code = f"import sys; print('frozen', {CANARY!r}); print('\\x1b[2Jmore', file=sys.stderr); sys.exit(4)"
    ended = run_to_end(python(code), environment=ENVIRONMENT, timeout_seconds=20, secret_texts=[CANARY])
    assert (ended.code, ended.in_time) == (4, True)
    assert set(ended.lines) == {f"frozen {STRUCK_OUT}", "?[2Jmore"}


def test_one_that_takes_too_long_is_killed_with_all_it_started() -> None:
    code = "sleep 60 & echo $!; sleep 60"  # a shell begins sooner than Python does on a busy machine
    ended = run_to_end(["/bin/sh", "-c", code], environment=ENVIRONMENT, timeout_seconds=1)
    assert (ended.code, ended.in_time) == (-signal.SIGTERM, False)
    wait_until(lambda: not lives(int(ended.lines[0])))


def test_what_it_left_running_goes_on() -> None:
    """A hook that freezes an application may do it by a program that holds a lock."""
    code = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
    started = time.monotonic()
    ended = run_to_end(python(code), environment=ENVIRONMENT, timeout_seconds=20)
    left = int(ended.lines[0])
    try:
        assert lives(left)
        assert time.monotonic() - started < 30
    finally:
        os.kill(left, signal.SIGKILL)

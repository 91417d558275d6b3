import os
import subprocess
import sys

import pytest

from drorch.catalog import liveness
from drorch.catalog.liveness import is_alive, process_started


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_this_process_is_alive_and_the_same_from_call_to_call() -> None:
    started = process_started(os.getpid())
    assert started
    assert started == process_started(os.getpid())
    assert is_alive(os.getpid(), started)


def test_another_process_with_the_same_pid_is_another_process() -> None:
    assert not is_alive(os.getpid(), process_started(os.getpid()) + "0")
    assert not is_alive(os.getpid(), "another boot:" + process_started(os.getpid()).partition(":")[2])


def test_a_process_is_gone_when_it_is_dead_though_not_yet_reaped(sleeper) -> None:
    started = process_started(sleeper.pid)
    assert is_alive(sleeper.pid, started)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(sleeper.pid, started)
    sleeper.wait()
    assert not is_alive(sleeper.pid, started)
    assert process_started(sleeper.pid) == ""


def test_a_name_may_look_like_the_rest_of_the_line() -> None:
    script = "import os,sys;open('/proc/self/comm','w').write('a ) R 1 (');sys.stdout.write('x');sys.stdout.flush();sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        assert process_started(process.pid).partition(":")[2].isdigit()
        assert is_alive(process.pid, process_started(process.pid))
        process.kill()


def test_without_proc_the_kernel_is_asked(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(liveness, "_PROC", tmp_path)
    assert process_started(os.getpid()) == ""
    assert is_alive(os.getpid(), "any")
    assert not is_alive(2**22 + 1, "")  # no pid is larger than 2**22

"""A server that the tests share and that ended by itself: the test that ran fails, the next one finds a server, and the run says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.mariadb import MariadbServer
from tests.support.postgresql import Server
from tests.support.seaweedfs import SupervisedSeaweedFS, shared_server
from tests.support.supervision import started_again, supervised

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import os, signal, subprocess
from pathlib import Path
import pytest
from tests.support.supervision import ended, supervised

LOG = Path(__file__).with_name("log")

class Sleeper:
    def start(self):
        self.process = subprocess.Popen(["sleep", "600"])
    def answers(self):
        return self.process.poll() is None
    def how_it_ended(self):
        status = self.process.poll()
        return "" if status is None else ended("sleeper", status, LOG)
    def die(self):
        os.kill(self.process.pid, signal.SIGSEGV)
        self.process.wait()

@pytest.fixture(scope="session")
def sleeper():
    LOG.write_text("what it said last\\n")
    server = Sleeper()
    server.start()
    with supervised(server):
        yield server
    server.process.kill()
    server.process.wait()

def test_1_passes_while_it_ends(sleeper):
    sleeper.die()

def test_2_finds_one(sleeper):
    assert sleeper.answers()

def test_3_fails_because_it_ends(sleeper):
    sleeper.die()
    raise ConnectionRefusedError("nobody there")

def test_4_finds_one(sleeper):
    assert sleeper.answers()
"""


def test_the_run_tells_of_it(tmp_path: Path) -> None:
    tests = tmp_path / "test_toy.py"
    tests.write_text(TESTS)
    words = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, f"--rootdir={tmp_path}"]
    told = subprocess.run(
        [*words, "-p", "no:cacheprovider", "-p", "tests.support.supervision", tests],
        cwd=ROOT, env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    lines = told.stdout.splitlines()
    unsteady = [
        f"UNSTEADY: under test_toy.py::{name}: sleeper was ended by SIGSEGV; its last lines:"
        for name in ("test_1_passes_while_it_ends", "test_3_fails_because_it_ends")
    ]
    assert [line for line in lines if line.startswith("UNSTEADY: ")] == unsteady, told.stdout
    assert lines[lines.index(unsteady[0]) + 1] == "  what it said last"
    assert lines[-1].startswith("2 failed, 2 passed"), told.stdout


def test_mariadb(mariadb: MariadbServer) -> None:
    name = mariadb.new_database("create table t (a int)", "insert into t values (1)")
    assert mariadb.process is not None
    os.kill(mariadb.process.pid, signal.SIGKILL)
    (told,) = started_again(after_a_failure=True)
    assert told.startswith("MariaDB was ended by SIGKILL; its last lines:")
    assert "ready for connections" in told
    assert mariadb.run("select a from t", database=name) == [(1,)]
    assert started_again(after_a_failure=False) == []


def test_postgresql(postgresql_15: Server) -> None:
    name = postgresql_15.new_database("create table t as select 1 as a")
    os.kill(int((postgresql_15.directory / "data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    (told,) = started_again(after_a_failure=True)
    assert told.startswith("PostgreSQL 15 ended; its last lines:")
    assert postgresql_15.run("select a from t", name) == [(1,)]
    assert started_again(after_a_failure=False) == []


@pytest.mark.slow
def test_seaweedfs(tmp_path: Path) -> None:
    with (
        shared_server(tmp_path) as server,
        supervised(SupervisedSeaweedFS(directory=tmp_path, server=server)),
    ):
        bucket = server.make_bucket()
        client = server.client()
        client.put_object(Bucket=bucket, Key="k", Body=b"kept")
        os.kill(int((tmp_path / "weed.pid").read_text()), signal.SIGKILL)
        (told,) = started_again(after_a_failure=True)
        assert told.startswith("SeaweedFS was ended by SIGKILL; its last lines:")
        assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"
        client.close()
        assert started_again(after_a_failure=False) == []

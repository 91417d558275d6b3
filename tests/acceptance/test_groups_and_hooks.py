"""Hooks that freeze an application, groups that are captured together, policies that come after others: by the real command line."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from drorch.catalog.interface import RunState
from drorch.catalog.sqlite import open_sqlite
from tests.support.installations import BARE, Custodian, Installation, end, new_installation

LONGEST_SECONDS = 120

# An application that keeps a number in a database and in a file, one after the other: never equal while it moves.
APPLICATION = """
import pathlib, sqlite3, sys, time
base = pathlib.Path(sys.argv[1])
books = sqlite3.connect(base / "books.db", isolation_level=None, timeout=30)
books.execute("pragma synchronous=off")
for number in range(10**9):
    while (base / "freeze").exists():
        (base / "frozen").touch()
        time.sleep(0.02)
    books.execute("update state set number = ?", (number,))
    time.sleep(0.02)
    (base / "papers/new").write_text(str(number))
    (base / "papers/new").rename(base / "papers/number")
"""
FREEZE = """#!/bin/sh
test "$DRORCH_HOOK" = before || exit 9
rm -f {0}/frozen; touch {0}/freeze
until test -e {0}/frozen; do sleep 0.02; done
echo "application is frozen for $DRORCH_SOURCE"
"""
THAW = """#!/bin/sh
rm -f {0}/freeze
echo "$DRORCH_HOOK $DRORCH_OUTCOME" >> {0}/thawed
"""


@dataclass(frozen=True, kw_only=True)
class Office:
    """An installation whose programs and databases lie in ``base``, which is nobody else's."""

    installation: Installation

    @property
    def base(self) -> Path:
        return self.installation.base

    def program(self, name: str, text: str) -> Path:
        path = self.base / name
        path.write_text(text.replace("{0}", str(self.base)))
        path.chmod(0o755)
        return path

    def hooks(self, *, before: str = "", after: str = "", timeout: str = "20s") -> str:
        lines = [f"hooks:\n  timeout: {timeout}\n"]
        lines += [f'  before: ["{self.program("before.sh", before)}"]\n'] if before else []
        lines += [f'  after: ["{self.program("after.sh", after)}"]\n'] if after else []
        return "".join(lines)

    def sqlite(self, name: str, more: str = "") -> None:
        path = self.base / f"{name}.db"
        if not path.exists():
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("create table state (number integer)")
                connection.execute("insert into state values (0)")
                connection.commit()
        self.installation.policy(
            name, f'name: {name}\nsource: {{sqlite: {{file: {path}}}}}\nschedule: "0 1 * * *"\n{more}'
        )

    def command(self, name: str, program: str, more: str = "") -> None:
        path = self.program(f"{name}.sh", program)
        source = f'{{command: {{capture: ["{path}"], restore: [cat], minimum_size: 1kB}}}}'
        self.installation.policy(name, f'name: {name}\nsource: {source}\nschedule: "0 1 * * *"\n{more}')

    def log_of(self, source: str) -> str:
        runs = self.installation.drorch("history", source, "--json").json()["runs"]
        return self.installation.drorch("history", "--run", runs[0]["run"]).out


@pytest.fixture(scope="module")
def blank(custodian: Custodian, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return new_installation(tmp_path_factory.mktemp("blank") / "etc", custodian, "disk=disk")


@pytest.fixture
def office(blank: Installation, tmp_path: Path) -> Office:
    tmp_path.chmod(0o755)
    return Office(installation=blank.copy(tmp_path / "etc"))


@pytest.fixture
def application(office: Office) -> Iterator[Office]:
    office.sqlite("books")
    (office.base / "papers").mkdir()
    (office.base / "papers/number").write_text("0")
    process = subprocess.Popen([sys.executable, "-c", APPLICATION, str(office.base)])
    try:
        yield office
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def is_frozen(office: Office) -> bool:
    return (office.base / "freeze").exists()


def wait_for(path: Path) -> None:
    wait_until(path.exists)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def is_captured(office: Office, source: str) -> bool:
    """Return whether the capture of a source has begun: the log of its run says of what."""
    path = office.base / "var/state/catalog.sqlite"
    if not path.exists():
        return False
    with closing(open_sqlite(path)) as catalog:
        runs = [one.run_id for one in catalog.runs(states=[RunState.RUNNING]) if one.source == source]
        return any(" as of " in line.text for run in runs for line in catalog.log_lines(run))


# -- groups


def test_a_group_between_hooks_is_exact(application: Office, tmp_path: Path) -> None:
    office, installation = application, application.installation
    office.sqlite("books", "group: desk\n" + office.hooks(before=FREEZE, after=THAW))
    papers = f"name: papers\nsource: {{files: {{paths: [{office.base}/papers]}}}}\ngroup: desk\nafter: [books]\n"
    installation.policy("papers", papers + 'schedule: "0 1 * * *"\n')
    answer = installation.drorch("backup", "papers", "--json").json()  # names one: the group is captured whole
    groups = {one["source"]: one["group"] for one in answer["snapshots"]}
    assert set(groups) == {"books", "papers"}
    assert groups["books"] == groups["papers"]
    assert (groups["books"]["together"], groups["books"]["exact"]) == (True, True)
    assert not is_frozen(office)
    installation.restore("latest:books", f"sqlite:///{tmp_path}/books.db")
    installation.restore("latest:papers", f"files://{tmp_path}/papers")
    with closing(sqlite3.connect(tmp_path / "books.db")) as connection:
        (number,) = connection.execute("select number from state").fetchone()
    found = [path.read_text() for path in (tmp_path / "papers").rglob("number")]
    assert found == [str(number)]
    assert "group desk: began" in office.log_of("papers")
    assert "application is frozen for books" in office.log_of("books")


def test_the_snapshots_of_a_group_share_an_id_where_anybody_can_read_it(office: Office) -> None:
    for name in ("lis", "sde"):
        office.sqlite(name, "group: {name: vilis, max_skew: 30s}\n")
    office.sqlite("land")
    document = office.installation.drorch("backup", "sde", "land", "--json").json()
    groups = {one["source"]: one["group"] for one in document["snapshots"]}
    assert set(groups) == {"lis", "sde", "land"}
    assert groups["land"] is None
    assert groups["lis"] == groups["sde"]
    assert groups["lis"]["members"] == ["lis", "sde"]
    manifests = [path.read_bytes() for path in office.base.glob("disk/l/*/m/*") if not path.name.endswith(".c")]
    assert sum(bytes.fromhex(groups["lis"]["id"]) in manifest for manifest in manifests) == 2


def test_a_member_that_fails_leaves_the_others_without_the_id(office: Office) -> None:
    for name in ("lis", "sde"):
        office.sqlite(name, "group: vilis\n")
    office.command("dump", "#!/bin/sh\nexit 3\n", "group: vilis\n")
    answer = office.installation.drorch("backup", "lis", expect=3)
    answer.told("2 of 3 sources", "group vilis is not whole: dump has no capture", "lis PARTIAL", "dump FAILED")
    document = office.installation.drorch("backup", "lis", "--failed", "--json", expect=3).json()
    assert [one["group"]["together"] for one in document["snapshots"]] == [False, False], (
        "--failed runs the group whole"
    )
    assert len(office.installation.snapshots()) == 4


def test_a_group_that_began_too_far_apart_is_partial(office: Office) -> None:
    office.sqlite("books", "group: {name: desk, max_skew: 1s}\n")
    with closing(sqlite3.connect(office.base / "locked.db")) as connection:
        connection.execute("create table t (a)")
        connection.commit()
        connection.execute("begin exclusive")  # a rollback journal: whoever reads must wait
        office.installation.policy(
            "locked",
            f"name: locked\nsource: {{sqlite: {{file: {office.base}/locked.db, lock_timeout: 60s}}}}\n"
            'schedule: "0 1 * * *"\ngroup: {name: desk, max_skew: 1s}\n',
        )
        process = office.installation.start("backup", "books", "--json")
        wait_until(lambda: is_captured(office, "books") or process.poll() is not None)
        time.sleep(1.1)  # more than they may be apart
        connection.rollback()
    out, err = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 3, err
    assert "apart, 1s are allowed" in out
    assert '"together": false' in out


# -- after


def test_what_comes_after_runs_after_and_is_told_when_that_failed(office: Office) -> None:
    order = office.base / "order"
    for name, more in (("scans", "after: [land]\n"), ("land", ""), ("index", "after: [scans]\n")):
        office.command(name, f"#!/bin/sh\necho {name} >> {order}\nsleep 0.2\nhead -c 5000 /dev/zero\n", more)
    office.installation.drorch("backup", "index", "scans", "land")
    assert order.read_text().split() == ["land", "scans", "index"]
    office.installation.drorch("backup", "scans")
    assert order.read_text().split()[3:] == ["scans"], "one that is named alone runs alone"
    office.command("land", "#!/bin/sh\nexit 1\n")
    answer = office.installation.drorch("backup", "scans", "land", expect=3)
    answer.told("land FAILED", "scans PARTIAL", "comes after land, which failed")


# -- hooks


def test_a_failing_hook_before_fails_the_run_and_the_one_after_runs(office: Office) -> None:
    office.sqlite(
        "books", office.hooks(before="#!/bin/sh\ntouch {0}/freeze\necho no application here\nexit 5\n", after=THAW)
    )
    answer = office.installation.drorch("backup", "books", expect=20)
    answer.told("books: the hook before the capture failed", "exit code 5", "no application here", "Nothing was stored")
    answer.fits()
    assert (office.base / "thawed").read_text() == "after failed\n"
    assert not is_frozen(office)
    assert office.installation.snapshots() == []
    told = office.log_of("books")
    assert "hook before: exit code 5" in told
    assert "hook after: ok" in told


def test_a_hook_that_hangs_is_ended_in_time(office: Office) -> None:
    office.sqlite("books", office.hooks(before="#!/bin/sh\nsleep 60\n", after=THAW, timeout="1s"))
    office.installation.drorch("backup", "books", expect=20).told("not ended in time", "within 1s")
    assert (office.base / "thawed").exists()


def test_a_failing_hook_after_is_told_and_the_snapshot_is_good(office: Office) -> None:
    office.sqlite("books", office.hooks(after="#!/bin/sh\necho lock is held\nexit 4\n"))
    answer = office.installation.drorch("backup", "books", expect=3)
    answer.told("books PARTIAL", "exit code 4: lock is held", "may still be frozen")
    assert office.installation.drorch("status", "--json").json()["sources"][0]["last_good_snapshot"]


def end_within(process: subprocess.Popen[str], seconds: float) -> None:
    """Wait for the end of a process; when it does not come, fail with what each of its threads is doing."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGABRT)
        pytest.fail(f"it goes on after {seconds:g} s:\n{process.communicate()[1]}")


@pytest.mark.parametrize(
    ("number", "named"),
    [(signal.SIGINT, ["books"]), (signal.SIGTERM, ["books", "land"])],
    ids=["ctrl-c of one source", "the end of several at once"],
)
def test_a_signal_does_not_leave_the_application_frozen(
    office: Office, number: signal.Signals, named: list[str]
) -> None:
    slow = "#!/bin/sh\nsleep 0.7\nrm -f {0}/freeze\n"
    hooks = office.hooks(before="#!/bin/sh\ntouch {0}/freeze\n", after=slow)
    office.command("books", "#!/bin/sh\ntouch {0}/up\nsleep 60\n", hooks)
    office.sqlite("land")
    process = office.installation.start("backup", *named, env=BARE | {"PYTHONFAULTHANDLER": "1"})
    try:
        wait_for(office.base / "up")
        assert is_frozen(office)
        os.kill(process.pid, number)
        end_within(process, LONGEST_SECONDS)
    finally:
        end(process)
    assert process.returncode == 128 + number
    assert not is_frozen(office)


def test_a_hook_that_others_may_write_is_not_run(office: Office) -> None:
    office.sqlite("books", office.hooks(before="#!/bin/sh\ntouch {0}/ran\n"))
    (office.base / "before.sh").chmod(0o757)
    office.installation.drorch("backup", "books", expect=29).told("before.sh", "writable by others")
    office.installation.drorch("doctor", "books", expect=None).told("hook before: ", "writable by others")
    assert not (office.base / "ran").exists()


def test_show_says_what_runs_and_when(office: Office) -> None:
    office.sqlite("lis", "group: vilis\nafter: [land]\n" + office.hooks(before="#!/bin/sh\n", after="#!/bin/sh\n"))
    office.sqlite("land")
    answer = office.installation.drorch("policy", "show", "lis")
    answer.told("after land", "together with group vilis", "before each capture runs", "after each capture runs", "whatever happened")  # fmt: skip
    assert "not acted on" not in "".join(line for line in answer.out.splitlines() if "hooks" in line or "group" in line)

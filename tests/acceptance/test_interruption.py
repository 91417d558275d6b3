"""Runs that are stopped: by Ctrl-C, by SIGTERM, by the death of the server, by a second run. Nothing half-kept, nothing left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.installations import (
    Custodian,
    Installation,
    end,
    equal,
    land_policy,
    new_installation,
    programs_that_name,
    seeded,
    socket_url,
)
from tests.support.postgresql import SUPERUSER_PASSWORD, Server, running_server

# Text that neither compresses nor repeats: about 60 MB, a second or two of work.
BULK = """
create table paper (id int primary key, text text);
create table scan (id int primary key, text text);
insert into paper select i, (select string_agg(md5((i * 40 + k)::text), '') from generate_series(1, 12) k)
  from generate_series(1, 130000) i;
insert into scan select i, (select string_agg(md5((-i * 40 - k)::text), '') from generate_series(1, 12) k)
  from generate_series(1, 10000) i;
"""
SEED = 20261122
MOMENTS, MOMENTS_IN_CI = 20, 4
PATIENCE_SECONDS = 60  # it takes less than 5 on a machine that is free; what is shown here is that it ends, and how


@dataclass(kw_only=True)
class Archive:
    """A database that takes a while, and an installation without any snapshot."""

    server: Server
    database: str
    installation: Installation
    duration_seconds: float = 0.0  # of a run that nobody disturbs
    whole_bytes: int = 0  # what it stores

    def has_begun(self) -> bool:
        """Whether a run has come to the catalog; before its first line Python itself answers a signal."""
        return (self.installation.base / "var/state/catalog.sqlite").exists()

    def sessions(self) -> int:
        found = self.server.run("select count(*) from pg_stat_activity where application_name like 'drorch%'")
        return int(found[0][0])

    def is_reading(self) -> bool:
        text = "select 1 from pg_stat_activity where state = 'active' and query ilike 'copy%' and application_name like 'drorch%'"
        return bool(self.server.run(text))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(15) as server:
        yield server


@pytest.fixture(scope="module")
def prepared(server: Server, custodian: Custodian, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    installation = new_installation(tmp_path_factory.mktemp("archive") / "etc", custodian, "disk=disk")
    database = server.new_database(BULK, prefix="bulk")
    installation.policy("bulk", land_policy(server, database, "bulk", user="postgres", password="file:secrets/bulk"))
    installation.secret("bulk", SUPERUSER_PASSWORD)
    archive = Archive(server=server, database=database, installation=installation)
    trial = replace(archive, installation=installation.copy(installation.base.with_name("trial")))
    process = trial.installation.start("backup", "bulk")
    wait_until(trial.has_begun, seconds=300)
    began = time.monotonic()
    process.communicate(timeout=300)
    assert process.returncode == 0
    return replace(archive, duration_seconds=time.monotonic() - began, whole_bytes=stored_bytes(trial))


@pytest.fixture
def archive(prepared: Archive, tmp_path: Path) -> Archive:
    return replace(prepared, installation=prepared.installation.copy(tmp_path / "etc"))


def stop_when(
    archive: Archive, is_so: Callable[[], bool], number: signal.Signals, *, seconds: float = 0, group: bool = False
) -> tuple[int, str]:
    """Start a backup, send the signal some time after ``is_so``; return code and words."""
    process = archive.installation.start("backup", "bulk")
    try:
        wait_until(lambda: is_so() or process.poll() is not None, seconds=300)
        time.sleep(seconds)
        if process.poll() is None:
            (os.killpg if group else os.kill)(process.pid, number)
        _, told = process.communicate(timeout=PATIENCE_SECONDS)
        assert programs_that_name(archive.database) == [], "a child was left behind"
        return process.returncode, told
    finally:
        end(process)


def nothing_is_left(archive: Archive) -> None:
    installation = archive.installation
    assert [str(path) for path in (installation.base / "var/temporary").rglob("*")] == []
    assert [path.name for path in installation.base.glob("disk/l/*/m/*")] == [], "a manifest means a snapshot"
    assert [path for path in (installation.base / "disk").rglob("*") if "tmp" in path.name] == []
    wait_until(lambda: archive.sessions() == 0)
    assert installation.snapshots() == []


def wait_until(is_so: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


@pytest.mark.parametrize(
    "fraction",
    [
        pytest.param(fraction, marks=[pytest.mark.slow] if number >= MOMENTS_IN_CI else [])
        for number, fraction in enumerate(seeded(SEED, MOMENTS, 1.0))
    ],
)
def test_ctrl_c_at_any_moment(archive: Archive, fraction: float) -> None:
    seconds = fraction * archive.duration_seconds
    code, told = stop_when(archive, archive.has_begun, signal.SIGINT, seconds=seconds, group=True)
    assert "Traceback" not in told
    runs = archive.installation.drorch("history", "--json").json()["runs"]
    if code == 0:  # the process had ended when the signal was to be sent
        assert len(archive.installation.snapshots()) == 1
        return
    assert code == 130, told
    if [run["state"] for run in runs] == ["complete"]:  # it came too late to undo the snapshot, which is recorded then
        assert [one["snapshot"] for one in archive.installation.snapshots()] == [runs[0]["run"]]
        return
    assert "interrupted" in told
    nothing_is_left(archive)
    assert [run["state"] for run in runs] in ([], ["interrupted"])


def test_the_next_run_uses_what_an_interrupted_one_had_stored(archive: Archive) -> None:
    code, told = stop_when(archive, lambda: has_pack(archive), signal.SIGINT, group=True)
    assert code == 130, told
    nothing_is_left(archive)
    again = archive.installation.drorch("backup", "bulk", "--json").json()["snapshots"][0]
    assert again["chunks"]["known"] > 0
    assert stored_bytes(archive) < 1.2 * archive.whole_bytes, "what was there is not stored again"
    target = f"{archive.database}_back"
    archive.installation.restore("latest:bulk", socket_url(archive.server, target))
    one, other = socket_url(archive.server, archive.database), socket_url(archive.server, target)
    equal("postgresql", one, other, programs=archive.server.programs)


def has_pack(archive: Archive) -> bool:
    """Whether the first full pack is stored; the database is being read then."""
    sizes = (path.stat().st_size for path in archive.installation.base.glob("disk/l/*/p/*/*") if path.is_file())
    return any(size > 16_000_000 for size in sizes)


def stored_bytes(archive: Archive) -> int:
    return sum(path.stat().st_size for path in archive.installation.base.glob("disk/l/**/*") if path.is_file())


def test_sigterm(archive: Archive) -> None:
    code, told = stop_when(archive, archive.is_reading, signal.SIGTERM)
    assert code == 143, told
    assert "terminated" in told
    nothing_is_left(archive)


def test_kill_is_recognised_and_the_source_is_not_held_for_ever(archive: Archive) -> None:
    code, _ = stop_when(archive, archive.is_reading, signal.SIGKILL, group=True)
    assert code == -signal.SIGKILL
    archive.installation.drorch("status", "--check", expect=3).told("LATE bulk no good snapshot yet")
    archive.installation.drorch("backup", "bulk").told("bulk ok")
    runs = archive.installation.drorch("history", "--json").json()["runs"]
    assert [run["state"] for run in runs] == ["complete", "crashed"]
    archive.installation.drorch("verify")


def test_the_server_dies_while_it_is_read(archive: Archive) -> None:
    process = archive.installation.start("backup", "bulk")
    try:
        wait_until(archive.is_reading, seconds=300)
        archive.server.stop()
        _, told = process.communicate(timeout=300)
    finally:
        end(process)
        archive.server.start()
    assert 20 <= process.returncode <= 25, told
    assert "ERROR" in told
    assert "Nothing was stored; there is no snapshot of it yet." in " ".join(told.split())
    nothing_is_left(archive)
    archive.installation.drorch("backup", "bulk").told("bulk ok")


def test_two_runs_of_one_policy_at_once(archive: Archive) -> None:
    processes = [archive.installation.start("backup", "bulk") for _ in range(2)]
    try:
        told = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            end(process)
    codes = sorted(process.returncode for process in processes)
    assert codes in ([0, 4], [0, 0]), told
    if codes == [0, 4]:
        assert any("another run holds bulk" in " ".join(err.split()) for _, err in told)
    listed = archive.installation.snapshots()
    assert [one["sequence"] for one in listed] == list(range(codes.count(0), 0, -1))
    archive.installation.drorch("verify", "--read-data", "100")
    status = archive.installation.drorch("status", "--check")
    status.told("1 of 1 sources are inside their RPO")

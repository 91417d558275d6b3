"""The real daemon as a process, with a real PostgreSQL and a real bucket, through nights that go well and nights that do not."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest

from drorch.catalog.interface import OccurrenceState
from tests.acceptance.test_object_storage import with_credentials
from tests.support.daemon_in_other_time import Daemon, daemon_of
from tests.support.installations import (
    CANARIES,
    LAND,
    ROOT,
    ZONE,
    Custodian,
    Installation,
    civil_policy,
    land_policy,
    make_civil,
    new_installation,
)
from tests.support.postgresql import SUPERUSER_PASSWORD, Server
from tests.support.seaweedfs import SeaweedFS
from tests.support.seaweedfs_identities import ADMIN

LOG_SCHEMA = json.loads((ROOT / "docs/monitoring/log.schema.json").read_text())
SECOND = timedelta(seconds=1)
SOON = 20 * SECOND  # after the jitter
QUIET = 'upkeep: {verify: never, prune: "0 6 * * *", copy: never, lock: never}\n'


def local(day: datetime, hour: int, minute: int = 0, days: int = 0) -> datetime:
    """Return the moment at which the clock on the wall shows that time, on the day of ``day`` or some days later."""
    return day.astimezone(ZONE).replace(hour=hour, minute=minute, second=0, microsecond=0) + timedelta(days=days)


@pytest.fixture
def night(
    custodian: Custodian, postgresql_15: Server, seaweedfs: SeaweedFS, tmp_path: Path
) -> Iterator[tuple[Daemon, Server]]:
    """A daemon for a bucket, not started, on the day after tomorrow."""
    base = tmp_path / "etc"
    tmp_path.chmod(0o755)
    with_credentials(base, ADMIN.access_key, ADMIN.secret_key)
    options = ("--endpoint", seaweedfs.endpoint)
    installation = new_installation(base, custodian, f"hanoi=s3://{seaweedfs.make_bucket()}/main", options=options)
    installation.settings.write_text(installation.settings.read_text() + QUIET)
    with daemon_of(installation) as daemon:
        daemon.shift = local(daemon.now, 23, days=2) - daemon.now
        yield daemon, postgresql_15


def slow_policy(installation: Installation) -> Path:
    """Write a policy whose program writes a little and waits for a file; return the file. ``begun`` says that it runs."""
    base = installation.base
    program = base / "slow.sh"
    program.write_text(
        f"#!/bin/sh\nhead -c 4000 /dev/zero\n: > {base}/begun\nwhile [ ! -e {base}/go ]; do sleep 0.1; done\necho end\n"
    )
    program.chmod(0o755)
    source = f'{{command: {{capture: ["{program}"], restore: [cat], minimum_size: 1kB}}}}'
    installation.policy("slow", f'name: slow\nsource: {source}\nschedule: "0 3 * * *"\n')
    return base / "go"


def test_nights_of_a_daemon(night: tuple[Daemon, Server]) -> None:  # noqa: PLR0915 - one story, each part stands on the one before
    daemon, server = night
    installation = daemon.installation
    database = server.new_database(LAND, prefix="land")
    installation.policy("land", land_policy(server, database, user="postgres"))
    installation.secret("land", SUPERUSER_PASSWORD)
    make_civil(installation.base / "civil.db")
    installation.policy("civil", civil_policy(installation.base / "civil.db"))
    go = slow_policy(installation)
    evening = daemon.now
    daemon.start()

    # a failure that may pass is tried again, and ends well when it has passed
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    good = (installation.base / "policies/land.yaml").read_text()
    installation.policy("land", good.replace(f"port: {server.port}", f"port: {port}"))
    first = local(evening, 1, 30, days=1)
    daemon.travel(first + SOON)
    tried = daemon.wait_for_one("land", first, lambda one: one.attempts == 1 and one.not_before is not None)
    assert (tried.state, tried.error_slug) == (OccurrenceState.WAITING, "source-unreachable")
    installation.policy("land", good)
    assert tried.not_before is not None
    daemon.travel(tried.not_before + SECOND)
    done = daemon.wait_for_end("land", first)
    assert (done.state, done.attempts) == (OccurrenceState.OK, 2)
    installation.drorch("status").told("Daemon running since", "NEXT RUN")

    # killed while a run goes on: the run goes on, and the next daemon hears how it ended
    daemon.travel(local(evening, 3, days=1) + SOON)
    daemon.wait_for((installation.base / "begun").exists, "the slow run has begun")
    slow = local(evening, 3, days=1)
    daemon.kill()
    installation.drorch("status").told("GONE, last seen")
    daemon.start()
    assert daemon.wait_for_state("slow", slow, OccurrenceState.RUNNING).attempts == 1
    go.touch()
    daemon.wait_for(lambda: bool(installation.snapshots("slow")), "the run that was left alone is done")
    daemon.wake()
    ended = daemon.wait_for_end("slow", slow)
    assert (ended.state, ended.attempts) == (OccurrenceState.OK, 1)

    # a file that became invalid stays in force as it was, and stops no other
    installation.policy("land", good.replace("name: land", "name: land\nnonsense: true"))
    daemon.travel(local(evening, 1, 30, days=2) + SOON)
    assert daemon.wait_for_end("land", local(evening, 1, 30, days=2)).state is OccurrenceState.OK
    assert daemon.wait_for_end("civil", local(evening, 2, days=1)).state is OccurrenceState.OK
    shown = installation.drorch("status", "--all")
    shown.told("not all of its configuration is in force", "land.yaml")
    installation.policy("land", good)

    # downtime: what was missed is told, and the newest is run once
    assert daemon.stop() == 0
    daemon.shift += local(evening, 9, days=5) - daemon.now
    daemon.start()
    newest = daemon.wait_for_end("civil", local(evening, 2, days=5))
    missed = daemon.wait_for_end("civil", local(evening, 2, days=4))
    assert (newest.state, missed.state) == (OccurrenceState.OK, OccurrenceState.MISSED)
    assert "the daemon was stopped from" in missed.reason

    # prune has its occurrences too
    assert daemon.wait_for_end("", local(evening, 6, days=5), kind="prune").state is OccurrenceState.OK

    # asked to end, the daemon lets a run end first
    daemon.wait_for_end("slow", local(evening, 3, days=5))
    go.unlink()
    (installation.base / "begun").unlink()
    daemon.travel(local(evening, 3, days=6) + SOON)
    daemon.wait_for((installation.base / "begun").exists, "the slow run has begun")
    daemon.ask_to_stop()
    go.touch()
    assert daemon.wait_for_the_end() == 0
    assert daemon.occurrences("slow")[0].state is OccurrenceState.OK
    assert all(one.state.is_final for one in daemon.occurrences() if one.slot < local(evening, 1, days=6))
    installation.drorch("status").told("Daemon stopped")

    # its log has one line for each run, in the published form, and no secret
    (line,) = daemon.journal(
        event="run", source="land", due_at=f"{first.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", state="ok"
    )
    assert (line["exit_code"], line["attempts"], line["stores"]) == (0, 2, {"hanoi": "complete"})
    assert line["snapshot"] == done.run_id
    assert line["bytes_read"] > line["bytes_stored"] > 0
    for one in daemon.journal():
        jsonschema.validate(one, LOG_SCHEMA)
    assert not [canary for canary in CANARIES if canary in daemon.log.read_text()]


def test_two_daemons_and_a_killed_run(custodian: Custodian, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    installation = new_installation(tmp_path / "etc", custodian, "disk=disk")
    installation.settings.write_text(installation.settings.read_text() + QUIET.replace('"0 6 * * *"', "never"))
    go = slow_policy(installation)
    with daemon_of(installation, drain_seconds=0) as daemon:
        daemon.shift = local(daemon.now, 2, days=2) - daemon.now
        slot = local(daemon.now, 3)
        daemon.start()
        installation.drorch("daemon", expect=4).told("another daemon uses this configuration")

        # its run is killed: it is tried again
        daemon.travel(slot + SOON)
        daemon.wait_for((installation.base / "begun").exists, "the run has begun")
        os.kill(children_of(daemon), signal.SIGKILL)
        waiting = daemon.wait_for_state("slow", slot, OccurrenceState.WAITING)
        assert "SIGKILL" in waiting.reason

        # told to end at once, it breaks its run off, which goes on after the next start
        (installation.base / "begun").unlink()
        assert waiting.not_before is not None
        daemon.travel(waiting.not_before + SECOND)
        daemon.wait_for((installation.base / "begun").exists, "the run has begun again")
        assert daemon.stop() == 0
        (broken_off,) = daemon.occurrences("slow")
        assert (broken_off.state, broken_off.reason) == (
            OccurrenceState.WAITING,
            "the daemon was stopped while it ran",
        )
        go.touch()
        daemon.start()
        daemon.travel(daemon.now + SOON)
        ended = daemon.wait_for_end("slow", slot)
        assert (ended.state, ended.attempts) == (OccurrenceState.OK, 3)

        full_and_locked(daemon, slot)
        renamed_while_it_runs(daemon, slot + timedelta(days=2))

        # the clock is set forward a year and back again: it is told, and nothing is deleted
        kept = len(installation.snapshots())
        back = daemon.now
        daemon.travel(back + timedelta(days=365))
        year = daemon.wait_for_one("slower", back + timedelta(days=100), lambda one: one.count > 300)
        assert year.state is OccurrenceState.MISSED
        assert "its clock was set forward" in year.reason
        last = daemon.occurrences("slower")[0]
        assert daemon.wait_for_end("slower", last.slot).state is OccurrenceState.OK
        daemon.travel(back)
        daemon.wait_for(lambda: daemon.epoch == 1, "it sees that hours come again")
        daemon.travel(local(back, 3, days=1) + SOON)
        day = local(back, 3, days=1)
        again = daemon.wait_for_one("slower", day, lambda one: one.epoch == 1 and one.state.is_final)
        assert (again.slot, again.state) == (day, OccurrenceState.OK)
        assert len(installation.snapshots()) == kept + 2
        in_the_ledger(daemon)
        assert daemon.stop() == 0


def full_and_locked(daemon: Daemon, slot: datetime) -> None:
    """Nothing is started while the catalog cannot be written, and what was due is done when it can."""
    assert daemon.process is not None
    nights = [slot + timedelta(days=days) for days in (1, 2)]
    _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    daemon.log.write_text("")  # the limit is one of its log, too
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (4096, hard))
    daemon.travel(nights[0] + SOON)
    daemon.wait_for(lambda: bool(daemon.journal(event="trouble")), "it tells that the catalog cannot be written")
    assert daemon.occurrences("slow")[0].slot == slot
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    assert daemon.wait_for_end("slow", nights[0]).state is OccurrenceState.OK

    catalog = sqlite3.connect(daemon.installation.base / "var/state/catalog.sqlite", isolation_level=None)
    with closing(catalog):
        catalog.execute("begin immediate")
        daemon.travel(nights[1] + SOON)
        time.sleep(1.5)
        assert daemon.occurrences("slow")[0].slot == nights[0]
        catalog.execute("rollback")
    assert daemon.wait_for_end("slow", nights[1]).state is OccurrenceState.OK


def renamed_while_it_runs(daemon: Daemon, slot: datetime) -> None:
    """The run ends under its old name; the next one goes on under the new name, with what was there before."""
    base, nights = daemon.installation.base, [slot + timedelta(days=days) for days in (1, 2)]
    for name in ("go", "begun"):
        (base / name).unlink()
    daemon.travel(nights[0] + SOON)
    daemon.wait_for((base / "begun").exists, "the run has begun")
    old = base / "policies/slow.yaml"
    daemon.installation.policy("slower", old.read_text().replace("name: slow\n", "name: slower\nwas: slow\n"))
    old.unlink()
    daemon.wake()
    daemon.wait_for(lambda: "slower" in daemon.promised(), "the new name is promised")
    (base / "go").touch()
    assert daemon.wait_for_end("slow", nights[0]).state is OccurrenceState.OK
    daemon.travel(nights[1] + SOON)
    assert daemon.wait_for_end("slower", nights[1]).state is OccurrenceState.OK
    assert len(daemon.lanes()) == 1


def in_the_ledger(daemon: Daemon) -> None:
    """Every occurrence that has ended comes into the ledger: exceptions single, the rest by policy and hour."""
    daemon.travel(daemon.now + timedelta(hours=1))
    daemon.wait_for(lambda: not daemon.unentered(), "all is in the ledger")
    entries = daemon.installation.drorch("evidence", "log", "--json").json()["entries"]
    kinds = Counter(one["kind"] for one in entries)
    assert kinds["occurrence"] >= 1, entries
    assert kinds["occurrences"] >= 5, entries


def children_of(daemon: Daemon) -> int:
    """Return the process id of the one run of a daemon."""
    assert daemon.process is not None
    (found,) = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split()
    return int(found)  # never 0, which is this process and all beside it

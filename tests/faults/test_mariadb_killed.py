"""``kill -9`` of a restore into MariaDB, and of the server, while the server moves the tables: the old ones or the new ones, never some of each."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.test_mariadb import protect, target
from tests.contract.test_targets_mariadb import LAND, OLD
from tests.support.installations import Custodian, Installation, end, new_installation
from tests.support.mariadb import ADMIN_PASSWORD, MariadbServer, running_mariadb

PATIENCE_SECONDS = 60


@pytest.fixture
def office(custodian: Custodian, tmp_path: Path) -> Installation:
    installation = new_installation(tmp_path / "etc", custodian, "disk=disk")
    installation.secret("admin", ADMIN_PASSWORD)
    return installation


def moving(server: MariadbServer) -> list[int]:
    """Return the sessions that wait to rename tables."""
    asked = "select id from information_schema.processlist where info like 'RENAME TABLE%' and state like 'Waiting%'"
    return [number for (number,) in server.run(asked)]


@contextlib.contextmanager
def halted_in_the_switch(
    office: Installation, server: MariadbServer, name: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Yield a restore over ``name`` whose RENAME the server has begun and cannot end: somebody reads one of the tables."""
    holder = server.connect(name, autocommit=False)
    holder.query("select * from unit")
    words = ("latest:hotich", "--to", *target(server, name), "--replace", *office.custodian.opens)
    process = office.start("restore", *words)
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while not (sessions := moving(server)):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.05)
        yield process, sessions[0]
    finally:
        end(process)
        process.communicate()
        with contextlib.suppress(Exception):  # the server may be gone
            holder.close()


def prepared(office: Installation, server: MariadbServer) -> tuple[str, str, str]:
    """Back up one database; return it, another that is to be replaced by it, and the twin of that."""
    source, name = server.new_database(*LAND, prefix="land"), server.new_database(*OLD, prefix="old")
    protect(office, server, source, f"r_{source}")
    office.drorch("backup", "hotich")
    return source, name, server.new_database(*OLD, prefix="twin")


def ends_well(office: Installation, server: MariadbServer, source: str, name: str, twin: str) -> None:
    """Assert that the tables are those of one moment, and that the same command, given again, ends well and keeps the old database."""
    tables = {table for (table,) in server.run(f"show tables from `{name}`")}
    rows = {row[0] for row in server.run("select name from unit", database=name)}
    assert rows in ({"old"}, {"new"})
    assert ("kept" in tables) == (rows == {"old"})
    office.restore("latest:hotich", *target(server, name), "--replace").told("OK", "3 of 3 tables")
    assert server.compare(source, name, "^event nightly$").startswith("equal: 3 tables, 3 rows")
    kept = [one for one in server.databases(f"{name}_") if "__before_" in one]
    assert server.databases(f"{name}_") == kept  # no side database is left
    judged = [server.compare(twin, one, "^event") for one in kept]
    assert any(told.startswith("equal: 4 tables") for told in judged), judged


def test_the_restore_is_killed(office: Installation, mariadb: MariadbServer) -> None:
    source, name, twin = prepared(office, mariadb)
    with halted_in_the_switch(office, mariadb, name) as (process, session):
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    until = time.monotonic() + PATIENCE_SECONDS
    while mariadb.run(f"select 1 from information_schema.processlist where id = {session}"):
        assert time.monotonic() < until  # the server ends the statement when it can, and then hears that nobody listens
        time.sleep(0.05)
    ends_well(office, mariadb, source, name, twin)


@pytest.mark.slow
def test_the_server_is_killed(office: Installation) -> None:
    with running_mariadb("--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1") as server:  # as it is by default
        source, name, twin = prepared(office, server)
        with halted_in_the_switch(office, server, name) as (process, _session):
            server.stop()  # by SIGKILL
            assert process.wait(PATIENCE_SECONDS) != 0
        server.start()
        ends_well(office, server, source, name, twin)

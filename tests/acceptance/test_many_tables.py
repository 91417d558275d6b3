"""50,000 tables, by hand: how long, how much memory, and what is told when the server has too few locks for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from drorch.errors import SourceLocked
from tests.support.installations import (
    Custodian,
    Installation,
    equal,
    land_policy,
    new_installation,
    peak_kib,
    socket_url,
)
from tests.support.postgresql import SUPERUSER_PASSWORD, Server, running_server

TABLES, SCHEMAS, AT_ONCE = 50_000, 50, 500
MOST_KIB = 256 * 1_024
MOST_OF_PG_DUMP = 3.0
REFUSED_WITHIN_SECONDS = 10


def fill(server: Server, database: str) -> None:
    server.run("".join(f"create schema s{number};" for number in range(SCHEMAS)), database)
    loop = "do $$ begin for i in {0}..{1} loop execute format('create table s%s.t%s (id int primary key, v text)', i % 50, i); end loop; end $$"
    for first in range(1, TABLES, AT_ONCE):
        server.run(loop.format(first, first + AT_ONCE - 1), database)
    server.run("insert into s7.t7 values (7, 'bảy')", database)


def give_locks(server: Server, count: int) -> None:
    """Do what the hint says, and restart."""
    server.run(f"alter system set max_locks_per_transaction = {count}")
    server.stop("fast")
    server.start()


def refused(installation: Installation) -> float:
    """Back up from the stock server; return the seconds until it was told which value to set."""
    began = time.monotonic()
    answer = installation.drorch("backup", "many", expect=None)
    seconds = time.monotonic() - began
    assert answer.code == SourceLocked.exit_code
    answer.told("set max_locks_per_transaction = ")
    assert seconds < REFUSED_WITHIN_SECONDS
    return seconds


def dumped(server: Server, database: str, file: Path) -> float:
    """Let ``pg_dump`` do it; return its seconds."""
    began = time.monotonic()
    dump = [str(server.programs / "pg_dump"), "-Fc", "-f", str(file), socket_url(server, database)]
    subprocess.run(dump, check=True)
    return time.monotonic() - began


def done(installation: Installation, *words: str) -> dict[str, float]:
    """Run a command; return its seconds and the most memory of the program itself: ``pg_dump`` takes what it takes."""
    began = time.monotonic()
    with subprocess.Popen(installation.command(*words), cwd=installation.base, stdout=subprocess.DEVNULL) as process:
        most_kib = peak_kib(process)
    assert process.returncode == 0
    assert 0 < most_kib <= MOST_KIB
    return {"seconds": round(time.monotonic() - began, 1), "peak_mib": most_kib // 1_024}


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_fifty_thousand_tables(custodian: Custodian, tmp_path: Path) -> None:
    """Prints the figures of docs/BENCHMARKS.md."""
    installation = new_installation(tmp_path / "etc", custodian, "disk=disk")
    installation.secret("many", SUPERUSER_PASSWORD)
    figures: dict[str, Any] = {"processors": os.cpu_count(), "load": os.getloadavg()[0]}
    with running_server(15) as server:
        database = server.new_database("select 1")
        fill(server, database)
        installation.policy(
            "many", land_policy(server, database, "many", user="postgres", password="file:secrets/many")
        )
        figures["refused"] = round(refused(installation), 1)
        give_locks(server, 2_048)
        figures["pg_dump"] = round(dumped(server, database, tmp_path / "dump"), 1)
        figures["first"] = done(installation, "backup", "many")
        figures["second"] = done(installation, "backup", "many")
        figures["pg_dump again"] = round(dumped(server, database, tmp_path / "dump"), 1)
        to = socket_url(server, f"{database}_back")
        figures["restore"] = done(installation, "restore", "latest:many", "--to", to, *custodian.opens)
        figures["load at the end"] = os.getloadavg()[0]
        sys.stdout.write(f"\n{json.dumps(figures, indent=2)}\n")
        sys.stdout.flush()
        equal("postgresql", socket_url(server, database), to, programs=server.programs, longest_seconds=3_600)
    assert figures["first"]["seconds"] <= MOST_OF_PG_DUMP * max(figures["pg_dump"], figures["pg_dump again"])

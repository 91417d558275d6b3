"""50,000 tables, by hand: how long, how much memory, and what is told when the server has too few locks for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.installations import Custodian, equal, land_policy, measured, new_installation, socket_url
from tests.support.postgresql import SUPERUSER_PASSWORD, Server, running_server

TABLES, SCHEMAS, AT_ONCE = 50_000, 50, 1_000
MOST_KILOBYTES = 262_144


def fill(server: Server, database: str) -> None:
    server.run("".join(f"create schema s{number};" for number in range(SCHEMAS)), database)
    loop = "do $$ begin for i in {0}..{1} loop execute format('create table s%s.t%s (id int primary key, v text)', i % 50, i); end loop; end $$"
    for first in range(1, TABLES, AT_ONCE):
        server.run(loop.format(first, first + AT_ONCE - 1), database)
    server.run("insert into s7.t7 values (7, 'bảy')", database)


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_fifty_thousand_tables(custodian: Custodian, tmp_path: Path) -> None:
    """Prints the figures of docs/BENCHMARKS.md."""
    installation = new_installation(tmp_path / "etc", custodian, "disk=disk")
    installation.secret("many", SUPERUSER_PASSWORD)
    figures: dict[str, object] = {"processors": os.cpu_count(), "load": os.getloadavg()[0]}
    with running_server(15, settings="max_locks_per_transaction = 2048\n") as server:
        database = server.new_database("select 1")
        fill(server, database)
        policy = land_policy(server, database, "many", user="postgres", password="file:secrets/many")
        installation.policy("many", policy)
        began = time.monotonic()
        dump = [str(server.programs / "pg_dump"), "-Fc", "-f", str(tmp_path / "dump"), socket_url(server, database)]
        subprocess.run(dump, check=True)
        figures["pg_dump"] = round(time.monotonic() - began, 1)
        for words, key in ((("backup", "many"), "first"), (("backup", "many"), "second")):
            code, told, seconds, kilobytes = measured(installation, *words)
            assert code == 0, told
            figures[key] = {"seconds": round(seconds, 1), "peak_mb": kilobytes // 1_000}
            assert kilobytes < MOST_KILOBYTES
        to = socket_url(server, f"{database}_back")
        code, told, seconds, kilobytes = measured(installation, "restore", "latest:many", "--to", to, *custodian.opens)
        assert code == 0, told
        figures["restore"] = {"seconds": round(seconds, 1), "peak_mb": kilobytes // 1_000}
        sys.stdout.write(f"\n{json.dumps(figures, indent=2)}\n")
        equal("postgresql", socket_url(server, database), to, programs=server.programs)

"""A source of another version of PostgreSQL is drilled in the server that is here: the older ones in Debian's 15, the newer ones in the wheel's 18."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.test_damaged_drills import LAND
from tests.support.installations import Custodian, new_installation
from tests.support.postgresql import running_server
from tests.support.postgresql_programs import NPM_VERSIONS, readable_wheel


@pytest.mark.matrix
@pytest.mark.parametrize("major", sorted(NPM_VERSIONS))
def test_a_source_of_another_version_passes(major: int, custodian: Custodian, tmp_path: Path) -> None:
    made = new_installation(tmp_path / "etc", custodian, "disk=disk")
    if major > 15:  # Debian's pg_dump reads no newer server
        made.settings.write_text(f"{made.settings.read_text()}\ntools: {{postgresql: {readable_wheel()}}}\n")
    with running_server(major) as server:
        database = server.new_database(LAND)
        url = f"host: {server.sockets}\n    port: {server.port}\n    database: {database}\n    user: postgres"
        made.policy("land", f'name: land\nsource:\n  postgresql:\n    {url}\nschedule: "30 1 * * *"\n')
        made.drorch("backup", "land")
    (drilled,) = made.drorch("drill", "run", "land", *made.custodian.opens, "--no-paper", "--json").json()["drills"]
    report = drilled["report"]
    assert drilled["verdict"] == "pass", drilled["summary"]
    assert report["snapshot"]["engine_version"].startswith(f"{major}.")
    assert report["sandbox"]["engine_version"].startswith("15." if major < 15 else "18.")

"""Deltas as an operator sees them: by the command, on a real server, told in the report, off for personal data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.installations import (
    Custodian,
    Installation,
    equal,
    land_policy,
    make_account,
    new_installation,
    socket_url,
)
from tests.support.postgresql import BACKUP_PASSWORD, Server

ROWS = """
create table parcel (id int primary key, owner text, noise text, note text);
insert into parcel select n, 'Nguyễn Văn ' || n % 97, repeat(md5(n::text), 4), 'Thửa ' || n % 613 from generate_series(1, 20000) n;
"""


@pytest.fixture
def changed(custodian: Custodian, postgresql_15: Server, tmp_path: Path) -> tuple[Installation, Server, str]:
    installation = new_installation(tmp_path / "etc", custodian, "disk=disk")
    database = postgresql_15.new_database(ROWS, prefix="delta")
    installation.secret("land", BACKUP_PASSWORD)
    installation.policy("land", land_policy(postgresql_15, database))
    make_account(postgresql_15, installation, "land", database)
    return installation, postgresql_15, database


def back_up_twice(changed: tuple[Installation, Server, str]) -> list[dict[str, object]]:
    installation, server, database = changed
    first = installation.drorch("backup", "land", "--json").json()["snapshots"][0]
    server.run("update parcel set note = 'sổ mới' where id % 200 = 7", database)
    return [first, installation.drorch("backup", "land", "--json").json()["snapshots"][0]]


def test_a_changed_table_costs_what_changed_and_comes_back(changed: tuple[Installation, Server, str]) -> None:
    first, second = back_up_twice(changed)
    assert second["bytes"]["delta"] > 2_000_000  # type: ignore[index]
    assert second["bytes"]["delta_stored"] < first["bytes_stored"] / 10  # type: ignore[index, operator]
    assert second["chunks"]["delta"] > 0  # type: ignore[index]
    installation, server, database = changed
    words = ("restore", "latest:land", "--to", socket_url(server, f"{database}_back"), *installation.custodian.opens)
    installation.drorch(*words)
    urls = [socket_url(server, name) for name in (database, f"{database}_back")]
    assert equal("postgresql", *urls, programs=server.programs).startswith("equal")


def test_personal_data_stay_off_the_host(changed: tuple[Installation, Server, str]) -> None:
    installation, server, database = changed
    installation.policy("land", land_policy(server, database) + "classification: personal\n")
    _, second = back_up_twice(changed)
    assert second["chunks"]["delta"] == 0  # type: ignore[index]
    assert second["bytes"]["new"] > 2_000_000  # type: ignore[index]
    assert [path.name for path in (installation.base / "var/cache").rglob("*.bases")] == []

"""A drill on a named scratch server by the command line: passes, leaves nothing there, and refuses a server that somebody works with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir

import psycopg
import pytest

from drorch.sandbox.postgresql import PostgresqlServer, throw_away_postgresql
from tests.support.installations import Custodian, Installation, new_installation
from tests.support.postgresql import Server

LAND = """
create role land_owner;
create table unit (code text primary key, name text);
alter table unit owner to land_owner;
insert into unit select i::text, 'Đơn vị ' || i from generate_series(1, 200) i;
"""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    place = tmp_path_factory.mktemp("scratch")
    ours = [one for one in place.parents if one.is_relative_to(Path(gettempdir())) and one != Path(gettempdir())]
    for one in (place, *ours):  # the server is another account
        one.chmod(0o711)
    with throw_away_postgresql(place) as server:
        yield server


@pytest.fixture(scope="module")
def office(custodian: Custodian, postgresql_15: Server, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = new_installation(tmp_path_factory.mktemp("office") / "etc", custodian, "disk=disk")
    role = f"owner_{made.base.parent.parent.name[-6:]}_{made.base.parent.name[-6:]}".replace("-", "_")
    database = postgresql_15.new_database(LAND.replace("land_owner", role), prefix="scratched")
    url = f"host: {postgresql_15.sockets}\n    port: {postgresql_15.port}\n    database: {database}\n    user: postgres"
    made.policy("land", f'name: land\nsource:\n  postgresql:\n    {url}\nschedule: "30 1 * * *"\n')
    made.drorch("backup", "land")
    (made.base / "restore_tests").mkdir(exist_ok=True)
    (made.base / "restore_tests/there.yaml").write_text(
        "name: there\npolicy: land\nsandbox: drill-pg\nqueries:\n  - {name: all units, sql: select count(*) from unit, expect: 200}\n"
    )
    (made.base / "restore_tests/hanging.yaml").write_text(
        "name: hanging\npolicy: land\nsandbox: drill-pg\ntimeout: 10s\n"
        "queries:\n  - {name: endless, sql: select count(*) from pg_sleep(600), expect: 1}\n"
    )
    return made


def use(office: Installation, host: str | Path, port: int) -> None:
    text = office.settings.read_text().partition("sandboxes:")[0]
    office.settings.write_text(
        f"{text}sandboxes: {{drill-pg: {{postgresql: {{host: {host}, port: {port}, user: postgres}}}}}}\n"
    )


def names(server: PostgresqlServer, question: str) -> list[str]:
    with psycopg.connect(host=str(server.directory), user="postgres", dbname="postgres", autocommit=True) as session:
        return sorted(row[0] for row in session.execute(question.encode()))


def left_on(server: PostgresqlServer) -> tuple[list[str], list[str]]:
    return names(server, "select datname from pg_database"), names(server, "select rolname from pg_roles")


def test_it_is_drilled_there_and_nothing_is_left(office: Installation, scratch: PostgresqlServer) -> None:
    use(office, scratch.directory, scratch.port)
    before = left_on(scratch)
    (drilled,) = office.drorch("drill", "run", "there", *office.custodian.opens, "--json").json()["drills"]
    sandbox = drilled["report"]["sandbox"]
    assert drilled["verdict"] == "pass"
    assert "scratch server drill-pg (PostgreSQL" in sandbox["kind"]
    assert sandbox["is_throw_away"] is False
    assert "1 database dropped" in sandbox["wiped"][0]
    assert left_on(scratch) == before


def test_a_question_without_an_end_is_ended_there_too(office: Installation, scratch: PostgresqlServer) -> None:
    use(office, scratch.directory, scratch.port)
    before = left_on(scratch)
    (drilled,) = office.drorch("drill", "run", "hanging", *office.custodian.opens, "--json", expect=52).json()["drills"]
    assert drilled["verdict"] == "inconclusive"
    assert left_on(scratch) == before
    assert (
        names(scratch, "select query from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()")
        == []
    )


def test_a_server_that_somebody_works_with_is_refused(
    office: Installation, postgresql_15: Server, tmp_path: Path
) -> None:
    use(office, postgresql_15.sockets, postgresql_15.port)
    refused = office.drorch("drill", "run", "there", *office.custodian.opens, expect=2)
    refused.told("drill-pg is no scratch server", "land is backed up from it")
    disguise = tmp_path / "sockets"
    disguise.symlink_to(postgresql_15.sockets)
    use(office, disguise, postgresql_15.port)
    (drilled,) = office.drorch("drill", "run", "there", *office.custodian.opens, "--json", expect=52).json()["drills"]
    assert "drill-pg is the server that this was backed up from" in str(drilled["report"]["checks"])
    assert postgresql_15.run("select 1 from pg_database where datname like 'drorch_drill_%'") == []

"""``policy grants`` that asks the server: concrete, sufficient, and without a word about what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.installations import Custodian, Installation, land_policy, new_installation, socket_url
from tests.support.postgresql import BACKUP_PASSWORD, SUPERUSER_PASSWORD, Server
from tests.support.postgresql_zoo import psql

ACCOUNT = "drorch_asked"  # dropping what it owns takes its grants on every database of the server
SCRIPT = """
create table open_to_all (a int);
create table guarded (a int); alter table guarded enable row level security;
insert into guarded values (1), (2);
select lo_from_bytea(4711, 'x');
"""


@pytest.fixture
def land(custodian: Custodian, postgresql_15: Server, tmp_path: Path) -> tuple[Installation, Server, str]:
    installation = new_installation(tmp_path / "etc", custodian, "disk=disk")
    database = postgresql_15.new_database(SCRIPT, prefix="asked")
    installation.secret("land", BACKUP_PASSWORD)
    installation.secret("admin", SUPERUSER_PASSWORD)
    installation.policy("land", land_policy(postgresql_15, database, user=ACCOUNT))
    return installation, postgresql_15, database


def drop_account(server: Server, database: str) -> None:
    if server.run(f"select 1 from pg_roles where rolname = '{ACCOUNT}'"):
        for (name,) in server.run("select datname from pg_database where datallowconn"):
            server.run(f"drop owned by {ACCOUNT}", name)
        server.run(f"drop role {ACCOUNT}")


def test_an_administrator_gets_what_this_server_needs_and_it_is_enough(
    land: tuple[Installation, Server, str], tmp_path: Path
) -> None:
    installation, server, database = land
    drop_account(server, database)
    url = socket_url(server, database)
    text = installation.drorch("policy", "grants", "land", "--connect", url).out
    assert f"CREATE ROLE {ACCOUNT} LOGIN;" in text
    assert f"--   public.guarded\nALTER ROLE {ACCOUNT} BYPASSRLS;" in text
    assert "open_to_all" not in text
    assert "11 to 13" not in text  # this server's version is known
    psql(server, database, f"{text}\nalter role {ACCOUNT} password '{BACKUP_PASSWORD}';")
    (snapshot,) = installation.drorch("backup", "land", "--json").json()["snapshots"]
    assert snapshot["rows"] == 3  # two rows under row security, one page of a large object
    asked = installation.drorch("policy", "grants", "land", "--ask").out
    assert f"-- the role {ACCOUNT} exists" in asked
    assert "CREATE ROLE" not in asked
    assert "public.guarded" in asked


def test_a_password_by_reference_and_over_tcp(land: tuple[Installation, Server, str]) -> None:
    installation, server, database = land
    url = f"postgresql://postgres@127.0.0.1:{server.port}/{database}?sslrootcert={server.authority}"
    words = ("policy", "grants", "land", "--connect", url, "--connect-password")
    assert "public.guarded" in installation.drorch(*words, "file:secrets/admin").out
    refused = installation.drorch(*words, SUPERUSER_PASSWORD, expect=12)
    assert SUPERUSER_PASSWORD not in refused.out + refused.err
    refused.told("--connect-password takes a place, not a password")


def test_another_database_is_refused(land: tuple[Installation, Server, str]) -> None:
    installation, server, database = land
    refused = installation.drorch("policy", "grants", "land", "--connect", socket_url(server, "postgres"), expect=2)
    refused.told("not that of the policy's database", f"database {database}", "database postgres")


def test_many_databases_have_no_one_address(land: tuple[Installation, Server, str]) -> None:
    installation, server, _database = land
    (installation.base / "policies" / "d.csv").write_text("id,db\na,one\nb,two\n")
    text = land_policy(server, '"{db}"', name="many", user=ACCOUNT).replace("source:", "for_each: d.csv\nsource:")
    installation.policy("many", text)
    refused = installation.drorch("policy", "grants", "many", "--connect", socket_url(server, "one"), expect=2)
    refused.told("--connect with many/NAME, or --ask")


def test_without_a_question_no_server_is_asked(land: tuple[Installation, Server, str]) -> None:
    installation, server, database = land
    installation.policy("land", land_policy(server, database, port="1", user=ACCOUNT))
    text = installation.drorch("policy", "grants", "land").out
    assert "-- PostgreSQL 11 to 13, instead of that:" in text
    assert "guarded" not in text
    installation.drorch("policy", "grants", "land", "--ask", expect=22)

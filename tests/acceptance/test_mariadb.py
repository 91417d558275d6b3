"""A MariaDB database through the real command line: policy, grants, backup, plan, restore; the independent comparer judges."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.installations import ROOT, Custodian, Installation, new_installation
from tests.support.mariadb import ADMIN_PASSWORD, BACKUP_PASSWORD, MariadbServer, mariadb_program
from tests.support.mariadb_zoo import build

CHINOOK = ROOT.parent / "shared/data/chinook/Chinook_MySql.sql"
POLICY = """\
name: hotich
source:
  mariadb:
    host: 127.0.0.1
    port: {port}
    database: {database}
    user: {user}
    password: file:secrets/hotich
    tls_authority: {authority}
schedule: "0 2 * * *"
"""


def protect(
    installation: Installation, server: MariadbServer, database: str, user: str, password: str = BACKUP_PASSWORD
) -> None:
    """Write the policy, and make the account that ``policy grants`` prints, by MariaDB's own client."""
    installation.secret("hotich", password)
    text = POLICY.format(port=server.port, database=database, user=user, authority=server.authority)
    installation.policy("hotich", text)
    script = installation.drorch("policy", "grants", "hotich").out
    mariadb_program(server, script.replace("the password, typed here", BACKUP_PASSWORD))


def target(server: MariadbServer, database: str) -> tuple[str, ...]:
    url = f"mariadb://drorch_admin@127.0.0.1:{server.port}/{database}?tls_authority={server.authority}"
    return url, "--to-password", "file:secrets/admin"


@pytest.fixture
def office(custodian: Custodian, tmp_path: Path) -> Installation:
    installation = new_installation(tmp_path / "etc", custodian, "disk=disk")
    installation.secret("admin", ADMIN_PASSWORD)
    return installation


def test_the_zoo_from_policy_to_restore(office: Installation, mariadb: MariadbServer) -> None:
    database = mariadb.new_database(prefix="hotich")
    mariadb.run(*build(database), database=database)
    protect(office, mariadb, database, "hotich_reader")
    office.drorch("doctor", "hotich").told("the account may read everything that is captured", "TLSv1.3")
    answer = office.drorch("backup", "hotich")
    answer.told("hotich ok")
    answer.fits()
    (again,) = office.drorch("backup", "hotich", "--json").json()["snapshots"]
    assert again["rows"] == 943
    back = f"{database}_back"
    plan = office.restore("latest:hotich", *target(mariadb, back), "--plan")
    plan.told("PLAN", f"database {back} will be made", "event nightly comes disabled")
    restored = office.restore("latest:hotich", *target(mariadb, back))
    restored.told("OK", "17 of 17 tables", "ALTER EVENT nightly ENABLE")
    told = mariadb.compare(database, back, "^event nightly$", "broken$")
    assert told.startswith("equal: 17 tables, 943 rows"), told
    office.restore("latest:hotich", *target(mariadb, back), expect=70).told("--replace", f"database {back} exists")
    mariadb.run("delete from parcel where id > 100", database=back)
    office.restore("latest:hotich", *target(mariadb, back), "--replace").told("OK", f"{back}__before_")
    assert mariadb.compare(database, back, "^event nightly$", "broken$").startswith("equal")
    office.restore("latest:hotich", *target(mariadb, f"{back}_one"), "--table", "owner").told("OK", "1 of 17 tables")
    assert mariadb.run(f"select count(*) from `{back}_one`.owner for system_time all") == [(4,)]


def test_chinook_goes_round(office: Installation, mariadb: MariadbServer) -> None:
    if not CHINOOK.exists():
        pytest.skip("needs ../shared/data/chinook")
    database = mariadb.new_database(prefix="chinook")
    script = CHINOOK.read_text(encoding="utf-8-sig").replace("`Chinook`", f"`{database}`")
    mariadb_program(mariadb, script)
    protect(office, mariadb, database, "chinook_reader")
    office.drorch("backup", "hotich").told("hotich ok")
    office.restore("latest:hotich", *target(mariadb, f"{database}_back"))
    assert mariadb.compare(database, f"{database}_back").startswith("equal: 11 tables, 15607 rows")


def test_a_wrong_password_is_told_as_the_reference_says(office: Installation, mariadb: MariadbServer) -> None:
    database = mariadb.new_database("create table t (a int)", prefix="hotich")
    protect(office, mariadb, database, "hotich_wrong", password="not-the-one-canary")
    answer = office.drorch("backup", "hotich", expect=21)
    answer.told(
        "hotich: the database rejected the password",
        "(source-login)",
        f"to log in as hotich_wrong to mariadb://127.0.0.1:{mariadb.port}/{database}",
        "1045 Access denied for user 'hotich_wrong'@'127.0.0.1'",
        "file:secrets/hotich",
        "`drorch policy grants hotich` prints the account that is needed",
    )
    assert "canary" not in answer.out + answer.err
    answer.fits()
    office.drorch("doctor", "hotich", expect=None).told("rejected the password")


def test_what_an_account_lacks_is_listed(office: Installation, mariadb: MariadbServer) -> None:
    database = mariadb.new_database("create table t (a int)", prefix="hotich")
    protect(office, mariadb, database, "hotich_less")
    pattern = database.replace("_", "\\_")
    mariadb.run(
        "revoke select on mysql.proc from hotich_less@'%'", f"revoke trigger on `{pattern}`.* from hotich_less@'%'"
    )
    told = office.drorch("doctor", "hotich", expect=None)
    told.told("the account may not see routines", "GRANT SELECT ON mysql.proc", f"lacks TRIGGER on {database}")
    office.drorch("backup", "hotich", expect=23).told("(source-rights)", "policy grants")


def test_a_source_is_closed_when_its_final_snapshot_came_back(office: Installation, mariadb: MariadbServer) -> None:
    database = mariadb.new_database(
        "create table t (i int primary key)", "insert into t values (1), (2)", prefix="hotich"
    )
    protect(office, mariadb, database, "hotich_closer")
    words = ("--reason", "dissolved", "--legal-basis", "12/2026", *office.custodian.opens)
    office.drorch("source", "close", "hotich", *words).told("hotich is closed", "was restored whole")
    (closed,) = office.drorch("source", "list", "--json").json()["sources"]
    assert closed["state"] == "closed"

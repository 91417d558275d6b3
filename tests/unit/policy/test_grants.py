import re

import pytest

from drorch.policy.grants import PostgresqlFacts, grants
from tests.support.policies import POSTGRESQL, policy_of


def script(facts: PostgresqlFacts | None = None, more: str = "") -> str:
    return grants(
        policy_of(POSTGRESQL.replace("    user:", more + "    user:") if more else POSTGRESQL).sources()[0], facts
    )


def statements(text: str) -> list[str]:
    """Return what psql would run: without remarks, one statement each."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [" ".join(statement.split()).removesuffix(";") for statement in body.split(";\n") if statement.strip()]


def of_source(source: str) -> str:
    return grants(policy_of(f"name: x\nsource: {source}\nschedule: once\n").sources()[0])


def test_a_server_of_14_and_later_needs_three_statements():
    assert statements(script(PostgresqlFacts(server_version=15, database="land"))) == [
        "CREATE ROLE drorch_backup LOGIN",
        "GRANT CONNECT ON DATABASE land TO drorch_backup",
        "GRANT pg_read_all_data TO drorch_backup",
    ]


def test_a_server_of_11_to_13_needs_explicit_grants_now_and_for_the_future():
    found = statements(
        script(
            PostgresqlFacts(server_version=13, database="land", schemas=("public", "Đất"), object_owners=("land_app",))
        )
    )
    assert found[2:] == [
        "GRANT USAGE ON SCHEMA public TO drorch_backup",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO drorch_backup",
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO drorch_backup",
        'GRANT USAGE ON SCHEMA "Đất" TO drorch_backup',
        'GRANT SELECT ON ALL TABLES IN SCHEMA "Đất" TO drorch_backup',
        'GRANT SELECT ON ALL SEQUENCES IN SCHEMA "Đất" TO drorch_backup',
        "ALTER DEFAULT PRIVILEGES FOR ROLE land_app GRANT USAGE ON SCHEMAS TO drorch_backup",
        "ALTER DEFAULT PRIVILEGES FOR ROLE land_app GRANT SELECT ON TABLES TO drorch_backup",
        "ALTER DEFAULT PRIVILEGES FOR ROLE land_app GRANT SELECT ON SEQUENCES TO drorch_backup",
    ]
    assert not any("pg_read_all_data" in statement for statement in found)


def test_without_facts_the_script_runs_on_14_and_shows_the_rest_as_remarks():
    text = script()
    assert len(statements(text)) == 3
    for word in ("PostgreSQL 11 to 13", "BYPASSRLS", "LARGE OBJECT", "ON ALL SEQUENCES"):
        assert word in text


def test_row_security_is_bypassed_only_where_a_table_has_it():
    without = PostgresqlFacts(server_version=15, database="land")
    assert "BYPASSRLS" not in script(without)
    text = script(
        PostgresqlFacts(
            server_version=15, database="land", row_security_tables=tuple(f"public.t{n}" for n in range(12))
        )
    )
    assert statements(text)[-1] == "ALTER ROLE drorch_backup BYPASSRLS"
    assert "--   public.t9\n--   and 2 more\n" in text


def test_large_objects_are_granted_by_number_and_many_in_a_loop():
    few = PostgresqlFacts(server_version=15, database="land", large_objects=(16_401, 16_402))
    assert statements(script(few))[3:] == [
        "GRANT SELECT ON LARGE OBJECT 16401 TO drorch_backup",
        "GRANT SELECT ON LARGE OBJECT 16402 TO drorch_backup",
    ]
    many = script(PostgresqlFacts(server_version=15, database="land", large_objects=tuple(range(1, 102))))
    assert "FOR number IN SELECT oid FROM pg_largeobject_metadata LOOP" in many
    assert "LARGE OBJECT 17 " not in many


def test_from_18_on_large_objects_are_granted_ahead():
    def facts(version: int) -> PostgresqlFacts:
        return PostgresqlFacts(server_version=version, database="land", large_objects=(1,), object_owners=("app",))

    ahead = "ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON LARGE OBJECTS TO drorch_backup"
    assert ahead in statements(script(facts(18)))
    assert ahead not in statements(script(facts(17)))


def test_hashes_of_passwords_only_when_they_are_asked_for():
    facts = PostgresqlFacts(server_version=15, database="land")
    assert "pg_authid" not in script(facts)
    assert (
        statements(script(facts, "    roles: with_passwords\n"))[-1]
        == "GRANT SELECT ON pg_catalog.pg_authid TO drorch_backup"
    )


EVIL = 'x\n; DROP TABLE parcel; --"\\'


def test_names_that_a_database_user_chose_cannot_become_statements():
    facts = PostgresqlFacts(
        server_version=13,
        database=EVIL,
        schemas=(EVIL,),
        row_security_tables=(EVIL,),
        object_owners=(EVIL,),
        large_objects=(1,),
    )
    quoted = '"' + EVIL.replace('"', '""') + '"'
    text = script(facts)
    assert "DROP TABLE" not in re.sub("--.*", "", text.replace(quoted, "NAME"))


def test_no_password_and_no_place_of_one_is_in_the_script():
    for text in (script(), of_source("{mariadb: {host: h, database: d, user: u, password: env:SECRET}}")):
        assert "file:" not in text
        assert "SECRET" not in text


def test_discovery_names_its_patterns():
    text = grants(policy_of(POSTGRESQL.replace("database: land", "databases: {match: [land_d*]}")).sources()[0])
    assert (
        "GRANT CONNECT ON DATABASE DATABASE_NAME TO drorch_backup;\n-- and so for every database that matches land_d*"
        in text
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "{mariadb: {host: h, database: ho_tich, user: u}}",
            [
                "CREATE USER 'u'@'%' REQUIRE SSL ACCOUNT LOCK",
                "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `ho\\_tich`.* TO 'u'@'%'",
            ],
        ),
        (
            "{mariadb: {databases: {match: ['ncc_*', b?]}}}",
            [
                "CREATE USER 'drorch_backup'@'localhost' ACCOUNT LOCK",
                "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `ncc\\_%`.* TO 'drorch_backup'@'localhost'",
                "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `b_`.* TO 'drorch_backup'@'localhost'",
            ],
        ),
    ],
)
def test_mariadb(source: str, expected: list[str]):
    found = statements(of_source(source))
    assert [statement for statement in found if statement in expected] == expected
    assert not any("PROCESS" in statement or "global_priv" in statement for statement in found)


def test_mariadb_gives_more_only_where_the_policy_asks_for_it():
    usual = of_source("{mariadb: {host: h, database: d}}")
    assert "GRANT SELECT (Host, User, is_role, plugin, ssl_type) ON mysql.user" in usual
    without = of_source("{mariadb: {host: h, database: d, roles: none}}")
    assert "mysql.user" not in without
    assert "mysql.db" not in without
    more = of_source("{mariadb: {host: h, database: d, roles: with_passwords, non_transactional: lock}}")
    assert "GRANT SELECT ON mysql.global_priv" in more
    assert "EVENT, LOCK TABLES ON `d`.*" in more
    assert "SHOW DATABASES" in of_source("{mariadb: {host: h, databases: {match: [a]}}}")


def test_engines_without_accounts_say_which_files():
    assert "setfacl -m u:drorch:r /var/lib/x.db" in of_source("{sqlite: {file: /var/lib/x.db}}")
    assert "  /srv/scans" in of_source("{files: {paths: [/srv/scans]}}")
    text = of_source(
        "{command: {capture: [gbak, -b], restore: [load], minimum_size: 1MB, environment: {ISC_USER: env:U}}}"
    )
    assert "  capture   gbak -b\n" in text
    assert "ISC_USER from env:U" in text


def test_every_line_fits_the_page():
    facts = PostgresqlFacts(
        server_version=13, database="land", schemas=("public",), object_owners=("land_app",), large_objects=(1,)
    )
    for text in (
        script(),
        script(facts),
        of_source("{mariadb: {host: h, database: d}}"),
        of_source("{sqlite: {file: /x.db}}"),
    ):
        assert all(len(line) <= 80 for line in text.splitlines())


def test_an_account_that_exists_is_not_made_again():
    facts = PostgresqlFacts(server_version=15, database="land", account_exists=True)
    assert "CREATE ROLE" not in script(facts)
    assert "-- the role drorch_backup exists" in script(facts)

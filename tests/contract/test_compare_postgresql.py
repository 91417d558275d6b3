"""The independent comparer on PostgreSQL: equal ones are equal, and every single mutation is seen and named."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.postgresql import Server
from tests.support.postgresql_programs import DEBIAN
from tests.support.postgresql_zoo import database_sql, make_zoo

COMPARE = Path(__file__).parents[2] / "tools" / "compare.py"
NOT_COPIED = ("--ignore", "SUBSCRIPTION")  # CREATE DATABASE ... TEMPLATE leaves them behind


def compare(server: Server, first: str, second: str, *arguments: str) -> tuple[int, str]:
    urls = [f"postgresql://postgres@/{name}?host={server.sockets}&port={server.port}" for name in (first, second)]
    argv = [sys.executable, "-I", str(COMPARE), "postgresql", *urls, "--programs", str(server.programs), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def zoo(postgresql_15):
    return make_zoo(postgresql_15)


@pytest.fixture
def copy(postgresql_15, zoo):
    """A copy of the zoo that a test may change."""
    name = postgresql_15.new_database(options=f'template "{zoo}"', prefix="copy")
    postgresql_15.run(database_sql(name))
    yield name
    postgresql_15.run(f'drop database "{name}"')


def test_a_database_and_its_copy_are_equal(postgresql_15, zoo, copy):
    code, said = compare(postgresql_15, zoo, copy, *NOT_COPIED)
    assert code == 0, said
    assert said.startswith("equal: ")
    tables, rows = int(said.split()[1]), int(said.split()[3])
    assert tables > 20
    assert rows > 1500


def test_rows_in_another_order_are_equal(postgresql_15, zoo, copy):
    postgresql_15.run("update app.sales set amount = amount; update app.hashed set v = v where k like '%7'", copy)
    code, said = compare(postgresql_15, zoo, copy, *NOT_COPIED)
    assert code == 0, said


MUTATIONS = {
    "one cell": ("update app.every set t = t || ' ' where id = 300", "rows of app.every"),
    "the last digit of a float": ("update app.every set d = d + 1e-15 where t = 'row 3'", "rows of app.every"),
    "composed and decomposed": ('set session_replication_role = replica; update app.every set "Tên chủ" = normalize("Tên chủ", NFD) where id = 1', "rows of app.every"),
    "null and empty": ("update app.every set v = '' where id = 5", "rows of app.every"),
    "one row less": ("delete from app.sales where day = '2019-02-01'", "rows of app.sales_2019_rest"),
    "one row twice": ('insert into "new\nline"."per%cent" values (2)', 'rows of "new\\nline"."per%cent"'),
    "one row of no columns": ("insert into app.nothing default values", "rows of app.nothing"),
    "content of a materialized view": ("insert into app.every default values; refresh materialized view app.mv; delete from app.every where id > 502", "rows of app.mv"),
    "a view that is filled": ("refresh materialized view app.unfilled", "materialized view without content app.unfilled"),
    "a grant": ("grant insert on app.every to zoo_reader", "definition ACL app.TABLE every"),
    "a grant on a column": ('revoke update (small) on app.every from "Vai trò đọc"', "definition ACL app.COLUMN every.small"),
    "a default grant": ("alter default privileges for role zoo_owner in schema app revoke select on tables from zoo_reader", "definition DEFAULT ACL app.DEFAULT PRIVILEGES FOR TABLES"),
    "an owner": ("alter table app.log owner to zoo_owner", "definition TABLE app.log"),
    "a sequence's position": ("select nextval('app.seq')", "sequence app.seq"),
    "a sequence that was called": ("select nextval('app.unused')", "sequence app.unused"),
    "an identity's position": ("select nextval('app.every_id_seq')", "sequence app.every_id_seq"),
    "a column type": ("alter table app.parent alter id type bigint", "definition TABLE app.parent"),
    "a column's storage": ("alter table app.log alter what set storage external", "definition TABLE app.log"),
    "an index": ("drop index app.sales_amount", "definition INDEX app.sales_amount"),
    "an index of the same name": ("drop index app.every_expression; create index every_expression on app.every (upper(t), d desc nulls last)", "definition INDEX app.every_expression"),
    "a constraint": ("alter table app.referring drop constraint no_overlap", "definition CONSTRAINT app.referring no_overlap"),
    "a comment": ("comment on column app.every.t is 'khác'", "definition COMMENT app.COLUMN every.t"),
    "a function's body": ("create or replace function app.plus(int, int) returns int language sql immutable strict as 'select $2 + $1'", "definition FUNCTION app.plus(integer, integer)"),
    "a trigger's state": ("alter table app.every enable trigger off", "definition TRIGGER app.every off"),
    "a policy": ("drop policy mine on app.secret", "definition POLICY app.secret mine"),
    "a rule": ("drop rule ignore on app.v2", "definition RULE app.v2 ignore"),
    "a table": ("create table app.added ()", "definition TABLE app.added"),
    "one byte of a large object": ("select lo_put(90003, 400000, 'x')", "large object 90003"),
    "a large object less": ("select lo_unlink(90004)", "large object 90004"),
    "a large object's owner": ("alter large object 90001 owner to zoo_owner", "large object 90001"),
    "a large object's grant": ("revoke select on large object 90001 from zoo_reader", "large object 90001"),
    "a large object's comment": ("comment on large object 90001 is null", "large object 90001"),
    "a setting of the database": ("alter database \"{copy}\" set work_mem = '10MB'", "setting of the database work_mem"),
    "a setting of a role there": ('alter role zoo_reader in database "{copy}" reset datestyle', "setting of the database DateStyle for zoo_reader"),
    "the comment of the database": ("comment on database \"{copy}\" is 'khác'", "database comment"),
    "a grant on the database": ('grant connect on database "{copy}" to public', "database grants"),
    "the owner of the database": ('alter database "{copy}" owner to zoo_owner', "database owner"),
}  # fmt: skip


ROWS_OF_ONE_TABLE = [mutation for mutation, (_, label) in MUTATIONS.items() if label == "rows of app.every"]


@pytest.mark.parametrize("mutation", [*ROWS_OF_ONE_TABLE, "one byte of a large object"])
def test_a_mutation_is_the_only_difference(postgresql_15, zoo, copy, mutation):
    statement, label = MUTATIONS[mutation]
    postgresql_15.run(statement, copy)
    code, said = compare(postgresql_15, zoo, copy, *NOT_COPIED)
    assert code == 1, said
    assert said.startswith(("different: 1 difference\n", "different: 1 difference ("))
    assert f"\n  {label}: " in said


def test_every_mutation_is_named(postgresql_15, zoo, copy):
    for statement, _ in MUTATIONS.values():
        postgresql_15.run(statement.replace("{copy}", copy), copy)
    code, said = compare(postgresql_15, zoo, copy, *NOT_COPIED, "--show", "100")
    assert code == 1
    unseen = {mutation for mutation, (_, label) in MUTATIONS.items() if f"\n  {label}" not in said}
    assert unseen == set(), said


def test_databases_of_another_encoding_and_locale_are_told_apart(postgresql_15):
    first = postgresql_15.new_database(options="template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
    second = postgresql_15.new_database()
    code, said = compare(postgresql_15, first, second)
    assert code == 1
    assert "database encoding: 'SQL_ASCII' is 'UTF8' in the second" in said
    assert "database locale" in said


def test_bytes_of_an_old_encoding_are_compared_as_they_are(postgresql_15):
    script = "create table \"sổ\" (t text); insert into \"sổ\" values (convert_from('\\xb5a9ff', 'SQL_ASCII'))"
    options = "template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'"
    first, second = (postgresql_15.new_database(script, options=options) for _ in range(2))
    assert compare(postgresql_15, first, second)[0] == 0
    postgresql_15.run("update \"sổ\" set t = convert_from('\\xb5a9fe', 'SQL_ASCII')", second)
    code, said = compare(postgresql_15, first, second)
    assert code == 1
    assert 'rows of "sổ"' in said or "rows of public" in said


@pytest.mark.parametrize("name", ["no_such_database", "postgres' or 1"])
def test_what_cannot_be_read_is_trouble(postgresql_15, zoo, name):
    code, said = compare(postgresql_15, zoo, name.replace(" ", "%20"))
    assert code == 2
    assert said.startswith("trouble: ")


def test_a_password_in_the_url_reaches_no_argument_list(postgresql_15, zoo, tmp_path):
    for program in ("psql", "pg_dump"):
        spy = tmp_path / program
        spy.write_text(
            f'#!/bin/sh\necho "$@" "$PGPASSWORD" | tr "\\n" " " >> {tmp_path}/seen\necho >> {tmp_path}/seen\nexec {DEBIAN}/{program} "$@"\n'
        )
        spy.chmod(0o755)
    url = f"postgresql://postgres:canary%40@/{zoo}?host={postgresql_15.sockets}&port={postgresql_15.port}"
    argv = [sys.executable, "-I", str(COMPARE), "postgresql", url, url, "--programs", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = (tmp_path / "seen").read_text().splitlines()
    assert all(line.rstrip().endswith(" canary@") for line in seen)
    assert not any("canary" in line.rstrip().removesuffix("canary@") for line in seen)

"""From old servers to new ones, step by step: every value of every type bit for bit, judged by binary COPY."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from drorch.sources.interface import RestoreChoices
from tests.support.memory_content import SilentObserver, read_capture
from tests.support.postgresql import Server

TYPES = """
create type mood as enum ('vui', 'buồn', 'it''s'); alter type mood add value 'sau' before 'vui';
create type pair as (x float8, y interval, z timestamptz);
create domain share as numeric(5,4) check (value between 0 and 1); create domain tight as float8 default 0.1 check (value > 0.05);
create type floatrange as range (subtype = float8, subtype_diff = float8mi); create type spanrange as range (subtype = interval);
"""
# name, type, values: the edges of each type, and what older versions print in another way
COLUMNS = (
    ("f4", "real", ("0.1", "-0", "NaN", "Infinity", "1.17549435e-38", "1e-45", "3.4028235e38", "0.30000001")),
    ("f8", "double precision", ("0.1", "-0", "NaN", "-Infinity", "5e-324", "1.7976931348623157e308", "0.30000000000000004", "123456789.12345679")),
    ("num", "numeric", ("NaN", "0.0", "1e-1000", "1e1000", "-0.00000000000000000001", "12345678901234567890.123456789")),
    ("cash", "money", ("-92233720368547758.08", "92233720368547758.07", "0.01")),
    ("big", "bigint", ("-9223372036854775808", "9223372036854775807")),
    ("span", "interval", ("1 year -2 mons +3 days -04:05:06.789012", "178000000 years", "-00:00:00.000001", "-1 mons", "0")),
    ("at", "timestamptz", ("294276-12-31 23:59:59.999999+00", "4713-01-01 00:00:00+00 BC", "infinity", "1975-04-30 11:30:00.000001+07", "1582-10-10 00:00+00")),
    ("bare", "timestamp", ("294276-12-31 23:59:59.999999", "-infinity", "0044-03-15 12:00:00 BC")),
    ("day", "date", ("5874897-12-31", "4713-01-01 BC", "infinity")),
    ("clock", "time", ("24:00:00", "00:00:00.000001")),
    ("zoned", "timetz", ("23:59:59.999999-15:59", "00:00:00+15:59")),
    ("raw", "bytea", (r"\\x", r"\\x" + bytes(range(256)).hex())),
    ("jb", "jsonb", ('{"b": [1.0, 1e2, null, true], "a": {"\\u0110": "\\\\n"}, "c": 123456789012345678901234567890.10}', "[]", '"x"')),
    ("js", "json", ('{"a": 1,  "a":2}', " 1.50 ")),
    ("m", "mood", ("sau", "vui", "buồn", "it''s")),
    ("ms", "text[]", ("{vui,NULL,\"it''s\"}", "[0:1]={a,b}", "{}")),
    ("d", "share", ("0.3333", "1")),
    ("t", "tight", ("0.1", "0.30000000000000004")),
    ("r", "int4range", ("empty", "(,5)", "[1,)", "[3,7]")),
    ("rt", "tstzrange", ("[-infinity,infinity]", "(1975-04-30 11:30:00+07,]")),
    ("rf", "floatrange", ("[0.1,0.30000000000000004)", "empty")),
    ("rs", "spanrange", ("[1 day,2 mons)",)),
    ("f8s", "float8[]", ("{0.1,NaN,-0,5e-324}", "{{1,2},{3,4}}")),
    ("p", "point", ("(0.1,-0)",)),
    ("poly", "polygon", ("((0.1,0.2),(1,1),(2,0.30000000000000004))",)),
    ("c", "char(5)", ("a", "")),
    ("v", "text", (r"\\N", r"\\.", r"tab\t nl\n cr\r back\\\\", "NULL", "")),
    ("bits", "bit varying", ("", "101")),
    ("net", "inet", ("10.0.0.1/8", "::ffff:1.2.3.4/128")),
    ("ts", "tsvector", ("''a b'':1A,2 c",)),
)  # fmt: skip


def script() -> str:
    """A table for each type (what one version cannot read shall not hide the others), and defaults that must mean the same."""
    sql = ""
    for name, kind, values in COLUMNS:
        rows = ", ".join(f"({number}, e'{value}'::{kind})" for number, value in enumerate(values))
        sql += f"create table {name} (id int primary key, v {kind}); insert into {name} values {rows}, (99, null);\n"
    return (
        sql
        + """
    create table pairs (id int primary key, v pair); insert into pairs values (1, row(0.1, '-1 mons +1 day', '1999-12-31 23:59:59.5+07')::pair);
    create table given (id int primary key, a real default 0.1, b money default '-1234.56', c interval default '1 mon -1 day 00:00:01.5',
      d timestamptz default '2000-01-01 00:00:00+07', e mood default 'sau', f jsonb default '{"a": 1.0}', g bytea default '\\x00ff', h tight,
      i floatrange default '[0.1,0.7)', j double precision default 1e-300, k date default '0044-03-15 BC');
    create table cut (at timestamptz, v float8) partition by range (at, v);
    create table cut_1 partition of cut for values from ('1975-04-30 11:30:00+07', 0.1) to ('infinity', 0.30000000000000004);
    insert into cut values ('1975-04-30 11:30:00+07', 0.1), ('2000-01-01', 0.2);
    """
    )


def binary(server: Server, name: str) -> dict[str, list[bytes]]:
    """Return the rows of every table as the server's own binary form, headers left out."""
    found = {}
    with server.connect(name) as connection:
        for (table,) in connection.execute(
            "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        ).fetchall():
            with connection.cursor().copy(f"copy (select * from {table} order by 1) to stdout (format binary)") as copy:
                found[table] = [bytes(row) for row in copy]
    return found


@pytest.mark.parametrize(
    "way", [(15, 18), pytest.param((11, 15, 18), marks=pytest.mark.matrix), pytest.param((11, 18), marks=pytest.mark.matrix)],
    ids=lambda way: "-".join(map(str, way)),
)  # fmt: skip
def test_every_value_of_every_type(way: tuple[int, ...], request: pytest.FixtureRequest, private: Path) -> None:
    servers: list[Server] = [request.getfixturevalue(f"postgresql_{major}") for major in way]
    name = servers[0].new_database(TYPES, prefix="values")
    servers[0].run(script(), name)  # new labels must be committed before they are used
    expected = binary(servers[0], name)
    assert len(expected) == len(COLUMNS) + 3
    for here, there in pairwise(servers):
        with here.source(here.location(name), private).capture() as capture:
            content = read_capture(capture)
        there.target(there.location(name)).restore(content, RestoreChoices(), SilentObserver())
        assert binary(there, name) == expected
    for server in (servers[0], servers[-1]):
        server.run("insert into given (id) values (1)", name)
    assert binary(servers[-1], name)["given"] == binary(servers[0], name)["given"]
    labels = "select enumlabel from pg_enum e join pg_type t on t.oid = enumtypid where typname = 'mood' order by enumsortorder"
    assert [row[0] for row in servers[-1].run(labels, name)] == ["sau", "vui", "buồn", "it's"]
    for wrong in (
        "insert into d values (5, 1.5)",
        "insert into t values (5, 0.01)",
        "insert into cut values ('1970-01-01', 1)",
    ):
        with pytest.raises(Exception, match=r"violates|no partition"):
            servers[-1].run(wrong, name)

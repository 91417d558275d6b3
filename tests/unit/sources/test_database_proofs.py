"""How engines' rows and definitions are read for a comparison."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from drorch.errors import ObjectCorrupt
from drorch.sources.interface import StreamKind, StreamSpec
from drorch.sources.mariadb.definitions import Definition, Kind, Schema, encode_schema
from drorch.sources.mariadb.proof import LOGIN, MariadbProof
from drorch.sources.postgresql.entries import Entry, encode_entry
from drorch.sources.postgresql.proof import PostgresqlProof

TABLE = StreamSpec(name="table/x", kind=StreamKind.TABLE)


@pytest.mark.parametrize(
    ("row", "values"),
    [
        ("1\tthửa 2".encode(), ["1", "thửa 2"]),
        (rb"a\tb" + b"\t" + rb"c\nd", ["a\tb", "c\nd"]),
        (b"\\N\t" + rb"\\N", [None, "\\N"]),
        (rb"\\\\x00ff" + b"\t", ["\\\\x00ff", ""]),
        (rb"\\t" + b"\t" + rb"\\\t", ["\\t", "\\\t"]),
        (b"\xad\xa9", ["\\xad\\xa9"]),
    ],
)
def test_copy_text_is_read_with_its_escapes_undone(row: bytes, values: list[str | None]) -> None:
    assert PostgresqlProof().texts(TABLE, row) == values


def test_values_of_the_wire_are_read_after_their_lengths() -> None:
    long = b"x" * 300
    row = b"\x01" + b"7" + b"\xfb" + b"\xfc" + len(long).to_bytes(2, "little") + long + b"\x02\xff\xfe" + b"\x00"
    assert MariadbProof().texts(TABLE, row) == ["7", None, "x" * 300, "fffe", ""]


def test_definitions_of_postgresql_stand_by_kind_and_name_and_places_are_told_apart() -> None:
    entries = [
        Entry(
            number=3, section="pre", kind="TABLE", schema="public", name="parcel", sql="create table ...", owner="land"
        ),
        Entry(
            number=9, section="post", kind="INDEX", schema="public", name="by_unit", sql="create index", depends=(3,)
        ),
        Entry(number=0, section="database", kind="DATABASE SETTING", name="x", sql="alter database"),
        Entry(
            number=1, section="post", kind="SUBSCRIPTION", name="s", sql="... WITH (connect = false, slot_name = 'x');"
        ),
    ]
    found = list(PostgresqlProof().definitions([b"".join(map(encode_entry, entries))]))
    assert [(one.kind, one.name, one.is_place) for one in found] == [
        ("TABLE", "public.parcel", False),
        ("INDEX", "public.by_unit", False),
        ("DATABASE SETTING", "x", True),
        ("SUBSCRIPTION", "s", False),
    ]
    assert "slot_name = NONE" in found[3].text
    renumbered = list(PostgresqlProof().definitions([encode_entry(replace(entries[1], number=4, depends=(1,)))]))
    assert renumbered == [found[1]], "its place in the stream is no part of a definition"


def test_definitions_and_accounts_of_mariadb() -> None:
    schema = Schema(
        database="hotich",
        charset="utf8mb4",
        collation="utf8mb4_vietnamese_ci",
        definitions=(Definition(kind=Kind.TABLE, name="birth", sql="CREATE TABLE ..."),),
    )
    proof = MariadbProof()
    found = list(proof.definitions([encode_schema(schema)]))
    assert [(one.kind, one.name) for one in found][-1] == ("table", "birth")
    assert "hotich" not in str(found), "the sandbox has another name for it"
    secret = json.dumps({"plugin": "mysql_native_password", "authentication_string": "*AB", "access": 7})
    accounts = [
        {"kind": "account", "name": "clerk@%", "role": False, "plugin": "x", "tls": "", "secret": secret},
        {"kind": "account", "name": "readers", "role": True, "plugin": "", "tls": ""},
        {"kind": "grant", "to": "clerk@%", "privileges": ["SELECT"], "name": "birth"},
    ]
    lines = b"".join(json.dumps(one, sort_keys=True).encode() + b"\n" for one in accounts)
    told = list(proof.definitions([lines]))
    assert [(one.kind, one.name) for one in told] == [
        ("account", "clerk@%"),
        (LOGIN, "clerk@%"),
        ("account", "readers"),
        ("grant", "clerk@% birth"),
    ]


@pytest.mark.parametrize("raw", [b"nothing of it\n", b'{"kind": 3', b'["x"]\n', b'{"name": "x"}\n'])
def test_what_is_no_stream_of_accounts_is_refused(raw: bytes) -> None:
    with pytest.raises(ObjectCorrupt):
        list(MariadbProof().definitions([raw]))

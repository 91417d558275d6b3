"""SQL text: tokens, names, encodings, secrets and roles."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import SourceUnsupported
from drorch.sources.postgresql.blanking import MARKER, blank_conninfo, blank_secrets
from drorch.sources.postgresql.encoding import Encoding, printable
from drorch.sources.postgresql.entries import Entry
from drorch.sources.postgresql.inventory import (
    RANGE_PAGES,
    Table,
    can_be_divided,
    display_name,
    range_statements,
    stream_specs,
)
from drorch.sources.postgresql.naming import before_name, side_name, side_prefix
from drorch.sources.postgresql.quoting import identifier, literal, qualified, unquoted
from drorch.sources.postgresql.replay import ReplayRules, database_statements, disabled_subscription
from drorch.sources.postgresql.role_names import named_roles, with_roles
from drorch.sources.postgresql.tokens import tokens

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(st.text(max_size=200))
def test_tokens_are_the_text_again(sql: str) -> None:
    assert "".join(token.text for token in tokens(sql)) == sql


@given(NAMES, NAMES)
def test_a_quoted_name_is_read_back(schema: str, name: str) -> None:
    assert unquoted(qualified(schema, name)) == (schema, name)
    (token,) = tokens(identifier(name))
    assert token.name == name


@given(NAMES)
def test_a_literal_is_read_back(text: str) -> None:
    (token,) = [token for token in tokens(literal(text)) if token.kind != "space"]
    assert token.kind == "string"
    assert token.content == text


@given(NAMES, NAMES, NAMES, NAMES)
def test_two_tables_never_share_a_display_name(schema: str, name: str, other_schema: str, other: str) -> None:
    same = (schema, name) == (other_schema, other)
    assert (display_name(schema, name) == display_name(other_schema, other)) is same


def test_display_names_are_plain_where_they_can_be() -> None:
    assert display_name("public", "parcel") == "public.parcel"
    assert display_name("Địa chính", "a.b") == '"Địa chính"."a.b"'
    assert "\n" not in display_name("a", "b\nc")


@pytest.mark.parametrize("name", ["UTF8", "SQL_ASCII", "LATIN1", "WIN1258", "WIN1252", "KOI8R"])
@given(raw=st.binary(max_size=60))
def test_any_bytes_survive_decoding(name: str, raw: bytes) -> None:
    encoding = Encoding(name)
    assert encoding.encode(encoding.decode(raw)) == raw


@given(raw=st.binary(max_size=30))
def test_multibyte_encodings_lose_nothing_silently(raw: bytes) -> None:
    encoding = Encoding("EUC_JP")
    try:
        text = encoding.decode(raw)
    except SourceUnsupported:
        return
    assert encoding.encode(text) == raw


def test_unknown_encodings_are_refused() -> None:
    with pytest.raises(SourceUnsupported, match="encoding"):
        Encoding("MULE_INTERNAL").decode(b"x")
    assert printable("b\udcd4ng") == "b%D4ng"


def test_passwords_of_mappings_are_blanked() -> None:
    sql = """CREATE USER MAPPING FOR u SERVER s OPTIONS (
    "user" 'password', password 'p''w', "sslpassword" E'a\\'b');"""
    blanked, found = blank_secrets("USER MAPPING", sql)
    assert found
    assert (
        blanked
        == f"""CREATE USER MAPPING FOR u SERVER s OPTIONS (
    "user" 'password', password '{MARKER}', "sslpassword" '{MARKER}');"""
    )
    assert blank_secrets("SERVER", "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'pass', api_key 'k');")[
        0
    ].endswith(f"(host 'pass', api_key '{MARKER}');")
    assert blank_secrets("FUNCTION", "OPTIONS (password 'x')") == ("OPTIONS (password 'x')", False)


def test_passwords_of_subscriptions_are_blanked() -> None:
    sql = "CREATE SUBSCRIPTION s CONNECTION 'host=h password=''a b'' user=u' PUBLICATION p WITH (connect = false, slot_name = 's');"
    blanked, found = blank_secrets("SUBSCRIPTION", sql)
    assert found
    assert "a b" not in blanked
    assert "host=" in blanked
    assert blank_conninfo("postgresql://u:pw@h/d")[0] != "postgresql://u:pw@h/d"
    assert blank_conninfo("host=h")[0] == "host=h"
    assert blank_conninfo("not a conninfo pw") == (MARKER, True)


def test_a_subscription_is_restored_switched_off() -> None:
    sql = "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION slot_names WITH (connect = false, slot_name = 's', binary = true);"
    assert disabled_subscription(sql) == (
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION slot_names "
        "WITH (connect = false, slot_name = NONE, enabled = false, create_slot = false, binary = true);"
    )


@pytest.mark.parametrize(
    ("kind", "sql", "roles", "mapped"),
    [
        ("ACL", 'GRANT SELECT("to") ON TABLE public."from" TO reader WITH GRANT OPTION;', {"reader"}, 'TO "r2" WITH'),
        ("ACL", "REVOKE ALL ON SCHEMA s FROM PUBLIC;\nGRANT USAGE ON SCHEMA s TO reader;", {"reader"}, 'TO "r2";'),
        (
            "ACL",
            "SET SESSION AUTHORIZATION reader;\nGRANT ALL ON TABLE t TO PUBLIC;",
            {"reader"},
            'AUTHORIZATION "r2";',
        ),
        (
            "DEFAULT ACL",
            'ALTER DEFAULT PRIVILEGES FOR ROLE "Vai trò" GRANT SELECT ON TABLES TO reader;',
            {"reader", "Vai trò"},
            'TO "r2"',
        ),
        (
            "POLICY",
            "CREATE POLICY p ON t FOR SELECT TO reader, b USING ((x = 'TO c') AND to_d(y));",
            {"reader", "b"},
            'TO "r2", b USING',
        ),
        ("USER MAPPING", "CREATE USER MAPPING FOR reader SERVER s;", {"reader"}, 'FOR "r2" SERVER'),
        ("FUNCTION", "CREATE FUNCTION f() ... TO reader", set(), "TO reader"),
    ],
)
def test_roles_are_found_and_replaced(kind: str, sql: str, roles: set[str], mapped: str) -> None:
    entry = Entry(number=0, section="grants", kind=kind, sql=sql)
    assert named_roles(entry) == roles
    assert mapped in with_roles(entry, {"reader": "r2"})
    assert with_roles(entry, {}) == sql


def test_settings_of_a_database_keep_lists_apart() -> None:
    rules = ReplayRules(mapping={})
    listed = Entry(
        number=0,
        section="database",
        kind="DATABASE SETTING",
        name="search_path",
        values={"value": '"$user", "a, b", c', "is_list": True},
    )
    assert list(database_statements(listed, "d", rules)) == [
        """alter database "d" set "search_path" to '$user', 'a, b', 'c'"""
    ]
    one = Entry(
        number=0, section="database", kind="DATABASE SETTING", name="my.x", values={"value": "a, b", "role": "r"}
    )
    assert list(database_statements(one, "d", rules)) == ["""alter role "r" in database "d" set "my"."x" to 'a, b'"""]


def test_side_names_fit_and_are_recognised() -> None:
    long = "đ" * 31
    assert len(side_name(long, "abcd0123").encode()) <= 63
    assert side_name(long, "abcd0123").startswith(side_prefix(long))
    assert side_name("land", "abcd0123") == "land__drorch_abcd0123"
    from datetime import UTC, datetime

    assert before_name("land", datetime(2026, 1, 2, 3, 4, tzinfo=UTC)) == "land__before_20260102_0304"


def table(pages: int, **changes: object) -> Table:
    words: dict[str, Any] = {
        "oid": 1, "schema": "public", "name": "t", "columns": ("a",), "floats": {}, "nested_floats": (), "size_bytes": pages * 8_192,
        "pages": pages, "is_heap": True, "is_unlogged": False, "condition": "",
    }  # fmt: skip
    return Table(**(words | changes))


@given(st.integers(0, 20_000), st.integers(2**20, 2**28))
def test_ranges_follow_each_other_and_cover_every_stream(pages: int, split_size_bytes: int) -> None:
    found = table(pages)
    bounds = [
        re.findall(r"\((\d+),0\)", statement)
        for spec in stream_specs(found, 150_000, split_size_bytes)
        for statement in range_statements(found, spec)
    ]
    starts = [int(first) for first, *_ in bounds]
    ends = [int(end) for _, *rest in bounds for end in rest]
    assert starts[0] == 0
    assert starts[1:] == ends == sorted(set(ends))
    assert len(bounds[-1]) == 1  # pages that came since are read too
    assert all(end - start <= RANGE_PAGES for start, end in zip(starts, ends, strict=False))


@pytest.mark.parametrize(
    ("found", "version", "is_so"),
    [
        (table(5_000), 150_000, True),
        (table(5_000), 130_000, False),
        (table(100), 150_000, False),
        (table(5_000, is_heap=False), 150_000, False),
        (table(5_000, condition="where a > 1"), 150_000, False),
        (table(5_000, size_bytes=5_000 * 8_192 + 2**27), 150_000, False),  # values of any size beside its pages
    ],
)
def test_a_table_is_divided_where_ranges_are_cheap_and_rows_small(found: Table, version: int, *, is_so: bool) -> None:
    assert can_be_divided(found, version) is is_so

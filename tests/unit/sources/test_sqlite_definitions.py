import json
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import ObjectCorrupt, SourceUnsupported
from drorch.sources.sqlite.database_file import connect_read_only
from drorch.sources.sqlite.definitions import FORM, decode_schema, encode_schema, read_schema, read_tables
from tests.support.sqlite_zoo import build_zoo


@pytest.fixture
def zoo(tmp_path):
    build_zoo(tmp_path / "zoo.db")
    connection = connect_read_only(tmp_path / "zoo.db", busy_timeout_seconds=1)
    yield connection
    connection.close()


def test_the_stream_is_one_json_object_a_line_and_comes_back_equal(zoo):
    schema = read_schema(zoo)
    stream = encode_schema(schema)
    lines = [json.loads(line) for line in stream.splitlines()]
    assert lines[0] == {
        "form": FORM,
        "page_size": 4096,
        "encoding": "UTF-8",
        "auto_vacuum": 2,
        "user_version": 7,
        "application_id": -252645136,
        "journal_mode": "delete",
    }
    assert [line["kind"] for line in lines[1:]] == sorted(
        (line["kind"] for line in lines[1:]), key=["table", "virtual_table", "index", "view", "trigger"].index
    )
    assert decode_schema([stream[:7], stream[7:]]) == schema
    assert encode_schema(schema) == stream


def test_row_numbers_are_kept_where_no_column_shows_them(zoo):
    tables = {rows.table: rows for rows in read_tables(zoo)}
    assert tables["heap"].columns == ("rowid", "a", "b")
    assert tables["birth"].columns == ("id", "unit", "name", "born", "weight", "scan")  # no generated columns
    assert tables["birth"].row_number == "id"
    assert tables["descending"].columns == ("rowid", "id", "note")  # DESC makes the key an ordinary column
    assert tables["paired"].row_number is None
    assert tables["shadowed"].row_number is None
    assert tables["half_shadowed"].columns == ("_rowid_", "rowid", "note")
    assert tables["alias_shadowed"].row_number == "id"
    assert "words" not in tables  # a virtual table has no rows of its own
    assert "words_content" in tables


def test_a_definition_that_is_no_utf8_is_refused_by_name(tmp_path):
    connection = sqlite3.connect(tmp_path / "tcvn3.db")
    connection.execute("CREATE TABLE so (a) -- comment")
    connection.execute("PRAGMA writable_schema=ON")
    connection.execute(
        "UPDATE sqlite_schema SET sql = CAST(x'435245415445205441424C4520736F2028612920' || x'2D2DB5' AS TEXT)"
    )
    connection.commit()
    connection.close()
    reader = connect_read_only(tmp_path / "tcvn3.db", busy_timeout_seconds=1)
    with pytest.raises(SourceUnsupported, match="definition of so"):
        read_schema(reader)
    reader.close()


@pytest.mark.parametrize(
    "settings",
    [
        {"page_size": "4096; DROP"},
        {"journal_mode": "off"},
        {"encoding": "UTF-8'; --"},
        {"user_version": True},
        {"one_more": 1},
        {"form": "drorch sqlite schema/2"},
    ],
)
def test_a_setting_that_is_not_what_it_must_be_is_refused(zoo, settings):
    first, *rest = encode_schema(read_schema(zoo)).splitlines(keepends=True)
    forged = json.dumps({**json.loads(first), **settings}).encode() + b"\n"
    with pytest.raises(ObjectCorrupt):
        decode_schema([forged, *rest])


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH DATABASE '/etc/cron.d/x' AS x",
        "COMMIT",
        "VACUUM INTO '/tmp/x'",
        "",
        "CREATE TABLE t (a)\0",
        "CREATE \ud800",
    ],
)
def test_a_definition_that_makes_nothing_is_refused(zoo, sql):
    line = {"kind": "table", "name": "x", "table": "x", "sql": sql}
    with pytest.raises(ObjectCorrupt):
        decode_schema([encode_schema(read_schema(zoo)), json.dumps(line).encode() + b"\n"])


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_with_our_error(stream):
    with pytest.raises(ObjectCorrupt):
        decode_schema([stream])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["form", "kind", "name", "table", "sql", "encoding"]), inner, max_size=4)
    ),
)


@given(st.lists(JSON, min_size=1, max_size=3))
def test_any_json_is_refused_with_our_error(values):
    with pytest.raises(ObjectCorrupt):
        decode_schema([b"\n".join(json.dumps(value).encode() for value in values)])

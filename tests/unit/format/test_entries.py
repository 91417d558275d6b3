from dataclasses import replace

import pytest

from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt
from drorch.format import entries
from drorch.format.entries import Contained, Entry, parse_entries
from drorch.format.fields import encode_fields, u32
from drorch.sources.interface import RowFormat, StreamKind
from tests.support.format_values import fixed, reference

TABLE = Entry(
    name="table/public.thửa_đất",
    kind=2,
    size_bytes=5_000_000,
    bytes_digest=fixed("bytes"),
    tree=reference(),
    row_format=1,
    rows=12_345,
    buckets=b"\x00" + fixed("sum 0") + b"\xff" + fixed("sum 255"),
    canonical_columns={2: "float4", 7: "float8"},
    attributes={"columns": ["id", "diện tích"], "part": 1},
)
SMALL = Entry(name="schema", kind=1, size_bytes=100, bytes_digest=fixed("small"), contained=Contained(0, 2**33))
EMPTY = Entry(name="roles", kind=4, size_bytes=0, bytes_digest=fixed("empty"))
EVERY = [TABLE, SMALL, EMPTY]
STREAM = b"".join(entry.encode() for entry in EVERY)


def test_entries_come_back():
    assert list(parse_entries([STREAM])) == EVERY


@pytest.mark.parametrize("size", [1, 3, 4, 5, 100, 10_000])
def test_entries_come_back_from_pieces_of_any_size(size):
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    assert list(parse_entries(pieces)) == EVERY


def test_an_entry_is_yielded_as_soon_as_it_is_there():
    parser = parse_entries(iter([SMALL.encode(), b"never asked for"]))
    assert next(parser) == SMALL


def test_a_snapshot_may_have_no_streams():
    assert list(parse_entries([])) == list(parse_entries([b""])) == []


@pytest.mark.parametrize("length", [1, 3, 50, len(STREAM) - 1])
def test_entries_cut_short_are_refused(length):
    with pytest.raises(ObjectCorrupt):
        list(parse_entries([STREAM[:length]]))


def test_an_entry_longer_than_any_is_refused_before_it_is_waited_for():
    with pytest.raises(ObjectCorrupt, match="damaged"):
        next(parse_entries([u32(2**24 + 1)]))


CONTRADICTIONS = [
    {"name": ""},
    {"name": "x" * 65_537},
    {"kind": 0},
    {"kind": 6},
    {"row_format": 3},
    {"bytes_digest": b"short"},
    {"size_bytes": 4_999_999},
    {"size_bytes": 0},
    {"tree": None},
    {"contained": Contained(0, 0)},
    {"buckets": b"\x00" + bytes(31)},
    {"buckets": (b"\x01" + bytes(32)) * 2},
    {"buckets": b"\x01" + bytes(32) + b"\x00" + bytes(32)},
    {"canonical_columns": {1: "float2"}},
]


@pytest.mark.parametrize("changes", CONTRADICTIONS, ids=lambda changes: next(iter(changes)))
def test_an_entry_that_contradicts_itself_is_neither_written_nor_read(changes, monkeypatch):
    wrong = replace(TABLE, **changes)
    with pytest.raises(Bug):
        wrong.encode()
    if "canonical_columns" in changes:
        return  # it has no bytes
    with monkeypatch.context() as careless:
        careless.setattr(Entry, "_contradiction", lambda _: "")
        raw = wrong.encode()
    with pytest.raises(ObjectCorrupt):
        Entry.decode(raw[4:])


def test_big_streams_lie_in_trees_of_their_own():
    with pytest.raises(Bug):
        replace(SMALL, size_bytes=65_536).encode()


@pytest.mark.parametrize(
    ("number", "value"), [(5, b"short"), (10, b"\x00\x01"), (10, b"\x00\x01\x05"), (11, b"[]"), (11, b"{")]
)
def test_a_field_of_another_form_is_refused(number, value):
    fields = {1: b"n", 2: b"\x01", 3: bytes(8), 6: bytes(32), 7: b"\x00", 11: b"{}"}
    assert Entry.decode(encode_fields(sorted(fields.items()))).name == "n"
    with pytest.raises(ObjectCorrupt):
        Entry.decode(encode_fields(sorted({**fields, number: value}.items())))


def test_a_field_of_a_newer_drorch_is_refused_if_it_is_critical():
    raw = SMALL.encode()[4:]
    assert Entry.decode(raw + encode_fields([(20, b"new")], optional=(20,))) == SMALL
    with pytest.raises(FormatUnsupported):
        Entry.decode(raw + encode_fields([(20, b"new")]))


def test_deep_json_is_refused_and_does_not_exhaust_the_stack():
    fields = {1: b"n", 2: b"\x01", 3: bytes(8), 6: bytes(32), 7: b"\x00", 11: b'{"a":' * 100_000}
    with pytest.raises(ObjectCorrupt):
        Entry.decode(encode_fields(sorted(fields.items())))


def test_the_numbers_are_those_of_the_sources():
    assert [kind.value for kind in StreamKind] == list(entries.KINDS)
    assert [one.value for one in RowFormat] == list(entries.ROW_FORMATS)
    assert (
        RowFormat.NONE.value,
        RowFormat.LINES.value,
        RowFormat.PREFIXED.value,
    ) == (entries.ROW_FORMAT_NONE, entries.ROW_FORMAT_LINES, entries.ROW_FORMAT_PREFIXED)

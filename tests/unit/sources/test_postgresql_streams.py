"""The forms of our own streams: definitions and large objects; and which definitions belong to a table."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import ObjectCorrupt, TargetRefused
from drorch.sources.postgresql.entries import Entry, decode_entries, encode_entry
from drorch.sources.postgresql.large_objects import parse_large_objects
from drorch.sources.postgresql.load import gathered
from drorch.sources.postgresql.selection import select
from drorch.sources.postgresql.snapshot import moment_of


def pieces(blob: bytes, size: int) -> list[bytes]:
    return [blob[start : start + size] for start in range(0, len(blob), size)]


ENTRY = Entry(
    number=3,
    section="pre",
    kind="TABLE",
    schema="a\nb",
    name="Thửa 🗺 b\udcd4ng",
    owner="o",
    alter="TABLE x",
    sql="create\ntable",
    depends=(1, 2),
    values={"k": [1, None]},
)


@given(st.integers(1, 300))
def test_definitions_are_read_back_from_any_pieces(size: int) -> None:
    blob = encode_entry(ENTRY) + encode_entry(Entry(number=4, section="post", kind="INDEX"))
    assert blob.isascii()
    assert list(decode_entries(pieces(blob, size))) == [ENTRY, Entry(number=4, section="post", kind="INDEX")]


def test_unknown_keys_of_a_later_version_are_ignored() -> None:
    assert next(decode_entries([b'{"number":1,"section":"pre","kind":"X","from_the_future":1}\n'])).kind == "X"


@pytest.mark.parametrize(
    "blob", [b"{}\n", b"[]\n", b"nonsense\n", b'{"number":1', b'{"number":1,"section":"pre","kind":"X","depends":5}\n']
)
def test_broken_definitions_are_corrupt(blob: bytes) -> None:
    with pytest.raises(ObjectCorrupt):
        list(decode_entries([blob]))


@given(st.integers(1, 64))
def test_large_objects_are_read_back_from_any_pieces(size: int) -> None:
    rows = [(90001, 0, b"abc"), (90001, 700_000, b"x" * 50), (90002, 0, b"")]
    blob = b"".join(
        struct.pack(">IIQ", 12 + len(content), number, offset) + content for number, offset, content in rows
    )
    assert list(parse_large_objects(pieces(blob, size))) == rows


@pytest.mark.parametrize("blob", [struct.pack(">IIQ", 5, 1, 0), struct.pack(">IIQ", 20, 1, 0) + b"abc", b"\0\0"])
def test_broken_large_objects_are_corrupt(blob: bytes) -> None:
    with pytest.raises(ObjectCorrupt):
        list(parse_large_objects([blob]))


@given(st.lists(st.binary(max_size=200_000), max_size=6))
def test_small_pieces_are_gathered(parts: list[bytes]) -> None:
    found = [bytes(piece) for piece in gathered(iter(parts))]
    assert b"".join(found) == b"".join(parts)
    assert all(len(piece) >= 256 * 1024 for piece in found[:-1])


def test_moments_keep_their_microseconds() -> None:
    assert moment_of("1700000000.000001").microsecond == 1
    assert moment_of("1700000000").isoformat() == "2023-11-14T22:13:20+00:00"


SCHEMA = [
    Entry(number=0, section="pre", kind="SCHEMA", name="s"),
    Entry(number=1, section="pre", kind="TYPE", schema="s", name="kind"),
    Entry(number=2, section="pre", kind="FUNCTION", schema="s", name="f()"),
    Entry(number=3, section="pre", kind="TABLE", schema="s", name="a", depends=(1,)),
    Entry(number=4, section="pre", kind="TABLE", schema="s", name="b", depends=(1,)),
    Entry(number=5, section="pre", kind="VIEW", schema="s", name="v", depends=(3,)),
    Entry(number=6, section="post", kind="CONSTRAINT", schema="s", name="a a_pkey", depends=(3,)),
    Entry(number=7, section="post", kind="CONSTRAINT", schema="s", name="b b_pkey", depends=(4,)),
    Entry(number=8, section="post", kind="FK CONSTRAINT", schema="s", name="b b_a_fkey", depends=(3, 4, 6)),
    Entry(number=9, section="post", kind="TRIGGER", schema="s", name="a t", depends=(2, 3)),
    Entry(number=10, section="post", kind="TRIGGER", schema="s", name="b t", depends=(2, 4)),
    Entry(number=11, section="grants", kind="ACL", schema="s", name="TABLE a", depends=(3,)),
    Entry(number=12, section="post", kind="COMMENT", schema="s", name="CONSTRAINT a_pkey", depends=(3, 6)),
]


def test_a_table_comes_with_what_it_needs_and_owns() -> None:
    found = select(SCHEMA, ["s.a"])
    assert [entry.number for entry in found.entries] == [0, 1, 2, 3, 6, 9, 11, 12]
    assert found.left_out == ()


def test_a_foreign_key_to_what_stays_behind_is_left_out_and_told() -> None:
    found = select(SCHEMA, ["s.b"])
    assert [entry.number for entry in found.entries] == [0, 1, 2, 4, 7, 10]
    assert len(found.left_out) == 1
    assert "b_a_fkey" in found.left_out[0]
    assert "TABLE s.a" in found.left_out[0]
    both = select(SCHEMA, ["s.b", "s.a"])
    assert 8 in [entry.number for entry in both.entries]
    assert both.left_out == ()


@pytest.mark.parametrize("name", ["s.missing", "a", "", "a.b.c", '"open'])
def test_a_table_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(TargetRefused):
        select(SCHEMA, [name])

"""The row encoding, judged by a decoder that was written from docs/FORMAT.md section 15 alone."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import ObjectCorrupt
from drorch.sources.sqlite.rows import OddText, decode_rows, encode_long_row, encode_rows

INTEGERS = st.integers(-(2**63), 2**63 - 1)
REALS = st.floats(allow_nan=False)
VALUES = st.one_of(
    INTEGERS,
    REALS,
    st.binary(max_size=40),
    st.binary(max_size=40).map(bytearray),
    st.text(max_size=20).map(lambda t: bytearray(t.encode())),
    st.none(),
)


def strangers_decoder(stream: bytes) -> list[list[tuple[int, object]]]:
    """Decode with nothing but the format page in hand: (type byte, value) for each value of each row."""
    rows, at = [], 0
    while at < len(stream):
        end = at + 4 + int.from_bytes(stream[at : at + 4], "big")
        at += 4
        row: list[tuple[int, object]] = []
        while at < end:
            kind, at = stream[at], at + 1
            if kind == 5:
                row.append((5, None))
            elif kind in {1, 2}:
                row.append((kind, struct.unpack(">q" if kind == 1 else ">d", stream[at : at + 8])[0]))
                at += 8
            else:
                length = int.from_bytes(stream[at : at + 4], "big")
                row.append((kind, stream[at + 4 : at + 4 + length]))
                at += 4 + length
        assert at == end
        rows.append(row)
    return rows


def kind_and_value(value):
    kind = {int: 1, float: 2, bytearray: 3, bytes: 4, type(None): 5}[type(value)]
    return kind, bytes(value) if isinstance(value, bytearray) else value


@st.composite
def tables(draw):
    width = draw(st.integers(1, 6))
    return draw(st.lists(st.tuples(*[VALUES] * width), max_size=12))


@given(tables())
def test_a_stranger_reads_what_was_encoded(rows):
    assert strangers_decoder(encode_rows(rows)) == [[kind_and_value(value) for value in row] for row in rows]


@given(st.lists(VALUES, min_size=1, max_size=6).map(tuple))
def test_a_long_row_in_pieces_is_the_same_row(row):
    assert b"".join(encode_long_row(row)) == encode_rows([row])


@given(tables(), st.integers(1, 50))
def test_decoding_does_not_depend_on_where_pieces_end(rows, piece_bytes):
    stream = encode_rows(rows)
    pieces = [stream[start : start + piece_bytes] for start in range(0, len(stream), piece_bytes)]
    width = len(rows[0]) if rows else 1
    decoded = [row for batch in decode_rows(pieces, width) for row in batch.rows]
    back = [
        tuple(
            bytearray(v.encode()) if isinstance(v, str) else bytearray(v) if isinstance(v, OddText) else v for v in row
        )
        for row in decoded
    ]
    assert encode_rows(back) == stream


def test_the_bytes_are_those_of_the_format_page():
    row = (258, -0.5, bytearray("Đ".encode()), b"\x00\xff", None)
    assert encode_rows([row]).hex(" ") == (
        "00 00 00 21 01 00 00 00 00 00 00 01 02 02 bf e0 00 00 00 00 00 00 03 00 00 00 02 c4 90 04 00 00 00 02 00 ff 05"
    )


def test_text_that_is_no_utf8_is_told_apart_from_blob():
    (batch,) = decode_rows([encode_rows([(bytearray(b"\xc3"), b"\xc3")])], 2)
    text, blob = batch.rows[0]
    assert batch.may_hold_odd_text
    assert isinstance(text, OddText)
    assert not isinstance(blob, OddText)


def test_negative_zero_and_infinities_survive():
    values = (-0.0, float("inf"), float("-inf"), 5e-324)
    (batch,) = decode_rows([encode_rows([values])], 4)
    assert struct.pack(">4d", *batch.rows[0]) == struct.pack(">4d", *values)


def test_a_stream_cut_anywhere_inside_a_row_is_refused():
    stream = encode_rows([(1, bytearray(b"abc"), None)])
    for length in range(1, len(stream)):
        with pytest.raises(ObjectCorrupt, match="ends inside a row"):
            list(decode_rows([stream[:length]], 3))


def test_a_row_of_another_width_is_refused():
    with pytest.raises(ObjectCorrupt, match="does not hold"):
        list(decode_rows([encode_rows([(1, 2, 3)])], 2))


@given(st.binary(max_size=60), st.integers(1, 3))
def test_any_bytes_decode_or_raise_our_error(stream, width):
    try:
        rows = [row for batch in decode_rows([stream], width) for row in batch.rows]
    except ObjectCorrupt:
        return
    assert all(len(row) == width for row in rows)


def test_a_huge_row_in_small_pieces_is_not_looked_at_again_and_again():
    stream = encode_rows([(bytes(8_000_000),)])
    pieces = [stream[start : start + 1000] for start in range(0, len(stream), 1000)]
    (batch,) = decode_rows(pieces, 1)  # quadratic work would take minutes here
    assert batch.rows[0][0] == bytes(8_000_000)

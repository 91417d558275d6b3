from datetime import UTC, datetime

import pytest

from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt
from drorch.format.fields import CRITICAL, Fields, encode_fields, text_of, time64, u8, u16, u32, u64


def parse(raw: bytes, known=(1, 2, 3), repeated=()) -> Fields:
    return Fields.parse(raw, what="a thing", known=known, repeated=repeated)


def field(number: int, value: bytes) -> bytes:
    return u16(number) + u32(len(value)) + value


def test_every_width_is_big_endian():
    assert u8(1) + u16(2) + u32(3) + u64(4) == bytes.fromhex("01 0002 00000003 0000000000000004")


def test_fields_come_back():
    fields = parse(encode_fields([(1, b"one"), (3, u32(70_000))]))
    assert (fields.one(1), fields.maybe(2), fields.number(3, 4)) == (b"one", None, 70_000)


def test_a_field_is_critical_unless_it_is_optional():
    raw = encode_fields([(1, b"a"), (2, b"b")], optional=(2,))
    assert raw == field(1 | CRITICAL, b"a") + field(2, b"b")


def test_a_repeated_field_keeps_its_order():
    raw = encode_fields([(2, b"z"), (2, b"a")])
    assert parse(raw, repeated=(2,)).many(2) == (b"z", b"a")


def test_an_unknown_field_is_skipped_and_an_unknown_critical_one_refused():
    assert parse(field(1, b"x") + field(9, b"new")).one(1) == b"x"
    with pytest.raises(FormatUnsupported, match="critical field"):
        parse(field(1, b"x") + field(9 | CRITICAL, b"new"))


def test_order_does_not_look_at_the_critical_bit():
    assert parse(field(1 | CRITICAL, b"x") + field(2, b"y")).one(2) == b"y"


@pytest.mark.parametrize(
    "raw",
    [
        field(2, b"") + field(1, b""),  # descending
        field(1, b"") + field(1, b""),  # twice
        field(1, b"abc")[:-1],  # value cut short
        field(1, b"abc")[:5],  # head cut short
        u16(1) + u32(2**32 - 1) + b"abc",  # longer than everything
    ],
)
def test_what_is_no_list_of_fields_is_refused(raw):
    with pytest.raises(ObjectCorrupt):
        parse(raw)


def test_unknown_fields_must_keep_the_order_too():
    with pytest.raises(ObjectCorrupt):
        parse(field(9, b"") + field(2, b""))


def test_encoding_out_of_order_is_a_bug():
    with pytest.raises(Bug):
        encode_fields([(2, b""), (1, b"")])
    with pytest.raises(Bug):
        encode_fields([(CRITICAL, b"")])


def test_widths_sizes_and_text_are_checked():
    fields = parse(encode_fields([(1, b"abc"), (2, b"\xff")]))
    for wrong in (
        lambda: fields.number(1, 4),
        lambda: fields.exactly(1, 2),
        lambda: fields.text(2),
        lambda: fields.one(3),
    ):
        with pytest.raises(ObjectCorrupt):
            wrong()
    assert text_of("Đất đai".encode(), "x") == "Đất đai"


def test_times_are_milliseconds_and_never_beyond_datetime():
    moment = datetime(2026, 11, 22, 8, 30, 15, 250_000, tzinfo=UTC)
    assert parse(encode_fields([(1, time64(moment))])).time(1) == moment
    last = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    assert parse(encode_fields([(1, time64(last))])).time(1) == last
    with pytest.raises(ObjectCorrupt, match="damaged"):
        parse(encode_fields([(1, u64(2**64 - 1))])).time(1)

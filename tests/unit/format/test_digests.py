import random
import struct

import pytest
from blake3 import blake3

from drorch.errors import Bug, CaptureFailed
from drorch.format.digests import (
    StreamCounts,
    StreamDigest,
    canonical_float4,
    canonical_float8,
    decode_buckets,
    encode_buckets,
    merge,
)
from tests.support.format_values import fixed

KEY = fixed("rows key")
ROWS = [b"%d\tThua dat\t%s" % (number, fixed(str(number), number % 50).hex().encode()) for number in range(3_000)]
LINES = b"".join(row + b"\n" for row in ROWS)
PREFIXED = b"".join(struct.pack(">I", len(row)) + row for row in ROWS)


def count(content: bytes, row_format: int = 1, size: int = 1_000, columns=None) -> StreamCounts:
    digest = StreamDigest(row_format, columns or {}, KEY)
    for start in range(0, len(content), size):
        digest.feed(memoryview(content)[start : start + size])
    return digest.finish()


def plainly(rows: list[bytes]) -> bytes:
    """FORMAT 9 read literally."""
    sums: dict[int, int] = {}
    for row in rows:
        hashed = blake3(row, key=KEY).digest()
        sums[hashed[0]] = (sums.get(hashed[0], 0) + int.from_bytes(hashed, "big")) % 2**256
    return b"".join(bytes([bucket]) + sums[bucket].to_bytes(32, "big") for bucket in sorted(sums))


@pytest.mark.parametrize("size", [1, 7, 64, 4_096, len(LINES)])
@pytest.mark.parametrize(("row_format", "content"), [(1, LINES), (2, PREFIXED)], ids=["lines", "prefixed"])
def test_counts_are_those_of_the_specification_however_the_stream_is_fed(row_format, content, size):
    counts = count(content, row_format, size)
    assert (counts.size_bytes, counts.rows, counts.bytes_digest) == (len(content), len(ROWS), blake3(content).digest())
    assert counts.buckets == plainly(ROWS)


def test_order_does_not_matter_and_every_row_does():
    shuffled = ROWS[:]
    random.Random(5).shuffle(shuffled)
    assert count(b"".join(row + b"\n" for row in shuffled)).buckets == count(LINES).buckets
    assert count(LINES + ROWS[0] + b"\n").buckets != count(LINES).buckets
    assert count(b"".join(row + b"\n" for row in ROWS[1:])).buckets != count(LINES).buckets


def test_sums_wrap_and_long_streams_are_added_up_in_between(monkeypatch):
    monkeypatch.setattr("drorch.format.digests._FLUSH_ROWS", 100)
    rows = [b"same"] * 1_000  # one bucket, a thousand times
    assert count(b"same\n" * 1_000).buckets == plainly(rows)


def test_a_stream_without_rows_is_counted_in_bytes():
    counts = count(LINES, 0)
    assert (counts.rows, counts.buckets, counts.size_bytes) == (None, None, len(LINES))


def test_empty_streams_and_empty_rows():
    assert count(b"") == StreamCounts(size_bytes=0, rows=0, bytes_digest=blake3(b"").digest(), buckets=b"")
    assert count(b"\n\n").rows == 2
    assert count(bytes(8), 2).rows == 2


@pytest.mark.parametrize(
    ("row_format", "content"),
    [(1, b"a\nb"), (1, b"a"), (2, PREFIXED[:-1]), (2, PREFIXED + b"\0"), (2, b"\xff\xff\xff\xff")],
)
def test_a_stream_that_ends_inside_a_row_is_no_capture(row_format, content):
    with pytest.raises(CaptureFailed, match="cut short"):
        count(content, row_format)


def test_a_row_longer_than_many_pieces_costs_no_more_than_its_bytes():
    row = bytes(3_000_000)
    assert count(struct.pack(">I", len(row)) + row, 2, 64).rows == 1
    assert count(row.replace(b"\0", b"a") + b"\n", 1, 64).rows == 1


def test_an_unknown_row_format_is_a_bug():
    with pytest.raises(Bug):
        StreamDigest(3, {}, KEY)


def test_a_table_in_parts_equals_the_table_whole():
    whole = count(LINES)
    parts = [count(b"".join(row + b"\n" for row in ROWS[start::3])) for start in range(3)]
    merged = merge(parts)
    assert (merged.rows, merged.buckets) == (whole.rows, whole.buckets)
    assert merge([]).rows == 0
    assert merge([count(LINES, 0)]).rows == 0


def test_buckets_come_back():
    sums = [0] * 256
    sums[3], sums[255] = 5, 2**256 - 1
    assert decode_buckets(encode_buckets(sums)) == sums


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (b"0.1", b"0.1"),
        (b"0.10000000000000001", b"0.1"),
        (b"100000", b"100000.0"),
        (b"1e+20", b"1e+20"),
        (b"100000000000000000000", b"1e+20"),
        (b"-0", b"-0.0"),
        (b"NaN", b"NaN"),
        (b"Infinity", b"Infinity"),
        (b"-Infinity", b"-Infinity"),
        (b"\\N", b"\\N"),
        (b"", b""),
        (b"text", b"text"),
        (b"1e999", b"1e999"),
    ],
)
def test_float8_is_the_shortest_that_round_trips(text, canonical):
    assert canonical_float8(text) == canonical


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (b"0.1", b"0.1"),
        (b"0.100000001", b"0.1"),
        (b"3.4028235e+38", b"3.4028235e+38"),
        (b"3.40282347e+38", b"3.4028235e+38"),
        (b"1.1754944e-38", b"1.1754944e-38"),
        (b"16777216", b"16777216.0"),
        (b"1e-45", b"1e-45"),
        (b"0", b"0.0"),
        (b"-0", b"-0.0"),
        (b"NaN", b"NaN"),
        (b"Infinity", b"Infinity"),
        (b"1e39", b"1e39"),
        (b"\\N", b"\\N"),
    ],
)
def test_float4_is_the_shortest_that_gives_the_same_four_bytes(text, canonical):
    assert canonical_float4(text) == canonical


def test_float_columns_are_compared_by_value_and_others_by_text():
    columns = {1: "float8", 2: "float4", 9: "float8"}
    old, new = b"0.10\t0.10000000000000001\t0.100000001\n", b"0.10\t0.1\t0.1\n"
    assert count(old, columns=columns).buckets == count(new, columns=columns).buckets
    assert count(old, columns=columns).bytes_digest != count(new, columns=columns).bytes_digest
    assert count(old.replace(b"0.10\t", b"0.1\t", 1), columns=columns).buckets != count(new, columns=columns).buckets
    assert count(old, columns=columns).buckets == plainly_floats()


def plainly_floats() -> bytes:
    return plainly([b"0.10\t0.1\t0.1"])


@pytest.mark.parametrize(("content", "row_format"), [(LINES, 1), (PREFIXED, 2), (b"", 1)])
@pytest.mark.parametrize("size", [1, 977, 10**9])
def test_without_a_key_rows_are_counted_and_not_digested(content: bytes, row_format: int, size: int) -> None:
    digest = StreamDigest(row_format, {0: "float8"}, None)
    for start in range(0, len(content), size):
        digest.feed(content[start : start + size])
    counts = digest.finish()
    assert (counts.rows, counts.buckets) == (len(ROWS) if content else 0, None)
    assert (counts.size_bytes, counts.bytes_digest) == (len(content), blake3(content).digest())


def test_without_a_key_a_stream_that_ends_inside_a_row_is_refused_all_the_same() -> None:
    digest = StreamDigest(1, {}, None)
    digest.feed(b"a\nb")
    with pytest.raises(CaptureFailed):
        digest.finish()


def test_a_stream_without_rows_has_none_to_count() -> None:
    digest = StreamDigest(0, {}, None)
    digest.feed(b"a\nb")
    assert (digest.finish().rows, digest.finish().buckets) == (None, None)

"""The row digests in C are those in Python, whatever the rows and however they are fed."""

from __future__ import annotations

import random

import pytest

from drorch.errors import CaptureFailed
from drorch.format.digests import RowDigester, RowsHere
from drorch.format.entries import ROW_FORMAT_LINES, ROW_FORMAT_NONE, ROW_FORMAT_PREFIXED
from drorch.format.row_lanes import digester_in_lanes
from tests.support.format_values import fixed

KEY = fixed("rows key")
LENGTHS = [0, 1, 2, 63, 64, 65, 127, 128, 129, 280, 300, 960, 1_023, 1_024, 1_025, 5_000]
FORMS = pytest.mark.parametrize("form", [ROW_FORMAT_LINES, ROW_FORMAT_PREFIXED], ids=["lines", "prefixed"])


def in_lanes(form: int) -> RowDigester:
    digester = digester_in_lanes(form, {}, KEY)
    assert digester is not None, "drorch/native was not compiled: install a C compiler, then this checkout again"
    return digester


def stream(form: int, draw: random.Random, rows: int, lengths: list[int] = LENGTHS) -> bytes:
    contents = [draw.randbytes(draw.choice(lengths)) for _ in range(rows)]
    if form == ROW_FORMAT_PREFIXED:
        return b"".join(len(row).to_bytes(4, "big") + row for row in contents)
    return b"".join(row.replace(b"\n", b" ") + b"\n" for row in contents)


def fed(digester: RowDigester, content: bytes, draw: random.Random, longest: int) -> tuple[int, bytes | None]:
    start = 0
    while start < len(content):
        size = draw.randint(1, longest)
        piece = content[start : start + size]
        digester.feed(draw.choice([bytes, bytearray, memoryview])(piece))
        start += size
    return digester.finish()


@FORMS
@pytest.mark.parametrize("longest", [3, 50, 1_100, 20_000, 10**7])
def test_they_are_those_of_python_however_they_are_fed(form: int, longest: int) -> None:
    for seed in range(12):
        draw = random.Random(seed)
        content = stream(form, draw, draw.randint(0, 60))
        assert fed(in_lanes(form), content, draw, longest) == fed(RowsHere(form, {}, KEY), content, draw, longest)


@FORMS
def test_sums_carry_from_limb_to_limb(form: int) -> None:
    row = b"same\n" if form == ROW_FORMAT_LINES else b"\0\0\0\4same"  # one bucket, whose sum wraps many times
    content = row * 5_000
    assert fed(in_lanes(form), content, random.Random(1), 4_000) == fed(
        RowsHere(form, {}, KEY), content, random.Random(1), 4_000
    )


@FORMS
@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_stream_that_ends_inside_a_row_is_refused_in_the_same_words(form: int, cut: int) -> None:
    content = stream(form, random.Random(7), 40, [20])[:-cut]
    told = []
    for digester in (in_lanes(form), RowsHere(form, {}, KEY)):
        digester.feed(content)
        with pytest.raises(CaptureFailed) as caught:
            digester.finish()
        told.append((caught.value.message, caught.value.expected, caught.value.found))
    assert told[0] == told[1]


def test_what_they_do_not_do_is_left_to_python() -> None:
    assert digester_in_lanes(ROW_FORMAT_LINES, {1: "float8"}, KEY) is None  # canonical columns
    assert digester_in_lanes(ROW_FORMAT_LINES, {}, None) is None  # counted only
    assert digester_in_lanes(ROW_FORMAT_NONE, {}, KEY) is None

"""Sketches: alike for what is alike, different for what is not."""

from __future__ import annotations

import random

import pytest

from drorch.format.similarity import LEAST_PLAIN_BYTES, LEAST_SHARED, SKETCH_FEATURES, Sketcher
from tests.support.register import Register

SKETCHER = Sketcher(4711)


def shared(one: bytes, other: bytes) -> int:
    return len(set(SKETCHER.sketch(one)) & set(SKETCHER.sketch(other)))


def test_equal_chunks_have_equal_sketches_whatever_holds_their_bytes() -> None:
    content = Register().stream()[:1_000_000]
    sketch = SKETCHER.sketch(content)
    assert len(sketch) == len(set(sketch)) == SKETCH_FEATURES
    assert list(sketch) == sorted(sketch)
    assert all(-(2**63) <= number < 2**63 for number in sketch), "SQLite's integers"
    assert Sketcher(4711).sketch(memoryview(bytearray(content))) == sketch


def test_scattered_updates_of_half_a_percent_leave_a_chunk_like_itself() -> None:
    register = Register(6_000)
    before = register.stream()
    for _ in range(10):
        register.update()
        assert shared(before, register.stream()) >= LEAST_SHARED
        before = register.stream()


def test_what_has_nothing_in_common_shares_nothing() -> None:
    assert shared(Register(5_000, seed=1).stream(), Register(5_000, seed=2).stream()) == 0


def test_another_lane_has_other_sketches() -> None:
    content = Register(5_000).stream()
    assert not set(SKETCHER.sketch(content)) & set(Sketcher(4712).sketch(content))


@pytest.mark.parametrize("content", [b"", b"x", bytes(LEAST_PLAIN_BYTES - 1)])
def test_a_chunk_that_is_too_small_has_no_sketch(content: bytes) -> None:
    assert SKETCHER.sketch(content) == ()


def test_zeros_have_too_few_pieces_to_be_like_anything() -> None:
    assert len(SKETCHER.sketch(bytes(2**20))) < LEAST_SHARED


def test_random_bytes_are_sketched_too() -> None:
    assert len(SKETCHER.sketch(random.Random(0).randbytes(2**20))) == SKETCH_FEATURES

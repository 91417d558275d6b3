"""Bitmaps of packs against sets of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drorch.format.manifest import bitmap_of
from drorch.format.packsets import common, counted, ordinals, reaches_beyond, united, within, without

SETS = st.sets(st.integers(0, 60))


def bitmap(numbers: set[int]) -> bytes:
    return bitmap_of(numbers, max(numbers, default=-1) + 1)


@given(SETS, SETS)
def test_they_behave_like_sets(one: set[int], other: set[int]) -> None:
    first, second = bitmap(one), bitmap(other)
    assert set(ordinals(united(first, second))) == one | other
    assert set(ordinals(common(first, second))) == one & other
    assert set(ordinals(without(first, second))) == one - other
    assert counted(first) == len(one)


@given(SETS, st.integers(0, 70))
def test_what_lies_behind_an_end_is_cut_off_and_seen(numbers: set[int], count: int) -> None:
    assert set(ordinals(within(bitmap(numbers), count))) == {number for number in numbers if number < count}
    assert reaches_beyond(bitmap(numbers), count) == any(number >= count for number in numbers)

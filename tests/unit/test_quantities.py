"""Counts as people read them."""

import pytest

from drorch.quantities import counted


@pytest.mark.parametrize(
    ("count", "noun", "told"),
    [
        (0, "pack", "0 packs"),
        (1, "pack", "1 pack"),
        (1_234, "chain", "1,234 chains"),
        (2, "entry", "2 entries"),
        (2, "key", "2 keys"),
    ],
)
def test_one_is_no_plural(count: int, noun: str, told: str) -> None:
    assert counted(count, noun) == told

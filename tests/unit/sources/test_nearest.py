"""A table that is not in the snapshot: what may have been meant."""

import pytest

from drorch.sources.nearest import nearest

TABLES = ["public.parcel", "public.unit", "audit.parcel"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("parcel", "did you mean audit.parcel or public.parcel?"),
        ("public.parcl", "did you mean public.parcel?"),
        ("zzz", "it has audit.parcel, public.parcel, public.unit"),
    ],
)
def test_the_likeliest_names_are_told(asked: str, told: str) -> None:
    assert nearest(asked, TABLES).startswith(told.removesuffix("?"))


def test_a_long_list_is_cut_and_none_is_said() -> None:
    assert nearest("zzz", [f"t{number:04}" for number in range(1_500)]).endswith("t0011 and 1,488 more")
    assert nearest("zzz", []) == "it has no tables"

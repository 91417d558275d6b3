"""What is cut short when the end is wanted."""

from __future__ import annotations

import pytest

from drorch.errors import Bug
from drorch.operations.interruption import Interruption


def test_one_that_cannot_be_cut_does_not_spare_the_others() -> None:
    interruption, cut = Interruption(), []

    def fail() -> None:
        raise Bug("its connection was closed meanwhile")

    with (
        interruption.cuts(lambda: cut.append(1)),
        interruption.cuts(fail),
        interruption.cuts(lambda: cut.append(3)),
        pytest.raises(Bug, match="closed meanwhile"),
    ):
        interruption.end()
    assert sorted(cut) == [1, 3]

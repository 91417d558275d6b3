"""What is cut short when the end is wanted."""

from __future__ import annotations

import pytest

from drorch.errors import Bug, Interrupted, Terminated
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


@pytest.mark.parametrize(("signal", "reason"), [(KeyboardInterrupt, Interrupted), (SystemExit, Terminated)])
def test_what_is_waited_for_has_been_cut_wherever_the_signal_came(
    signal: type[BaseException], reason: type[Exception]
) -> None:
    interruption, cut = Interruption(), []
    with interruption.cuts(lambda: cut.append(1)), pytest.raises(signal), interruption.waited_for():
        raise signal
    assert cut == [1]
    assert isinstance(interruption.reason, reason)

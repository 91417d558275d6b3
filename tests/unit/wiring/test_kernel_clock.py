"""What the kernel's answer about its clock means."""

from __future__ import annotations

import pytest

from drorch.wiring.kernel_clock import Timex, clock_offset_ms, offset_of


@pytest.mark.parametrize(
    ("offset", "error", "status", "state", "found"),
    [
        (0, 16_000_000, 0x0040, 5, None),
        (0, 100, 0x0040, 0, None),
        (0, 0, 0x2001, -1, None),
        (-1_500_000, 0, 0x2001, 0, 2),
        (1_500, 700, 0x0001, 0, 3),
        (0, 0, 0x0001, 0, 0),
    ],
    ids=["nobody keeps it", "not yet", "no answer", "nanoseconds", "microseconds and an error", "right"],
)
def test_only_a_kept_clock_has_an_offset(offset: int, error: int, status: int, state: int, found: int | None) -> None:
    assert offset_of(Timex(offset=offset, estimated_error=error, status=status), state) == found


def test_this_kernel_answers_or_says_that_nobody_keeps_it() -> None:
    found = clock_offset_ms()
    assert found is None or 0 <= found < 3_600_000

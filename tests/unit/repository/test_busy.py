"""Which part of a run is the limit."""

from __future__ import annotations

import pytest

from drorch.repository.busy import BusyTimes, Part, Stage, StageTime, busiest


def test_times_add_up_and_count_when_a_stage_fails() -> None:
    seconds = iter([1.0, 3.0, 10.0, 14.0])
    busy = BusyTimes(lambda: next(seconds))
    with busy.at(Stage.UPLOAD):
        pass
    with pytest.raises(KeyError), busy.at(Stage.UPLOAD):
        raise KeyError
    assert busy.seconds(Stage.UPLOAD) == 2.0 + 4.0
    assert busy.seconds(Stage.SEAL) == 0


def times(**seconds: tuple[float, int]) -> tuple[StageTime, ...]:
    return tuple(StageTime(Stage[name], *told) for name, told in seconds.items())


@pytest.mark.parametrize(
    ("told", "limit", "share"),
    [
        (times(READ=(19.0, 2), COMPRESS=(10.0, 2), UPLOAD=(1.0, 2)), Part.SOURCE, 0.95),
        (times(READ=(1.0, 2), COMPRESS=(16.0, 2), LIKENESS=(2.0, 2), DIGEST=(5.0, 2)), Part.PROCESSOR, 0.9),
        (times(READ=(1.0, 1), DIGEST=(5.0, 1), CUT=(3.0, 1), COMPRESS=(1.0, 2)), Part.PROCESSOR, 0.8),
        (times(READ=(1.0, 1), UPLOAD=(30.0, 2), AWAIT_ROOM=(9.0, 1)), Part.NETWORK, 1.0),
    ],
)
def test_the_limit_is_what_was_busiest_of_ten_seconds(told: tuple[StageTime, ...], limit: Part, share: float) -> None:
    shares = busiest(told, 10.0)
    assert next(iter(shares)) is limit
    assert shares[limit] == pytest.approx(share)
    assert set(shares) == {Part.SOURCE, Part.PROCESSOR, Part.NETWORK}


def test_a_run_that_took_no_time_divides_by_nothing() -> None:
    assert set(busiest(times(READ=(0.0, 1)), 0.0).values()) == {0.0}

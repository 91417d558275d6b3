"""How far snapshots are trusted, and which of them serve the schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import process_time
from zoneinfo import ZoneInfo

import pytest

from drorch.policy.schedule import parse_schedule
from drorch.policy.standing import Standing, rivals, standing_of, times_served

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
NIGHT = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)  # 01:30 in Vietnam
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def standing(
    *, named: timedelta | None = timedelta(), dated: tuple[timedelta, ...] = (timedelta(),), **facts: bool
) -> Standing:
    return standing_of(
        is_whole=facts.get("is_whole", True),
        is_complete=facts.get("is_complete", True),
        ended_at=NIGHT,
        manifest_date=None if named is None else NIGHT + named,
        store_dates=[NIGHT + offset for offset in dated],
    )


def test_the_worst_counts() -> None:
    assert standing() is Standing.SOUND
    assert standing(is_complete=False) is Standing.PARTIAL
    assert standing(is_complete=False, named=DAY) is Standing.TIME_IN_DOUBT
    assert standing(is_complete=False, named=DAY, is_whole=False) is Standing.NOT_WHOLE
    assert [one.words == "" for one in sorted(Standing)] == [True, False, False, False, False]


@pytest.mark.parametrize("offset", [-366 * DAY, -61 * MINUTE, -60 * MINUTE, 60 * MINUTE, 61 * MINUTE, 366 * DAY])
def test_an_hour_is_the_limit(offset: timedelta) -> None:
    expected = Standing.SOUND if abs(offset) <= HOUR else Standing.TIME_IN_DOUBT
    assert standing(named=offset) is expected
    assert standing(dated=(offset,)) is expected


def test_one_store_that_bears_it_out_is_enough_and_one_is_needed() -> None:
    assert standing(dated=(90 * DAY, timedelta())) is Standing.SOUND  # one of them was copied later
    assert standing(dated=()) is Standing.TIME_IN_DOUBT
    assert standing(named=None) is Standing.SOUND


def test_the_first_after_a_time_of_the_schedule_serves_it() -> None:
    nightly = parse_schedule("30 1 * * *", ZONE)
    begun = [NIGHT + 5 * MINUTE, NIGHT + 12 * HOUR, NIGHT + DAY, NIGHT + DAY + MINUTE, NIGHT + 5 * DAY - MINUTE]
    assert times_served(nightly, begun) == [NIGHT, None, NIGHT + DAY, None, NIGHT + 4 * DAY]


def test_a_run_that_comes_too_late_or_for_no_schedule_is_made_by_hand() -> None:
    weekly = parse_schedule("30 1 * * 0", ZONE)  # NIGHT is one of its times
    assert times_served(weekly, [NIGHT + 2 * DAY + MINUTE, NIGHT + DAY]) == [None, NIGHT]
    assert times_served(parse_schedule("once", ZONE), [NIGHT]) == [None]


def test_whoever_claims_a_time_or_begins_at_it_is_a_rival_of_the_first() -> None:
    nightly = parse_schedule("30 1 * * *", ZONE)
    begun = [NIGHT + MINUTE, NIGHT + 5 * MINUTE, NIGHT + 3 * HOUR, NIGHT + 4 * HOUR, NIGHT + DAY, NIGHT + DAY + HOUR]
    claims = [None, None, NIGHT, None, NIGHT, NIGHT + 9 * DAY]  # the fifth claims a time that it comes a day late for
    served = times_served(nightly, begun)
    assert rivals(served, begun, claims, HOUR) == [None, 0, 0, None, 0, 4]
    assert rivals(served, begun, [None] * 6, timedelta()) == [None] * 6
    assert rivals(served[::-1], begun[::-1], claims[::-1], HOUR)[0] is None  # nobody was first but by the chain


@pytest.mark.parametrize(("schedule", "step"), [("30 * * * *", HOUR), ("every 1m", MINUTE), ("30 1 * * *", HOUR)])
def test_many_are_looked_at_quickly(schedule: str, step: timedelta) -> None:
    begun = process_time()
    served = times_served(parse_schedule(schedule, ZONE), (NIGHT + number * step for number in range(10_000)))
    assert len(served) - served.count(None) in {10_000, 417}
    assert process_time() - begun < 5

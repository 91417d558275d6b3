from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from drorch.policy.schedule import (
    OnceSchedule,
    ScheduleInvalid,
    next_occurrence,
    occurrences_between,
    parse_schedule,
    spread_offset_seconds,
)

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clock changes by half an hour
APIA = ZoneInfo("Pacific/Apia")  # skipped 30 December 2011 as a whole


def local_occurrences(text: str, zone: ZoneInfo, after: str, count: int) -> list[str]:
    schedule = parse_schedule(text, zone)
    moment = datetime.fromisoformat(after).replace(tzinfo=zone).astimezone(UTC)
    found = []
    for _ in range(count):
        following = next_occurrence(schedule, moment)
        assert following is not None
        assert following.tzinfo is UTC
        assert following > moment
        moment = following
        found.append(moment.astimezone(zone).isoformat(timespec="minutes"))
    return found


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("30 1 * * *", "2026-11-22T08:00", ["2026-11-23T01:30+07:00", "2026-11-24T01:30+07:00"]),
        ("30 1 * * *", "2026-11-22T01:30", ["2026-11-23T01:30+07:00"]),
        ("30 1 * * *", "2026-11-22T01:29:59", ["2026-11-22T01:30+07:00"]),
        (
            "*/20 8-9 * * *",
            "2026-11-22T08:00",
            ["2026-11-22T08:20+07:00", "2026-11-22T08:40+07:00", "2026-11-22T09:00+07:00"],
        ),
        ("0 5 * * 0", "2026-11-16T00:00", ["2026-11-22T05:00+07:00"]),
        ("0 5 * * 7", "2026-11-16T00:00", ["2026-11-22T05:00+07:00"]),
        ("0 5 * * 6", "2026-11-16T00:00", ["2026-11-21T05:00+07:00"]),
        ("0 5 * * sun", "2026-11-16T00:00", ["2026-11-22T05:00+07:00"]),
        (
            "0 5 * * fri-sun",
            "2026-11-16T00:00",
            ["2026-11-20T05:00+07:00", "2026-11-21T05:00+07:00", "2026-11-22T05:00+07:00"],
        ),
        ("0 5 1 1,4,7,10 *", "2026-11-22T00:00", ["2027-01-01T05:00+07:00", "2027-04-01T05:00+07:00"]),
        ("0 5 1 JAN,Apr *", "2026-11-22T00:00", ["2027-01-01T05:00+07:00", "2027-04-01T05:00+07:00"]),
        # both day fields given: either fits (cron(5))
        ("0 0 13 * 5", "2026-11-10T00:00", ["2026-11-13T00:00+07:00", "2026-11-20T00:00+07:00"]),
        # a field that starts with a star is no restriction: both must fit
        ("0 0 13 * */5", "2026-11-14T00:00", ["2026-12-13T00:00+07:00", "2027-06-13T00:00+07:00"]),
        ("0 0 */2 * 1", "2026-11-01T00:00", ["2026-11-09T00:00+07:00", "2026-11-23T00:00+07:00"]),
        ("0 0 29 2 *", "2026-11-22T00:00", ["2028-02-29T00:00+07:00", "2032-02-29T00:00+07:00"]),
        ("0 0 29 2 *", "2096-03-01T00:00", ["2104-02-29T00:00+07:00"]),
        ("0 0 29 2 */7", "2072-01-01T00:00", ["2088-02-29T00:00+07:00", "2128-02-29T00:00+07:00"]),
        (
            "0 0 31 * *",
            "2026-11-22T00:00",
            ["2026-12-31T00:00+07:00", "2027-01-31T00:00+07:00", "2027-03-31T00:00+07:00"],
        ),
        (
            "every 6h",
            "2026-11-22T08:00",
            ["2026-11-22T12:00+07:00", "2026-11-22T18:00+07:00", "2026-11-23T00:00+07:00"],
        ),
        ("every 1h30m", "2026-11-22T00:00", ["2026-11-22T01:30+07:00", "2026-11-22T03:00+07:00"]),
        ("every 1w", "2026-11-22T00:00", ["2026-11-23T00:00+07:00", "2026-11-30T00:00+07:00"]),
    ],
)
def test_next_occurrences_in_hanoi(text: str, after: str, expected: list[str]):
    assert local_occurrences(text, HANOI, after, len(expected)) == expected


def test_a_time_that_the_clock_skips_comes_once_at_the_next_minute_that_exists():
    expected = ["2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]
    assert local_occurrences("30 2 * * *", BERLIN, "2026-03-28T00:00", 3) == expected
    # every skipped time of a busy schedule falls on that one minute, which it has anyway
    expected = ["2026-03-29T01:45+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:15+02:00"]
    assert local_occurrences("*/15 * * * *", BERLIN, "2026-03-29T01:30", 3) == expected


def test_a_time_that_the_clock_shows_twice_comes_once_the_first_time():
    expected = ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]
    assert local_occurrences("30 2 * * *", BERLIN, "2026-10-25T00:00", 2) == expected
    second_pass = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    found = next_occurrence(parse_schedule("*/15 * * * *", BERLIN), second_pass)
    assert found == datetime(2026, 10, 25, 2, 0, tzinfo=UTC)


def test_odd_clocks():
    assert local_occurrences("15 2 * * *", LORD_HOWE, "2026-10-04T00:00", 2) == [
        "2026-10-04T02:30+11:00",
        "2026-10-05T02:15+11:00",
    ]
    assert local_occurrences("0 9 30 * *", APIA, "2011-12-01T00:00", 2) == [
        "2011-12-31T00:00+14:00",
        "2012-01-30T09:00+14:00",
    ]


def test_intervals_are_elapsed_time_over_a_change_of_the_clock():
    schedule = parse_schedule("every 6h", BERLIN)
    found = occurrences_between(schedule, datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC))
    assert len(found) == 16
    assert {following - before for before, following in pairwise(found)} == {timedelta(hours=6)}


def test_between_leaves_out_the_start_and_takes_the_end():
    schedule = parse_schedule("0 * * * *", HANOI)
    start = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
    hours = [start + timedelta(hours=number) for number in range(1, 4)]
    assert list(occurrences_between(schedule, start, hours[-1])) == hours
    assert occurrences_between(schedule, start, start) == ()


def test_once_never_comes_by_the_clock():
    schedule = parse_schedule("once", HANOI)
    assert isinstance(schedule, OnceSchedule)
    assert next_occurrence(schedule, datetime(2026, 11, 22, tzinfo=UTC)) is None
    assert str(schedule) == "once"


def test_the_text_is_kept_with_single_spaces():
    assert str(parse_schedule(" 30  1 * * * ", HANOI)) == "30 1 * * *"
    assert str(parse_schedule("every  6h", HANOI)) == "every 6h"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 1 31 2 *", "never comes: February has no day 31"),
        ("0 0 30,31 2 *", "never comes: February has no day 30 or 31"),
        ("0 0 31 4,6 *", "never comes: April and June have no day 31"),
        ("0 0 31 2,4,6,9,11 *", "never comes: February, April, June, September and November have no day 31"),
        ("0 0 30 2 */2", "never comes: February has no day 30"),
        ("* * * *", "cron has five fields (minute hour day month weekday), this has 4"),
        ("", "cron has five fields (minute hour day month weekday), this has 0"),
        ("60 * * * *", "the minute 60 is not between 0 and 59"),
        ("0 24 * * *", "the hour 24 is not between 0 and 23"),
        ("0 0 0 * *", "the day of the month 0 is not between 1 and 31"),
        ("0 0 * 13 *", "the month 13 is not between 1 and 12"),
        ("0 0 * * 8", "the day of the week 8 is not between 0 and 7"),
        ("0 0 * feb-jan *", "the range `feb-jan` of the month runs backwards"),
        ("0 0 * * 5-0", "the range `5-0` of the day of the week runs backwards"),
        ("5/15 * * * *", "a step needs a range: `5-59/15`, not `5/15`"),
        ("*/90 * * * *", "the step of `*/90` is not between 1 and 59"),
        ("*/0 * * * *", "the step of `*/0` is not between 1 and 59"),
        ("@daily", 'write `"0 0 * * *"`'),
        ("mon 0 * * *", "`mon` is no minute"),
        ("0 0 ² * *", "`²` is no day of the month"),
        ("1,,2 0 * * *", "`` is no minute"),
        ("0, 0 * * *", "`` is no minute"),
        ("every", "an interval is written `every 6h`"),
        ("every day", "an interval is written `every 6h`"),
        pytest.param(f"every {'9' * 5_000}h", "an interval is written `every 6h`", id="more digits than a number has"),
        ("every 30s", "an interval is whole minutes, at least 1m and at most 366d"),
        ("every 90s", "an interval is whole minutes, at least 1m and at most 366d"),
        ("every 367d", "an interval is whole minutes, at least 1m and at most 366d"),
    ],
)
def test_what_is_no_schedule_says_why(text: str, reason: str):
    with pytest.raises(ScheduleInvalid) as caught:
        parse_schedule(text, HANOI)
    assert str(caught.value) == reason


def test_a_weekday_saves_a_date_that_never_comes():
    assert local_occurrences("0 0 31 2 1", HANOI, "2026-02-01T00:00", 1) == ["2026-02-02T00:00+07:00"]


def test_a_naive_time_is_a_bug_of_the_caller():
    with pytest.raises(ValueError, match="naive"):
        next_occurrence(parse_schedule("0 * * * *", HANOI), datetime(2026, 1, 1))  # noqa: DTZ001


def test_spread_is_stable_whole_minutes_and_fills_the_time():
    offsets = [spread_offset_seconds(f"district-land/d{number:03d}", 4 * 3_600) for number in range(484)]
    assert offsets[0] == spread_offset_seconds("district-land/d000", 4 * 3_600)
    assert all(offset % 60 == 0 and 0 <= offset < 4 * 3_600 for offset in offsets)
    by_hour = [sum(hour * 3_600 <= offset < (hour + 1) * 3_600 for offset in offsets) for hour in range(4)]
    assert min(by_hour) > 80
    assert spread_offset_seconds("land", 0) == spread_offset_seconds("land", 59) == 0

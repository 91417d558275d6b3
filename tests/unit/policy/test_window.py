from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from drorch.policy.schedule import parse_schedule
from drorch.policy.window import WindowInvalid, parse_window
from drorch.policy.window_time import leaves_time
from tests.support.policies import POSTGRESQL, load

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")


@pytest.mark.parametrize(
    ("text", "local_time", "is_inside"),
    [
        ("22:00-05:30", "22:00", True),
        ("22:00-05:30", "21:59", False),
        ("22:00-05:30", "00:00", True),
        ("22:00-05:30", "05:29", True),
        ("22:00-05:30", "05:30", False),
        ("08:00-17:00", "12:00", True),
        ("08:00-17:00", "17:00", False),
        ("08:00-17:00", "07:59", False),
        ("00:00-24:00", "23:59", True),
    ],
)
def test_a_window_counts_local_minutes_over_midnight(text: str, local_time: str, *, is_inside: bool):
    moment = datetime.fromisoformat(f"2026-11-22T{local_time}:30+07:00").astimezone(UTC)
    assert parse_window(text).contains(moment, HANOI) is is_inside


@pytest.mark.parametrize(
    "text", ["22-5", "24:00-05:00", "22:60-05:00", "22:00", "08:00-08:00", "8:00-9:00", "00:00-24:30", ""]
)
def test_what_is_no_window(text: str):
    with pytest.raises(WindowInvalid):
        parse_window(text)


def test_it_prints_as_it_was_written():
    assert str(parse_window("22:00 - 05:30")) == "22:00-05:30"


@pytest.mark.parametrize(
    ("schedule", "window", "expected"),
    [
        ("30 1 * * *", "22:00-05:30", True),
        ("0 12 * * *", "22:00-05:30", False),
        ("30 5 * * *", "22:00-05:30", False),  # when it ends, it is over
        ("*/7 5,6 * * 1", "05:55-06:00", True),
        ("every 6h", "05:00-07:00", True),
        ("every 24h", "05:00-07:00", False),
        ("every 7d", "00:00-00:30", True),
        ("once", "05:00-05:01", True),
    ],
)
def test_a_window_that_leaves_a_schedule_no_time_is_seen(schedule: str, window: str, *, expected: bool) -> None:
    parsed = parse_schedule(schedule, ZoneInfo("Asia/Ho_Chi_Minh"))
    assert leaves_time(parsed, parse_window(window)) is expected


def test_such_a_policy_is_refused_and_says_why() -> None:
    text = POSTGRESQL.replace('"30 1 * * *"', '"0 12 * * *"\nwindow: "22:00-05:30"')
    (problem,) = load(text).problems
    assert "this window leaves no time" in problem.message

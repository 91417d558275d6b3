from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from drorch.policy.window import WindowInvalid, parse_window

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

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from drorch.policy.blackout import BlackoutInvalid, parse_blackout

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("2027-02-05..2027-02-12", "2027-02-12T23:59+07:00", "2027-02-13T00:00+07:00"),
        ("2027-02-05..2027-02-12", "2027-02-05T00:00+07:00", "2027-02-04T23:59+07:00"),
        ("2027-02-05 18:00..2027-02-06 06:00", "2027-02-05T11:00+00:00", "2027-02-06T06:00+07:00"),
        ("2027-02-05..9999-12-31", "2999-12-31T23:59+07:00", "2027-02-04T23:59+07:00"),
        (" 2027-02-05  18:00 .. 2027-02-06 ", "2027-02-06T23:00+07:00", "2027-02-05T17:59+07:00"),
    ],
)
def test_a_blackout_is_read_by_the_local_clock_its_last_day_included(text: str, inside: str, outside: str) -> None:
    blackout = parse_blackout(text)
    assert blackout.contains(datetime.fromisoformat(inside).astimezone(UTC), HANOI)
    assert not blackout.contains(datetime.fromisoformat(outside).astimezone(UTC), HANOI)
    assert parse_blackout(str(blackout)) == blackout


@pytest.mark.parametrize(
    "text",
    ["", "Tết", "2027-02-05", "2027-02-30..2027-03-02", "2027-02-05 25:00..2027-02-06", "2027-02-06..2027-02-05"],
)
def test_what_is_no_blackout_is_refused(text: str) -> None:
    with pytest.raises(BlackoutInvalid):
        parse_blackout(text)

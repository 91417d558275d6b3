"""Caps and windows of a line."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from drorch.policy.bandwidth import BandwidthInvalid, parse_bandwidth

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


@pytest.mark.parametrize(
    ("text", "hour", "expected"),
    [
        ("20 Mbit/s", 3, 2_500_000),
        ("20 Mbit/s 07:00-18:00", 7, 2_500_000),
        ("20 Mbit/s 07:00-18:00", 18, None),
        ("20Mbit/s 22:00-05:00", 23, 2_500_000),
        ("20 Mbit/s 07:00-18:00, 1.5 Gbit/s", 6, 187_500_000),
        ("512 kbit/s 07:00-12:00, 2 Mbit/s 12:00-18:00", 13, 250_000),
        ("512 kbit/s 07:00-12:00, 2 Mbit/s 12:00-18:00", 20, None),
    ],
)
def test_the_first_cap_that_fits_the_local_hour_counts(text: str, hour: int, expected: int | None) -> None:
    moment = datetime(2026, 11, 23, hour, 0, tzinfo=ZONE).astimezone(UTC)
    assert parse_bandwidth(text).at(moment, ZONE) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20",
        "20 MB/s",
        "20 Mbit",
        "0 Mbit/s",
        pytest.param(f"{'9' * 400} Mbit/s", id="more digits than a number has"),
        "1 kbit/s",
        "20 Mbit/s 7-18",
        "20 Mbit/s 07:00-07:00",
        "20 Mbit/s, 5 Mbit/s 07:00-18:00",
        "20 Mbit/s,",
    ],
)
def test_what_is_no_bandwidth_is_refused(text: str) -> None:
    with pytest.raises(BandwidthInvalid):
        parse_bandwidth(text)

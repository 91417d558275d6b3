"""Times that people type."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from drorch.cli.times import parse_time
from drorch.errors import UsageInvalid

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def test_a_date_is_one_of_the_zone() -> None:
    assert parse_time("22/11/2026", ZONE) == datetime(2026, 11, 21, 17, tzinfo=UTC)


@pytest.mark.parametrize("text", ["0001-01-01", "01/01/0001 06:59", "9999-12-31T23:59:59-01:00"])
def test_a_moment_that_has_no_name_elsewhere_is_no_time(text: str) -> None:
    with pytest.raises(UsageInvalid, match="not a time"):
        parse_time(text, ZONE)

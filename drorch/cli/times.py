"""Read the times that people type."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from drorch.errors import UsageInvalid

_FORMS = (
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
)
_DATES = ("%Y-%m-%d", "%d/%m/%Y")


def parse_time(text: str, zone: ZoneInfo, *, end_of_day: bool = False) -> datetime:
    """Return the moment that a person typed, in ``zone`` unless it bears an offset; raise ``UsageInvalid``.

    A date alone is its first second, or with ``end_of_day`` its last.
    """
    for form in (*_FORMS, *_DATES):
        try:
            moment = datetime.strptime(text.replace("Z", "+0000"), form)  # noqa: DTZ007 - the zone is added below
        except ValueError:
            continue
        if form in _DATES and end_of_day:
            moment += timedelta(days=1, seconds=-1)
        with suppress(OverflowError):  # the first and the last day that can be written down, in another zone
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=zone).astimezone(UTC)
    raise UsageInvalid("not a time", expected="22/11/2026 08:04 or 2026-11-22T08:04:00+07:00", found=text[:40])

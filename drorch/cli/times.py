"""Read the times that people type."""

from __future__ import annotations

from datetime import UTC, datetime
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


def parse_time(text: str, zone: ZoneInfo) -> datetime:
    """Return the moment that a person typed, in ``zone`` unless it bears an offset; raise ``UsageInvalid``."""
    for form in _FORMS:
        try:
            moment = datetime.strptime(text.replace("Z", "+0000"), form)  # noqa: DTZ007 - the zone is added below
        except ValueError:
            continue
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=zone).astimezone(UTC)
    raise UsageInvalid("not a time", expected="22/11/2026 08:04 or 2026-11-22T08:04:00+07:00", found=text[:40])

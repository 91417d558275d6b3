"""Whether a schedule ever comes inside a window: one that never does would be skipped for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

from drorch.policy.schedule import CronSchedule, IntervalSchedule, Schedule, occurrences_between
from drorch.policy.window import Window

_LOOKED_AT = timedelta(days=400)  # over a change of the clock, both ways
_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_MOST = 2_000


def leaves_time(schedule: Schedule, window: Window) -> bool:
    """Whether some occurrence of ``schedule`` lies in ``window``; ``once`` waits for it to open."""
    if isinstance(schedule, CronSchedule):
        times = product(schedule.expression.hours, schedule.expression.minutes)
        return any(window.contains_minute(hour * 60 + minute) for hour, minute in times)
    if not isinstance(schedule, IntervalSchedule):
        return True
    until = _ANY_DAY + min(_LOOKED_AT, _MOST * timedelta(seconds=schedule.interval_seconds))
    return any(window.contains(moment, schedule.zone) for moment in occurrences_between(schedule, _ANY_DAY, until))

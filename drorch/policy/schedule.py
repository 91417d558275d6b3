"""When a policy is due: cron expressions, ``every 6h`` and ``once``, in a time zone. Computes dates, starts nothing.

*Cron* is read against the local clock, to the minute. Where the clock jumps forward, times that it skips come
once, at the first minute after the jump; where it is set back, times that it shows twice come once, the first
time. So ``*/15 * * * *`` pauses for the hour that is repeated, and no occurrence is lost or doubled.

*every* counts elapsed time from Monday 1 January 2001, 00:00 local time: ``every 6h`` is six hours apart over
every change of the clock, and falls on 00:00, 06:00, 12:00 and 18:00 where there is none.

*once* is for a source that no longer changes: due until it has one complete snapshot, never by the clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from drorch.errors import UsageInvalid
from drorch.policy.cron import CronExpression, CronInvalid, parse_cron
from drorch.quantities import parse_duration

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_ANCHOR = datetime(2001, 1, 1)  # noqa: DTZ001  a local time; the zone is the schedule's
_LONGEST_INTERVAL_SECONDS = 366 * 86_400
# 29 February on a given weekday is at most 40 years away, over a year 2100 that is no leap year.
_HORIZON = timedelta(days=41 * 366)


class ScheduleInvalid(ValueError):
    """The text is no schedule, or one that never comes; the message says why, in one clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CronSchedule:
    """Comes when the local clock of ``zone`` shows what ``expression`` says."""

    expression: CronExpression
    zone: ZoneInfo

    def __str__(self) -> str:
        return self.expression.text


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalSchedule:
    """Comes every ``interval_seconds``, a whole number of minutes."""

    text: str
    interval_seconds: int
    zone: ZoneInfo

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceSchedule:
    """Never comes by the clock: due until there is one complete snapshot."""

    zone: ZoneInfo

    def __str__(self) -> str:
        return "once"


Schedule: TypeAlias = CronSchedule | IntervalSchedule | OnceSchedule


def parse_schedule(text: str, zone: ZoneInfo) -> Schedule:
    """Return the schedule that ``text`` spells; raise ``ScheduleInvalid``, also for one that never comes."""
    words = text.split()
    if words == ["once"]:
        return OnceSchedule(zone=zone)
    if words[:1] == ["every"]:
        return _parse_interval(words, zone)
    try:
        expression = parse_cron(text)
    except CronInvalid as error:
        raise ScheduleInvalid(str(error)) from error
    reason = expression.why_never()
    if reason:
        raise ScheduleInvalid(f"never comes: {reason}")
    return CronSchedule(expression=expression, zone=zone)


def _parse_interval(words: list[str], zone: ZoneInfo) -> IntervalSchedule:
    try:
        seconds = parse_duration("".join(words[1:]))
    except UsageInvalid as error:
        raise ScheduleInvalid("an interval is written `every 6h`") from error
    if not 60 <= seconds <= _LONGEST_INTERVAL_SECONDS or seconds % 60:
        raise ScheduleInvalid("an interval is whole minutes, at least 1m and at most 366d")
    return IntervalSchedule(text=" ".join(words), interval_seconds=seconds, zone=zone)


def next_occurrence(schedule: Schedule, after: datetime) -> datetime | None:
    """Return the first occurrence later than ``after`` (aware), in UTC; ``None`` when there is none."""
    return next(occurrences_after(schedule, after), None)


def occurrences_between(schedule: Schedule, after: datetime, until: datetime) -> tuple[datetime, ...]:
    """Return the occurrences later than ``after`` and not later than ``until`` (both aware), in UTC, in order."""
    found = []
    for occurrence in occurrences_after(schedule, after):
        if occurrence > until:
            break
        found.append(occurrence)
    return tuple(found)


def spread_offset_seconds(address: str, spread_seconds: int) -> int:
    """Return by how many seconds the source ``address`` starts later than its policy: whole minutes in [0, spread).

    The same address always gets the same offset; many addresses fill the time evenly.
    """
    minutes = spread_seconds // 60
    if not minutes:
        return 0
    drawn = int.from_bytes(hashlib.blake2b(address.encode(), digest_size=8).digest(), "big")
    return drawn % minutes * 60


def occurrences_after(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Yield the occurrences later than ``after`` (aware), in UTC, in order; it may never end."""
    if after.tzinfo is None:
        raise ValueError("naive datetime")  # a bug of the caller, never input
    moment = after.astimezone(UTC)
    if isinstance(schedule, OnceSchedule):
        return iter(())
    if isinstance(schedule, IntervalSchedule):
        return _interval_occurrences(schedule, moment)
    return _cron_occurrences(schedule, moment)


def _interval_occurrences(schedule: IntervalSchedule, after: datetime) -> Iterator[datetime]:
    anchor = _ANCHOR.replace(tzinfo=schedule.zone).astimezone(UTC)
    interval = timedelta(seconds=schedule.interval_seconds)
    occurrence = anchor + ((after - anchor) // interval + 1) * interval
    while True:
        yield occurrence
        occurrence += interval


def _cron_occurrences(schedule: CronSchedule, after: datetime) -> Iterator[datetime]:
    last = after
    local = after.astimezone(schedule.zone).replace(tzinfo=None, second=0, microsecond=0)
    for wall_time in _wall_times(schedule.expression, local):
        occurrence = _instant(wall_time, schedule.zone)
        if occurrence > last:
            yield occurrence
            last = occurrence


def _wall_times(expression: CronExpression, start: datetime) -> Iterator[datetime]:
    """Yield the local times from ``start`` on, without a zone; ends when nothing came for the length of the horizon."""
    day = start.date()
    idle = timedelta()
    while idle <= _HORIZON:
        if expression.fits_day(day):
            idle = timedelta()
            for hour in expression.hours:
                for minute in expression.minutes:
                    wall_time = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001  a local time
                    if wall_time >= start:
                        yield wall_time
        following = _next_candidate(expression, day)
        idle += following - day
        day = following


def _next_candidate(expression: CronExpression, day: date) -> date:
    following = day + _DAY
    if following.month in expression.months:
        return following
    return date(following.year + following.month // 12, following.month % 12 + 1, 1)


def _instant(wall_time: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clock of ``zone`` first shows ``wall_time``; if it skips it, the first minute after the jump."""
    instant = wall_time.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall_time:
        return instant
    # In a gap fold=1 reads the time with the offset after the jump, fold=0 with the one before: the jump lies between.
    before = wall_time.replace(tzinfo=zone, fold=1).astimezone(UTC)
    offset = instant.astimezone(zone).utcoffset()
    low, high = 0, int((instant - before) / _MINUTE)
    while low < high:
        middle = (low + high) // 2
        if (before + middle * _MINUTE).astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle + 1
    return before + low * _MINUTE

"""Schedules, retention and sources in plain words, for people who do not read cron."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drorch.policy.cron import MONTH_NAMES, CronExpression
from drorch.policy.model import (
    Discovery,
    FilesSource,
    Keep,
    KeepCount,
    MariadbSource,
    PostgresqlSource,
    Retention,
    Source,
    SqliteSource,
)
from drorch.policy.schedule import CronSchedule, IntervalSchedule, Schedule
from drorch.quantities import counted, format_size

_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MOST_TIMES = 6
_TLS = {
    "verify-full": "the server proves its name by TLS",
    "require": "TLS without proof of the server's name",
    "none": "no TLS: readable on the way",
}


def listed(words: Iterable[str], last: str = "and") -> str:
    """Return ``a, b and c``."""
    *most, final = words
    return f"{', '.join(most)} {last} {final}" if most else final


def schedule_words(schedule: Schedule) -> str:
    """Return when ``schedule`` comes: ``every day at 01:30``."""
    if isinstance(schedule, CronSchedule):
        return f"{_days(schedule.expression)} {_times(schedule.expression)}"
    if isinstance(schedule, IntervalSchedule):
        return str(schedule)
    return "once: until there is one complete snapshot"


def _times(expression: CronExpression) -> str:
    minutes, hours = expression.minutes, expression.hours
    if len(minutes) * len(hours) <= _MOST_TIMES:
        return "at " + listed(f"{hour:02d}:{minute:02d}" for hour in hours for minute in minutes)
    if len(minutes) == 60:
        each = "every minute"
    elif len(minutes) <= _MOST_TIMES:
        each = "at minute " + listed(str(minute) for minute in minutes)
    else:
        each = f"at {counted(len(minutes), 'minute')}"
    if len(hours) == 24:
        return f"{each} of every hour"
    return f"{each} of {len(hours)} hours from {hours[0]:02d} to {hours[-1]:02d}"


def _days(expression: CronExpression) -> str:
    every_day = len(expression.days) == 31
    every_weekday = len(expression.weekdays) == 7
    dates = "on day " + listed(str(day) for day in sorted(expression.days)) + " of the month"
    weekdays = "every " + _weekday_names(sorted(expression.weekdays))
    if every_day and every_weekday:
        words = "every day"
    elif every_weekday and not (expression.weekdays_are_restricted and expression.days_are_restricted):
        words = dates
    elif every_day and not (expression.weekdays_are_restricted and expression.days_are_restricted):
        words = weekdays
    elif expression.weekdays_are_restricted and expression.days_are_restricted:
        words = f"{dates} and {weekdays}"
    else:
        words = f"{dates} if it is a {weekdays.removeprefix('every ')}"
    if len(expression.months) < 12:
        words += " in " + listed(MONTH_NAMES[month - 1] for month in sorted(expression.months))
    return words


def _weekday_names(weekdays: Sequence[int]) -> str:
    if list(weekdays) == [1, 2, 3, 4, 5]:
        return "Monday to Friday"
    return listed(_WEEKDAYS[day] for day in weekdays)


def retention_words(retention: Retention) -> str:
    """Return what stays: ``30 daily, 12 monthly, yearly for ever``."""
    counts: tuple[tuple[KeepCount, str], ...] = (
        (retention.keep_last, "newest"),
        (retention.keep_hourly, "hourly"),
        (retention.keep_daily, "daily"),
        (retention.keep_weekly, "weekly"),
        (retention.keep_monthly, "monthly"),
        (retention.keep_yearly, "yearly"),
    )
    return ", ".join(_kept(count, period) for count, period in counts if count != 0)


def _kept(count: KeepCount, period: str) -> str:
    if count is Keep.FOREVER:
        return "everything for ever" if period == "newest" else f"{period} for ever"
    return f"the {count} newest" if period == "newest" else f"{count} {period}"


def source_words(source: Source) -> tuple[str, ...]:
    """Return what is backed up, one statement a line."""
    if isinstance(source, PostgresqlSource | MariadbSource):
        return _server_words(source)
    if isinstance(source, SqliteSource):
        return (f"the SQLite file {source.file}", *_left_out(source.exclude_data))
    if isinstance(source, FilesSource):
        left_out = (f"left out: {', '.join(source.exclude)}",) if source.exclude else ()
        return (f"the files below {listed(source.paths)}", *left_out)
    product = f" ({source.product})" if source.product else ""
    ends = ", and its last bytes are looked at" if source.ends_with else ""
    checked = f", checked by {source.verify[0]}" if source.verify else ""
    return (
        f"what the program {source.capture[0]} writes{product}: less than {format_size(source.minimum_size_bytes)} is a failure{ends}",
        f"restored by {source.restore[0]}{checked}",
    )


def _server_words(source: PostgresqlSource | MariadbSource) -> tuple[str, ...]:
    name = "PostgreSQL" if isinstance(source, PostgresqlSource) else "MariaDB"
    service = source.service if isinstance(source, PostgresqlSource) else None
    port = f":{source.port}" if source.port else ""
    host = f"{source.host}{port}" if source.host else f"service {service}" if service else "this machine"
    account = f", as {source.user}" if source.user else ""
    password = f"password from {source.password}" if source.password else "no password in the policy"
    is_remote = source.host is not None and not source.host.startswith("/")
    tls = f"; {_TLS[source.tls]}" if is_remote or service else ""
    return (
        f"{_databases(source.database, source.databases)} on {host}, {name}{account}",
        password + tls,
        *_left_out(source.exclude_data),
        *_locked(source),
    )


def _locked(source: PostgresqlSource | MariadbSource) -> tuple[str, ...]:
    if isinstance(source, MariadbSource) and source.non_transactional == "lock":
        return ("tables without transactions (MyISAM, Aria, MEMORY) are closed to writers until they are read",)
    return ()


def _databases(database: str | None, databases: Discovery | None) -> str:
    if databases is None:
        return f"database {database}" if database else "the database"
    expected = f", {databases.expect} of them" if databases.expect else ""
    excluded = f" but not {', '.join(databases.exclude)}" if databases.exclude else ""
    return f"every database like {', '.join(databases.match)}{excluded}{expected}"


def _left_out(tables: Sequence[str]) -> tuple[str, ...]:
    return (f"rows left out, structure kept: {', '.join(tables)}",) if tables else ()

"""Five-field cron expressions with the meaning that cron(5) gives them.

Minute 0-59, hour 0-23, day of month 1-31, month 1-12 or jan-dec, day of week 0-7 or sun-sat (0 and 7 are Sunday).
Lists ``1,5``, ranges ``1-5``, steps ``*/15`` and ``8-18/2``. If both day fields are restricted, a day that fits
either of them fits; a field that starts with ``*`` is not restricted, and then a day must fit both.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTH_NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LEAP_YEAR = 2024


class CronInvalid(ValueError):
    """The text is no cron expression; the message says why, in one clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    label: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first_name: int = 0


_PARTS = (
    _Part(label="minute", low=0, high=59),
    _Part(label="hour", low=0, high=23),
    _Part(label="day of the month", low=1, high=31),
    _Part(label="month", low=1, high=12, names=_MONTHS, first_name=1),
    _Part(label="day of the week", low=0, high=7, names=_DAYS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CronExpression:
    """When a local clock shows one of these minutes, hours and days. ``weekdays`` counts from Sunday = 0."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    days_are_restricted: bool
    weekdays_are_restricted: bool

    def fits_day(self, day: date) -> bool:
        """Return whether the expression comes on ``day``."""
        if day.month not in self.months:
            return False
        fits_date = day.day in self.days
        fits_weekday = day.isoweekday() % 7 in self.weekdays
        if self.days_are_restricted and self.weekdays_are_restricted:
            return fits_date or fits_weekday
        return fits_date and fits_weekday

    def why_never(self) -> str:
        """Return why it never comes, such as ``February has no day 31``; empty when it comes."""
        if self.days_are_restricted and self.weekdays_are_restricted:
            return ""
        first = min(self.days)
        if any(first <= monthrange(_LEAP_YEAR, month)[1] for month in self.months):
            return ""
        months = _listed([MONTH_NAMES[month - 1] for month in sorted(self.months)], "and")
        days = _listed([str(day) for day in sorted(self.days)], "or")
        return f"{months} {'has' if len(self.months) == 1 else 'have'} no day {days}"


def _listed(words: list[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def parse_cron(text: str) -> CronExpression:
    """Return the expression that ``text`` spells; raise ``CronInvalid``."""
    fields = text.lower().split()
    if len(fields) == 1 and fields[0] in _NICKNAMES:
        raise CronInvalid(f'write `"{_NICKNAMES[fields[0]]}"`')
    if len(fields) != len(_PARTS):
        raise CronInvalid(f"cron has five fields (minute hour day month weekday), this has {len(fields)}")
    minutes, hours, days, months, weekdays = (
        _parse_part(field, part) for field, part in zip(fields, _PARTS, strict=True)
    )
    return CronExpression(
        text=" ".join(text.split()),
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(day % 7 for day in weekdays),
        days_are_restricted=not fields[2].startswith("*"),
        weekdays_are_restricted=not fields[4].startswith("*"),
    )


def _parse_part(field: str, part: _Part) -> set[int]:
    values: set[int] = set()
    for element in field.split(","):
        values |= _parse_element(element, part)
    return values


def _parse_element(element: str, part: _Part) -> set[int]:
    span, slash, step_text = element.partition("/")
    if span == "*":
        low, high = part.low, part.high
    else:
        first, dash, last = span.partition("-")
        low = _number(first, part)
        high = _number(last, part) if dash else low
        if slash and not dash:
            raise CronInvalid(f"a step needs a range: `{low}-{part.high}/{step_text}`, not `{element}`")
        if high < low and last == "sun":  # fri-sun: Sunday is also 7
            high = 7
        if high < low:
            raise CronInvalid(f"the range `{span}` of the {part.label} runs backwards")
    step = _step(step_text, element, part) if slash else 1
    return set(range(low, high + 1, step))


def _step(text: str, element: str, part: _Part) -> int:
    step = int(text) if _is_number(text) else 0
    if not 1 <= step <= part.high:
        raise CronInvalid(f"the step of `{element}` is not between 1 and {part.high}")
    return step


def _number(text: str, part: _Part) -> int:
    if text in part.names:
        return part.names.index(text) + part.first_name
    if not _is_number(text):
        raise CronInvalid(f"`{text}` is no {part.label}")
    value = int(text)
    if not part.low <= value <= part.high:
        raise CronInvalid(f"the {part.label} {value} is not between {part.low} and {part.high}")
    return value


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 2

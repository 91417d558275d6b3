"""Occurrences against a minute-by-minute matcher that shares nothing with the product: strings, sets and a walk."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from drorch.policy.schedule import Schedule, ScheduleInvalid, next_occurrence, occurrences_between, parse_schedule

ZONES = [ZoneInfo(name) for name in ("Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")]
BOUNDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
MINUTE = timedelta(minutes=1)


@lru_cache(maxsize=1_000)
def values_of(field: str, low: int, high: int) -> frozenset[int]:
    """Return the numbers that one field of a (well formed) expression names."""
    chosen: set[int] = set()
    for part in field.split(","):
        body, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if body == "*" else body).partition("-")
        chosen |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return frozenset(chosen)


def shows(expression: str, clock: datetime) -> bool:
    """Return whether a wall clock that shows ``clock`` fits, by the words of cron(5)."""
    minute, hour, day, month, weekday = (
        values_of(field, *bounds) for field, bounds in zip(expression.split(), BOUNDS, strict=True)
    )
    if clock.minute not in minute or clock.hour not in hour or clock.month not in month:
        return False
    day_fits = clock.day in day
    weekday_fits = bool({clock.isoweekday() % 7, clock.isoweekday()} & weekday)
    fields = expression.split()
    if not fields[2].startswith("*") and not fields[4].startswith("*"):
        return day_fits or weekday_fits
    return day_fits and weekday_fits


def walk(expression: str, zone: ZoneInfo, start: datetime, minutes: int) -> list[datetime]:
    """Return the occurrences in ``minutes`` after ``start``, from watching the clock of ``zone`` minute by minute.

    A minute is one if the clock shows a fitting time for the first time, or has just jumped over one.
    """
    seen = {(start + number * MINUTE).astimezone(zone).replace(tzinfo=None) for number in range(-180, 1)}
    shown_before = start.astimezone(zone).replace(tzinfo=None)
    found = []
    for number in range(1, minutes + 1):
        moment = start + number * MINUTE
        clock = moment.astimezone(zone).replace(tzinfo=None)
        candidates = [clock]
        while candidates[0] - MINUTE > shown_before:  # the clock jumped
            candidates.insert(0, candidates[0] - MINUTE)
        if any(shows(expression, candidate) for candidate in candidates if candidate not in seen):
            found.append(moment)
        seen.update(candidates)
        shown_before = clock
    return found


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> str:
    number = st.integers(low, high)

    def part() -> str:
        kind = draw(st.sampled_from(["star", "number", "range", "star step", "range step"]))
        first, last = sorted((draw(number), draw(number)))
        step = draw(st.integers(1, high))
        return {
            "star": "*",
            "number": str(first),
            "range": f"{first}-{last}",
            "star step": f"*/{step}",
            "range step": f"{first}-{last}/{step}",
        }[kind]

    return ",".join(part() for _ in range(draw(st.integers(1, 2))))


def schedule_or_none(expression: str, zone: ZoneInfo) -> Schedule | None:
    """Return the schedule, ``None`` for one that is said to come never."""
    try:
        return parse_schedule(expression, zone)
    except ScheduleInvalid as error:
        reason = str(error)
    assert reason.startswith("never comes: ")
    return None


def one_minute_of_every_day(expression: str) -> list[datetime]:
    """Return eight years of days, each at a minute and hour that fit."""
    minute, hour = (
        min(values_of(field, *bounds)) for field, bounds in zip(expression.split()[:2], BOUNDS, strict=False)
    )
    first = datetime(2000, 1, 1, hour, minute)  # noqa: DTZ001  any clock
    return [first + timedelta(days=number) for number in range(8 * 366)]


EXPRESSIONS = st.tuples(*(fields(low, high) for low, high in BOUNDS)).map(" ".join)
# The days around a change of a clock, leap days, and any other.
STARTS = st.one_of(
    st.sampled_from(
        [
            datetime(2026, 3, 28, 12, tzinfo=UTC),
            datetime(2026, 10, 24, 12, tzinfo=UTC),
            datetime(2026, 3, 7, 12, tzinfo=UTC),
            datetime(2026, 10, 31, 12, tzinfo=UTC),
            datetime(2026, 4, 4, 1, tzinfo=UTC),
            datetime(2026, 10, 3, 1, tzinfo=UTC),
            datetime(2028, 2, 28, 6, tzinfo=UTC),
            datetime(2100, 2, 28, 6, tzinfo=UTC),
        ]
    ),
    st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  bounds
        lambda moment: moment.replace(second=0, microsecond=0)
    ),
)


@settings(max_examples=120)
@given(expression=EXPRESSIONS, zone=st.sampled_from(ZONES), start=STARTS, offset=st.integers(0, 1_000))
@example("30 2 * * *", ZoneInfo("Europe/Berlin"), datetime(2026, 3, 28, 12, tzinfo=UTC), 0)
@example("30 1 * * *", ZoneInfo("America/New_York"), datetime(2026, 10, 31, 12, tzinfo=UTC), 0)
@example("*/7 * * * *", ZoneInfo("Australia/Lord_Howe"), datetime(2026, 4, 4, 1, tzinfo=UTC), 0)
@example("0 0 29 2 *", ZoneInfo("Asia/Ho_Chi_Minh"), datetime(2028, 2, 28, 6, tzinfo=UTC), 0)
def test_occurrences_are_those_of_the_clock(expression: str, zone: ZoneInfo, start: datetime, offset: int):
    start += offset * MINUTE
    minutes = 36 * 60
    schedule = schedule_or_none(expression, zone)
    if schedule is None:
        assert not any(shows(expression, clock) for clock in one_minute_of_every_day(expression))
        return
    expected = walk(expression, zone, start, minutes)
    assert list(occurrences_between(schedule, start, start + minutes * MINUTE)) == expected
    if expected:
        assert next_occurrence(schedule, start) == expected[0]


@given(expression=EXPRESSIONS, zone=st.sampled_from(ZONES), start=STARTS, cut=st.integers(0, 3 * 1_440))
def test_two_halves_of_a_time_have_the_occurrences_of_the_whole(
    expression: str, zone: ZoneInfo, start: datetime, cut: int
):
    schedule = schedule_or_none(expression, zone)
    if schedule is None:
        return
    middle, end = start + cut * MINUTE, start + 3 * 1_440 * MINUTE
    whole = occurrences_between(schedule, start, end)
    assert occurrences_between(schedule, start, middle) + occurrences_between(schedule, middle, end) == whole


@given(
    minutes=st.integers(1, 366 * 1_440),
    zone=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  bounds
)
def test_intervals_are_equally_long_and_anchored(minutes: int, zone: ZoneInfo, start: datetime):
    schedule = parse_schedule(f"every {minutes}m", zone)
    first = next_occurrence(schedule, start)
    assert first is not None
    assert start < first <= start + minutes * MINUTE
    assert next_occurrence(schedule, first) == first + minutes * MINUTE
    anchor = datetime(2001, 1, 1, tzinfo=zone).astimezone(UTC)
    assert (first - anchor) % (minutes * MINUTE) == timedelta()

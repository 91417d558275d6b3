from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from drorch.policy.blackout import parse_blackout
from drorch.policy.occurrences.duty import Duty, DutyKind, jitter
from drorch.policy.occurrences.falling_due import FallenDue, fall_due, next_start
from drorch.policy.occurrences.states import OccurrenceState, Span
from drorch.policy.schedule import parse_schedule
from drorch.policy.window import parse_window

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
AWAY = "the daemon was not running"


def a_duty(schedule: str = "0 * * * *", **changes: Any) -> Duty:
    values: dict[str, Any] = {
        "kind": DutyKind.BACKUP,
        "subject": "land",
        "schedule": parse_schedule(schedule, ZoneInfo("UTC")),
        "since": NOON,
    }
    return Duty(**values | changes)


def hours(count: float) -> datetime:
    return NOON + timedelta(hours=count)


def due(duty: Duty, after: float, now: float) -> FallenDue:
    return fall_due(duty, hours(after), hours(now), absence=AWAY)


def span(first: float, last: float, state: OccurrenceState, reason: str) -> Span:
    return Span(first=hours(first), last=hours(last), count=round(last - first) + 1, state=state, reason=reason)


def test_nothing_is_due_between_two_occurrences() -> None:
    assert due(a_duty(), 0, 0.9) == FallenDue(due=None, spans=())


def test_an_occurrence_is_due_at_its_minute_and_once() -> None:
    assert due(a_duty(), 0.5, 1) == FallenDue(due=hours(1), spans=())
    assert due(a_duty(), 1, 1.5).due is None


def test_after_a_downtime_the_newest_runs_and_the_others_were_missed() -> None:
    found = due(a_duty(), 0, 5.5)
    assert found == FallenDue(due=hours(5), spans=(span(1, 4, OccurrenceState.MISSED, AWAY),))


def test_what_is_older_than_the_limit_is_not_run_any_more() -> None:
    found = due(a_duty("0 0 1 1 *"), 0, 24 * 90)
    assert found.due is None
    assert [(one.state, one.count) for one in found.spans] == [(OccurrenceState.MISSED, 1)]


def test_a_blackout_skips_and_says_why() -> None:
    blackout = parse_blackout("2026-11-22 13:30..2026-11-22 15:30")
    found = due(a_duty(blackouts=(blackout,)), 0, 4.5)
    assert found.due == hours(4)
    assert found.spans == (
        span(1, 1, OccurrenceState.MISSED, AWAY),
        span(2, 3, OccurrenceState.SKIPPED, f"blackout {blackout}"),
    )


def test_outside_its_window_an_occurrence_is_skipped() -> None:
    found = due(a_duty(window=parse_window("22:00-05:30")), 0, 1)
    assert found == FallenDue(due=None, spans=(span(1, 1, OccurrenceState.SKIPPED, "outside its window 22:00-05:30"),))


def test_the_spread_never_pushes_a_start_out_of_the_window() -> None:
    duty = a_duty("0 22 * * *", window=parse_window("22:00-23:00"), spread_seconds=4 * 3600, offset_seconds=3 * 3600)
    assert due(duty, 0, 13).due == hours(10.75)
    wide = a_duty("0 22 * * *", window=parse_window("22:00-05:00"), spread_seconds=4 * 3600, offset_seconds=3 * 3600)
    assert due(wide, 0, 14).due == hours(13)


def test_once_is_due_when_it_came_into_force_and_then_daily() -> None:
    duty = a_duty("once")
    assert due(duty, -0.01, 0).due == NOON
    assert next_start(duty, NOON) == hours(24)
    assert next_start(duty, hours(30)) == hours(48)


def test_jitter_is_small_the_same_each_time_and_another_on_another_machine() -> None:
    drawn = {jitter(f"host{number}", "land") for number in range(50)}
    assert jitter("host1", "land") == jitter("host1", "land")
    assert len(drawn) > 5
    assert all(timedelta() <= one < timedelta(seconds=15) for one in drawn)

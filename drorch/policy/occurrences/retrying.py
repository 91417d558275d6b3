"""When a run that failed for a passing reason is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta

from drorch.policy.occurrences.duty import Duty

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=30)
PATIENCE = timedelta(hours=6)  # after it was queued, where no window says it
_MOST_DOUBLINGS = 10


def next_try(
    duty: Duty, *, queued_at: datetime, attempts: int, failed_at: datetime, next_due: datetime | None
) -> datetime | None:
    """Return when to try again after ``attempts`` tries; ``None`` when it is time to give up.

    A pause doubles each time. Nothing is tried outside the duty's window, nor when the next occurrence is due, nor for longer
    than ``PATIENCE`` after it was queued.
    """
    doublings = min(attempts - 1, _MOST_DOUBLINGS)
    pause: timedelta = min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
    again = failed_at + pause
    if next_due is not None and again >= next_due:
        return None
    if not duty.may_start(again):
        return None
    if duty.window is None and again - queued_at > PATIENCE:
        return None
    return again

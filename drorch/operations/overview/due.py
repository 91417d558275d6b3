"""When a source is due, and what passed without a run."""

from __future__ import annotations

from datetime import datetime, timedelta

from drorch.catalog.interface import RunRecord
from drorch.policy.model import Policy
from drorch.policy.schedule import next_occurrence, occurrences_between, spread_offset_seconds

GRACE = timedelta(hours=1)  # a run may start later than its minute: a timer's own spread, a machine that was busy


def due(policy: Policy, address: str, now: datetime) -> datetime | None:
    """Return when the source is due next, spread as its policy says."""
    offset = timedelta(seconds=spread_offset_seconds(address, policy.spread_seconds))
    following = next_occurrence(policy.schedule, now - offset)
    return None if following is None else following + offset


def missed(
    policy: Policy, address: str, last: RunRecord | None, now: datetime, grace: timedelta = GRACE
) -> datetime | None:
    """Return the last occurrence that passed without a run, if it is longer ago than the grace.

    A run at any time since the occurrence counts for it, however its start is spread: cron starts all sources of a policy at once.
    """
    if last is None:
        return None
    offset = timedelta(seconds=spread_offset_seconds(address, policy.spread_seconds))
    passed = occurrences_between(policy.schedule, last.started_at, now - offset - grace)
    return passed[-1] + offset if passed else None


def ago(seconds: float) -> str:
    """Return how long ago that is, in one word."""
    for unit, size in (("d", 86_400), ("h", 3_600)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit} ago"
    return f"{int(max(0.0, seconds) // 60)} min ago"

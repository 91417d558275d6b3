"""How long a retention rule keeps a snapshot at the longest."""

from __future__ import annotations

from datetime import timedelta

from drorch.policy.model import Keep, Retention

_PERIODS = {
    "keep_last": timedelta(days=1),
    "keep_hourly": timedelta(hours=1),
    "keep_daily": timedelta(days=1),
    "keep_weekly": timedelta(weeks=1),
    "keep_monthly": timedelta(days=31),
    "keep_yearly": timedelta(days=366),
}


def longest_stay(rule: Retention) -> timedelta | None:
    """Return about how long the newest snapshot stays while one is made each day, in whatever store; ``None``: for ever."""
    longest = timedelta()
    for one in (rule, *rule.stores.values()):
        for name, period in _PERIODS.items():
            count = getattr(one, name)
            if count is Keep.FOREVER:
                return None
            longest = max(longest, count * period)
    return longest

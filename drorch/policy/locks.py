"""How long objects of a store are locked against deletion. Pure: times in, times out, all of them the store's own.

Locks go in quanta. An object is put with a lock of what is promised, 60 days, and a week. When no more than what is promised and that week is left, in
which the extension may happen, the lock of whatever is still needed is extended by 60 days at once. So a pack costs one request in 60 days,
however many snapshots need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

QUANTUM = timedelta(days=60)
SLACK = timedelta(days=7)
LONGEST_UNACCEPTED = timedelta(days=400)  # a compliance lock that is longer needs the name of whoever accepts it


class LockMode(Enum):
    """``COMPLIANCE``: nobody can end the lock, not even the owner of the bucket. ``GOVERNANCE``: who has the right to can."""

    COMPLIANCE = "compliance"
    GOVERNANCE = "governance"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRule:
    """The lock of a store: what is promised of every object that a snapshot needs, from any day on."""

    seconds: int
    mode: LockMode = LockMode.COMPLIANCE

    def at_put(self, now: datetime) -> datetime:
        """Return until when an object is locked that is put now."""
        return self.promised(now) + QUANTUM + SLACK

    def promised(self, now: datetime) -> datetime:
        """Return until when everything is locked that the newest snapshot needs."""
        return now + timedelta(seconds=self.seconds)

    def is_due(self, until: datetime | None, now: datetime) -> bool:
        """Say whether a lock that ends then must be extended; none at all must."""
        return until is None or until < self.promised(now) + SLACK

    def is_short(self, until: datetime | None, now: datetime) -> bool:
        """Say whether a lock that ends then breaks the promise today."""
        return until is None or until < self.promised(now)

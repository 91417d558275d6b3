"""How far a snapshot is to be trusted when retention counts: what is worse never takes the place of what is better."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import IntEnum

from drorch.policy.schedule import OnceSchedule, Schedule, occurrences_between

CLOCK_TOLERANCE = timedelta(hours=1)  # between the writer's clock and the store's
LONGEST_DELAY = timedelta(days=2)  # from a time of the schedule to the end of the run that was made for it
_INSTANT = timedelta(microseconds=1)


class Standing(IntEnum):
    """From the best to the worst."""

    SOUND = 0
    BY_HAND = 1
    PARTIAL = 2
    TIME_IN_DOUBT = 3
    NOT_WHOLE = 4

    @property
    def words(self) -> str:
        """Say what is the matter, for people; empty when nothing is."""
        return _WORDS[self]


_WORDS = {
    Standing.SOUND: "",
    Standing.BY_HAND: "made by hand",
    Standing.PARTIAL: "partial",
    Standing.TIME_IN_DOUBT: "its time is not that of the store",
    Standing.NOT_WHOLE: "not whole",
}


def standing_of(
    *,
    is_whole: bool,
    is_complete: bool,
    ended_at: datetime,
    manifest_date: datetime | None,
    store_dates: Collection[datetime],
    is_scheduled: bool,
) -> Standing:
    """Return the worst that can be said of a snapshot.

    ``manifest_date`` is the store's date that its manifest gives; ``store_dates`` are what the stores themselves say of its commit, of which one
    must bear it out: a copy is dated when it was copied.
    """
    if not is_whole:
        return Standing.NOT_WHOLE
    named = manifest_date is None or abs(manifest_date - ended_at) <= CLOCK_TOLERANCE
    if not named or not any(abs(date - ended_at) <= CLOCK_TOLERANCE for date in store_dates):
        return Standing.TIME_IN_DOUBT
    if not is_complete:
        return Standing.PARTIAL
    return Standing.SOUND if is_scheduled else Standing.BY_HAND


def is_for_slot(slot: datetime | None, ended_at: datetime, schedule: Schedule) -> bool:
    """Say whether ``slot`` is a time of the schedule, and one that a run which ended then may have been made for."""
    if slot is None or not slot <= ended_at <= slot + LONGEST_DELAY or isinstance(schedule, OnceSchedule):
        return False
    return slot in occurrences_between(schedule, slot - _INSTANT, slot)

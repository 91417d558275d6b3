"""How far a snapshot is to be trusted when retention counts: what is worse never takes the place of what is better."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from enum import IntEnum

from drorch.policy.schedule import OnceSchedule, Schedule, occurrences_between

CLOCK_TOLERANCE = timedelta(hours=1)  # between the writer's clock and the store's
LONGEST_DELAY = timedelta(days=2)  # from a time of the schedule to the beginning of the run that serves it
RIVAL_WITHIN = timedelta(hours=1)  # after a time of the schedule, and the spread of its starts
_LOOKS_BACK = (timedelta(minutes=3), timedelta(hours=1), timedelta(hours=12), LONGEST_DELAY)


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
) -> Standing:
    """Return the worst that can be said of one snapshot by itself; whether it was made by hand shows only among the others.

    ``manifest_date`` is the store's date that its manifest gives; ``store_dates`` are what the stores themselves say of its commit, of which one
    must bear it out: a copy is dated when it was copied.
    """
    if not is_whole:
        return Standing.NOT_WHOLE
    named = manifest_date is None or abs(manifest_date - ended_at) <= CLOCK_TOLERANCE
    if not named or not any(abs(date - ended_at) <= CLOCK_TOLERANCE for date in store_dates):
        return Standing.TIME_IN_DOUBT
    return Standing.SOUND if is_complete else Standing.PARTIAL


def rivals(
    served: Sequence[datetime | None],
    moments: Sequence[datetime],
    claims: Sequence[datetime | None],
    patience: timedelta,
) -> list[int | None]:
    """Return for each snapshot the place of the earlier one that serves the time which it was made for, too.

    It was made for a time that it ``claims``, and for one that it began at, or within ``patience`` after: cron claims nothing. All three
    sequences are in the order of commits.
    """
    servant = {slot: place for place, slot in enumerate(served) if slot is not None}
    slots = sorted(servant)
    found: list[int | None] = []
    for place, (own, moment, claim) in enumerate(zip(served, moments, claims, strict=True)):
        before = bisect_right(slots, moment)
        began_at = slots[before - 1] if before and moment - slots[before - 1] <= patience else None
        others = (servant[one] for one in (claim, began_at) if one in servant and one != own)
        found.append(next((other for other in others if other < place), None))
    return found


def times_served(schedule: Schedule, moments: Iterable[datetime]) -> list[datetime | None]:
    """Return for each of ``moments``, in the order of commits, the time of ``schedule`` that it is the first to serve.

    That is the last one before it, if it is not more than ``LONGEST_DELAY`` ago and none that was committed earlier has it. ``None`` is what is further:
    made by hand, or again.
    """
    found: list[datetime | None] = []
    taken: set[datetime] = set()
    window = 0
    for moment in moments:
        occurrence, window = _last_occurrence(schedule, moment, window)
        found.append(None if occurrence is None or occurrence in taken else occurrence)
        if occurrence is not None:
            taken.add(occurrence)
    return found


def _last_occurrence(schedule: Schedule, moment: datetime, start: int) -> tuple[datetime | None, int]:
    """Look back a little, then further: a schedule by the minute has thousands of times in ``LONGEST_DELAY``. Begin where it was found last."""
    if isinstance(schedule, OnceSchedule):
        return None, 0
    for window in range(max(start - 1, 0), len(_LOOKS_BACK)):
        occurrences = occurrences_between(schedule, moment - _LOOKS_BACK[window], moment)
        if occurrences:
            return occurrences[-1], window
    return None, len(_LOOKS_BACK) - 1

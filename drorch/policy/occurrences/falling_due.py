"""Which occurrences fell due between two moments, and what becomes of each: one runs, the others are accounted for.

After a downtime the newest occurrence that nobody ran is run once, however many there were, unless it is older than
``CATCH_UP_LIMIT``; the older ones are missed. Each occurrence of the time is in exactly one span, or is ``due``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from drorch.policy.occurrences.duty import Duty, Slot, slots_after
from drorch.policy.occurrences.states import OccurrenceState, Span
from drorch.policy.schedule import OnceSchedule

CATCH_UP_LIMIT = timedelta(days=31)  # who was away for longer decides what still makes sense
LATE = timedelta(minutes=2)  # what is seen sooner after its moment than this was not missed by anybody


@dataclass(frozen=True, slots=True, kw_only=True)
class FallenDue:
    """``due`` is to be run as soon as it may; ``spans`` have ended."""

    due: datetime | None
    spans: tuple[Span, ...]


def fall_due(duty: Duty, after: datetime, now: datetime, *, absence: str) -> FallenDue:
    """Return what became of the occurrences later than ``after`` and not later than ``now`` (aware).

    ``absence`` says why nobody ran those that are late, such as ``the daemon was not running``.
    """
    slots = list(takewhile(lambda slot: slot.start <= now, slots_after(duty, after)))
    judged = [(slot, _not_wanted(duty, slot)) for slot in slots]
    wanted = [slot for slot, reason in judged if not reason]
    newest = wanted[-1].start if wanted else None
    due = newest if newest is not None and now - newest <= CATCH_UP_LIMIT else None
    ended = (_ended(slot, reason, due, absence, now) for slot, reason in judged if slot.start != due)
    return FallenDue(due=due, spans=tuple(_spans(ended)))


def _not_wanted(duty: Duty, slot: Slot) -> str:
    """Return why nothing is to run then; empty when something is."""
    zone, is_once = duty.schedule.zone, isinstance(duty.schedule, OnceSchedule)
    for blackout in duty.blackouts:
        if blackout.contains(slot.start, zone):
            return f"blackout {blackout}"
    if duty.window is not None and not is_once and not duty.window.contains(slot.nominal, zone):
        return f"outside its window {duty.window}"
    return ""


_Ended = tuple[datetime, OccurrenceState, str]


def _ended(slot: Slot, not_wanted: str, due: datetime | None, absence: str, now: datetime) -> _Ended:
    if not_wanted:
        return slot.start, OccurrenceState.SKIPPED, not_wanted
    if due is None:
        return slot.start, OccurrenceState.MISSED, f"{absence}; longer than {CATCH_UP_LIMIT.days} days ago"
    if now - slot.start <= LATE:
        return slot.start, OccurrenceState.SUPERSEDED, "the next one fell due with it"
    return slot.start, OccurrenceState.MISSED, absence


def _spans(ended: Iterable[_Ended]) -> Iterator[Span]:
    """Join neighbours that ended alike."""
    run: list[_Ended] = []
    for one in ended:
        if run and run[-1][1:] != one[1:]:
            yield _span(run)
            run = []
        run.append(one)
    if run:
        yield _span(run)


def _span(run: list[_Ended]) -> Span:
    return Span(first=run[0][0], last=run[-1][0], count=len(run), state=run[0][1], reason=run[0][2])


def next_start(duty: Duty, after: datetime) -> datetime | None:
    """Return when the duty falls due next, ``None`` when it never does."""
    following = next(slots_after(duty, after), None)
    return None if following is None else following.start

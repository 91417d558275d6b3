"""How an occurrence stands, and several of one duty that ended alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class OccurrenceState(Enum):
    """``WAITING`` and ``RUNNING`` go over into exactly one of the others, which never changes again."""

    WAITING = "waiting"  # due: for a place, its window, its turn or the next try
    RUNNING = "running"
    OK = "ok"
    PARTIAL = "partial"  # not everything, or not in every store
    FAILED = "failed"
    SKIPPED = "skipped"  # nobody wanted it then: a blackout, or outside its window
    MISSED = "missed"  # nobody was there to run it
    SUPERSEDED = "superseded"  # a later one, or another policy, took its place

    @property
    def is_final(self) -> bool:
        """Whether nothing can change it any more."""
        return self not in (OccurrenceState.WAITING, OccurrenceState.RUNNING)

    @property
    def is_exception(self) -> bool:
        """Whether somebody may have to do something about it."""
        return self in (OccurrenceState.PARTIAL, OccurrenceState.FAILED, OccurrenceState.MISSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """``count`` consecutive occurrences of one duty, from ``first`` to ``last``, that ended alike for one reason."""

    first: datetime
    last: datetime
    count: int
    state: OccurrenceState
    reason: str

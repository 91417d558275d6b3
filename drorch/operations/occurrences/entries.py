"""The entries of the book: how an occurrence is written down when it falls due, starts, ends, or gives way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from drorch.catalog.interface import OccurrenceRecord
from drorch.policy.occurrences.duty import Duty, jitter
from drorch.policy.occurrences.retrying import next_try
from drorch.policy.occurrences.states import OccurrenceState, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An open occurrence and what it belongs to."""

    duty: Duty
    record: OccurrenceRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run of one occurrence ended. ``may_pass``: what ended it may be gone at the next try."""

    state: OccurrenceState
    reason: str = ""
    error_slug: str | None = None
    may_pass: bool = False
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Whose book it is, and in which count of its clock."""

    host: str
    epoch: int


def queued(desk: Desk, duty: Duty, slot: datetime, now: datetime) -> OccurrenceRecord:
    """Return the entry of an occurrence that fell due."""
    return OccurrenceRecord(
        host=desk.host,
        kind=duty.kind.value,
        subject=duty.subject,
        epoch=desk.epoch,
        slot=slot,
        policy=duty.policy,
        state=OccurrenceState.WAITING,
        queued_at=now,
        last_slot=slot,
        not_before=max(slot + jitter(desk.host, duty.subject), now),
    )


def accounted(desk: Desk, duty: Duty, span: Span, now: datetime) -> OccurrenceRecord:
    """Return the entry of occurrences that nobody ran, or nobody wanted."""
    return OccurrenceRecord(
        host=desk.host,
        kind=duty.kind.value,
        subject=duty.subject,
        epoch=desk.epoch,
        slot=span.first,
        policy=duty.policy,
        state=span.state,
        queued_at=now,
        last_slot=span.last,
        count=span.count,
        reason=span.reason,
        ended_at=now,
    )


def started(record: OccurrenceRecord, now: datetime) -> OccurrenceRecord:
    """Return the entry of an occurrence whose run begins."""
    return replace(
        record, state=OccurrenceState.RUNNING, started_at=now, attempts=record.attempts + 1, reason="", not_before=None
    )


def gave_way(record: OccurrenceRecord, reason: str, now: datetime) -> OccurrenceRecord:
    """Return the entry of an occurrence whose place another took."""
    why = f"{reason}; {record.reason}" if record.reason else reason
    return replace(record, state=OccurrenceState.SUPERSEDED, reason=why, ended_at=now, not_before=None)


def waits_again(record: OccurrenceRecord, reason: str, not_before: datetime) -> OccurrenceRecord:
    """Return the entry of an occurrence that is to be run again."""
    return replace(record, state=OccurrenceState.WAITING, reason=reason, not_before=not_before, started_at=None)


def ended(
    record: OccurrenceRecord, duty: Duty, end: RunEnd, now: datetime, next_due: datetime | None
) -> OccurrenceRecord:
    """Return the entry after a run: final, or waiting for the next try when what failed may pass."""
    if end.may_pass and end.state is OccurrenceState.FAILED:
        again = next_try(duty, queued_at=record.queued_at, attempts=record.attempts, failed_at=now, next_due=next_due)
        if again is not None:
            return replace(waits_again(record, end.reason, again), error_slug=end.error_slug, run_id=end.run_id)
    tries = f" ({record.attempts} tries)" if record.attempts > 1 and end.state is OccurrenceState.FAILED else ""
    return replace(
        record,
        state=end.state,
        reason=f"{end.reason}{tries}" if end.reason else "",
        error_slug=end.error_slug,
        run_id=end.run_id,
        ended_at=now,
        not_before=None,
    )

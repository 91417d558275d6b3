"""Between duties and what the catalog keeps of them: a promise must be known after it was edited, and after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from drorch.catalog.interface import DutyRecord
from drorch.policy.blackout import BlackoutInvalid, parse_blackout
from drorch.policy.occurrences.duty import Duty, DutyKind
from drorch.policy.schedule import OnceSchedule, ScheduleInvalid, parse_schedule
from drorch.policy.window import WindowInvalid, parse_window

Key = tuple[str, str]
_BETWEEN_BLACKOUTS = "; "


def record_of(duty: Duty, host: str) -> DutyRecord:
    """Return what the catalog keeps of a duty."""
    return DutyRecord(
        host=host,
        kind=duty.kind.value,
        subject=duty.subject,
        policy=duty.policy,
        promise=duty.promise,
        since=duty.since,
        schedule=str(duty.schedule),
        zone=duty.schedule.zone.key,
        spread_seconds=duty.spread_seconds,
        offset_seconds=duty.offset_seconds,
        window="" if duty.window is None else str(duty.window),
        blackouts=_BETWEEN_BLACKOUTS.join(map(str, duty.blackouts)),
    )


def duty_of(record: DutyRecord) -> Duty | None:
    """Return the duty of a record as far as its occurrences go; ``None`` when this version cannot read it."""
    texts = record.blackouts.split(_BETWEEN_BLACKOUTS) if record.blackouts else []
    try:
        return Duty(
            kind=DutyKind(record.kind),
            subject=record.subject,
            policy=record.policy,
            schedule=parse_schedule(record.schedule, ZoneInfo(record.zone)),
            since=record.since,
            spread_seconds=record.spread_seconds,
            offset_seconds=record.offset_seconds,
            window=parse_window(record.window) if record.window else None,
            blackouts=tuple(parse_blackout(text) for text in texts),
        )
    except (ScheduleInvalid, WindowInvalid, BlackoutInvalid, ZoneInfoNotFoundError, ValueError):
        return None


def ended_promises(known: Iterable[DutyRecord], duties: Mapping[Key, Duty], now: datetime) -> tuple[DutyRecord, ...]:
    """Return the records of promises that do not hold any more, with the reason."""
    names: dict[str | None, str] = {duty.was: duty.subject for duty in duties.values() if duty.was is not None}
    ended = []
    for record in known:
        duty = duties.get((record.kind, record.subject))
        if duty is None or duty.promise != record.promise:
            ended.append(replace(record, ended_at=now, reason=_why_ended(record, duty, names)))
    return tuple(ended)


def _why_ended(record: DutyRecord, duty: Duty | None, names: Mapping[str | None, str]) -> str:
    if duty is not None:
        return f"edited: {duty.promise}"
    if record.subject in names:
        return f"renamed to {names[record.subject]}"
    if record.schedule == "once":
        return "its one snapshot is there"
    return "nothing promises it any more"


def kept_since(duty: Duty, known: Mapping[Key, DutyRecord]) -> Duty:
    """Return the duty as it was, if it is what was promised before: ``once`` counts from its beginning."""
    record = known.get(duty.key)
    is_same = record is not None and record.promise == duty.promise
    return replace(duty, since=record.since) if record is not None and is_same else duty


def is_once(duty: Duty) -> bool:
    """Whether it is due until it has been done once."""
    return isinstance(duty.schedule, OnceSchedule)

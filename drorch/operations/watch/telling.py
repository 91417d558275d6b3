"""Who must be told what: alerts held against what was told before. Decides only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from types import MappingProxyType
from zoneinfo import ZoneInfo

from drorch.catalog.interface import AlertBook, AlertRecord, EventRecord, MessageRecord, Severity
from drorch.operations.watch.alert import Alert
from drorch.operations.watch.wording import digest_text, message_text
from drorch.policy.alert_words import is_meant
from drorch.policy.installation import Notification


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What one run has to say that no alert says: told once, to whom its policy names."""

    severity: Severity
    text: str
    subject: str = ""  # a source or policy: nothing is said when an alert is about it
    told_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the catalog shall hold afterwards: the alerts that are open, and what was added."""

    alerts: tuple[AlertRecord, ...]
    messages: tuple[MessageRecord, ...]
    events: tuple[EventRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """When, where and for whom something is planned."""

    now: datetime
    zone: ZoneInfo
    host: str
    targets: Sequence[Notification]
    summary: tuple[str, ...] = ()  # how everything stands, for digests
    notices: tuple[Notice, ...] = field(default=())
    judged: frozenset[str] | None = None  # the policies that could be read, when not all could: the others' alerts stay


def plan(book: AlertBook, found: Sequence[Alert], occasion: Occasion) -> Plan:
    """Return what changes: each target has one message with all that is new or over for it, and one digest a day."""
    before = {record.key: record for record in book.alerts}
    present = {alert.key: alert for alert in found}
    unjudged = {key: record for key, record in before.items() if key not in present and _is_unjudged(record, occasion)}
    over = [record for key, record in before.items() if key not in present and key not in unjudged]
    records = {key: _record(alert, before.get(key), occasion.now) for key, alert in present.items()}
    messages: list[MessageRecord] = []
    spoken_of = {name for alert in found for name in (alert.subject, alert.policy)}
    unheard = [notice for notice in occasion.notices if not notice.subject or notice.subject not in spoken_of]
    for target in occasion.targets:
        fresh = [alert for key, alert in present.items() if _is_news(alert, records[key], target, occasion.now)]
        solved = [record for record in over if target.name in record.told]
        notices = [notice for notice in unheard if _concerns_notice(notice, target)]
        if fresh or solved or notices:
            title, body = message_text(occasion.host, fresh, solved, notices)
            messages.append(_message(f"{book.edition + 1}-{target.name}", target.name, title, body, occasion.now))
            for alert in fresh:
                records[alert.key] = _told(records[alert.key], target.name, occasion.now)
        messages += _digests(found, target, occasion)
    events = [_event("alert-opened", records[key], occasion.now) for key in present if key not in before]
    events += [_event("alert-over", record, occasion.now) for record in over]
    return Plan(alerts=(*records.values(), *unjudged.values()), messages=tuple(messages), events=tuple(events))


def _is_unjudged(record: AlertRecord, occasion: Occasion) -> bool:
    """Whether nobody can say that it is over, because the file of its policy could not be read."""
    return occasion.judged is not None and bool(record.policy) and record.policy not in occasion.judged


def _record(alert: Alert, known: AlertRecord | None, now: datetime) -> AlertRecord:
    return AlertRecord(
        code=alert.code.value,
        subject=alert.subject,
        policy=alert.policy,
        severity=alert.severity,
        text=alert.text,
        opened_at=now if known is None else known.opened_at,
        told=MappingProxyType({}) if known is None else known.told,
    )


def _told(record: AlertRecord, target: str, now: datetime) -> AlertRecord:
    told: Mapping[str, object] = {**record.told, target: now.isoformat()}
    return replace(record, told=told)


def _is_news(alert: Alert, record: AlertRecord, target: Notification, now: datetime) -> bool:
    """Whether the target shall hear of the alert now, for the first time since it opened."""
    lasted = now - record.opened_at
    is_ripe = lasted >= timedelta(seconds=target.after_seconds)
    return target.name not in record.told and is_ripe and concerns(alert, target)


def concerns(alert: Alert, target: Notification) -> bool:
    """Whether the target is to hear of such an alert at all: its words, its owners, and whom the policy names."""
    if alert.told_to and target.name not in alert.told_to:
        return False
    if target.owners and not any(fnmatchcase(alert.owner, pattern) for pattern in target.owners):
        return False
    return is_meant(target.when, alert.code.value)


def _concerns_notice(notice: Notice, target: Notification) -> bool:
    if notice.told_to and target.name not in notice.told_to:
        return False
    return not target.owners and (not target.when or notice.severity.value in target.when)


def _digests(found: Iterable[Alert], target: Notification, occasion: Occasion) -> list[MessageRecord]:
    """Return the digest of today when its time has come; the catalog takes the same one only once."""
    if target.digest_minute is None:
        return []
    local = occasion.now.astimezone(occasion.zone)
    if local.hour * 60 + local.minute < target.digest_minute:
        return []
    mine = [alert for alert in found if concerns(alert, target)]
    title, body = digest_text(occasion.host, mine, occasion.summary)
    return [_message(f"digest-{local:%Y-%m-%d}-{target.name}", target.name, title, body, occasion.now)]


def _message(identity: str, target: str, title: str, body: str, now: datetime) -> MessageRecord:
    return MessageRecord(message=identity, target=target, created_at=now, title=title, body=body, not_before=now)


def _event(kind: str, record: AlertRecord, now: datetime) -> EventRecord:
    return EventRecord(
        at=now,
        kind=kind,
        severity=record.severity if kind == "alert-opened" else Severity.INFO,
        message=f"{record.code}: {record.subject}: {record.text}",
        source=record.subject if record.policy else None,
        details={"code": record.code, "subject": record.subject, "policy": record.policy},
    )

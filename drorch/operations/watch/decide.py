"""Overview and facts -> every alert, the worst first. Decides only: the same facts give the same alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from drorch.catalog.interface import SnapshotRecord
from drorch.operations.estate.alarms import Alarm, AlarmKind
from drorch.operations.occurrences.standing import DaemonState
from drorch.operations.overview import Overview, SourceStanding, Standing
from drorch.operations.watch.alert import Alert, AlertCode
from drorch.operations.watch.facts import PROVEN, Facts, LostProof
from drorch.policy.model import Policy
from drorch.policy.schedule import OnceSchedule
from drorch.quantities import counted, format_promise, format_size

OBJECTIVES_MISSED = "missed"
HEARTBEAT_PATIENCE = timedelta(minutes=10)
STORE_PATIENCE = timedelta(hours=24)  # a store may be away for a night
COLLAPSED_BELOW = 0.5  # of what was read a snapshot, or a week of them, before
SMALLEST_COLLAPSE_BYTES = 1_000_000  # of small databases half is nothing

_OF_STANDING = {
    Standing.NEVER: AlertCode.RPO_MISSED,
    Standing.LATE: AlertCode.RPO_MISSED,
    Standing.GONE: AlertCode.DATABASE_GONE,
    Standing.OPEN: AlertCode.SOURCE_OPEN,
    Standing.FAILED: AlertCode.RUN_FAILED,
    Standing.MISSED: AlertCode.RUN_MISSED,
    Standing.PARTIAL: AlertCode.COPIES_MISSING,
}
_OF_ALARM = {
    AlarmKind.UNASKED: AlertCode.SERVER_UNASKED,
    AlarmKind.COUNT: AlertCode.COUNT_UNEXPECTED,
    AlarmKind.OPEN: AlertCode.DATABASE_OPEN,
    AlarmKind.TWICE: AlertCode.PROTECTED_TWICE,
}
# what ``Overview`` itself shows: its standings, its alarms and its policy problems
SHOWN_BY_OVERVIEW = frozenset({*_OF_STANDING.values(), *_OF_ALARM.values(), AlertCode.POLICY_INVALID})


@dataclass(frozen=True, slots=True)
class _Case:
    """One source that has a promise, with the policy that makes it."""

    policy: Policy
    source: SourceStanding

    @property
    def address(self) -> str:
        return self.source.address


def alerts(found: Overview, policies: Sequence[Policy], facts: Facts) -> tuple[Alert, ...]:
    """Return every alert; ``policies`` are those of ``found``."""
    by_name = {policy.name: policy for policy in policies}
    cases = [
        _Case(by_name[source.policy], source)
        for source in found.protected
        if source.policy in by_name and source.standing is not Standing.GONE
    ]
    told = [
        *(_of_source(source) for source in found.sources if source.standing in _OF_STANDING),
        *(_of_alarm(alarm) for alarm in found.alarms),
        *_of_policy_files(found),
        *(alert for case in cases for rule in _OF_EACH for alert in rule(case, facts)),
        *_of_disks(facts),
        *_of_daemon(facts),
        *_of_stores(cases, facts),
        *_of_messages(facts),
        *_of_proofs(facts),
    ]
    order = {code: position for position, code in enumerate(AlertCode)}
    owners = _owners(policies)
    known = {alert.key: alert for alert in (_addressed(alert, by_name, owners) for alert in told)}
    return tuple(sorted(known.values(), key=lambda alert: (order[alert.code], alert.subject)))


def _owners(policies: Iterable[Policy]) -> Mapping[str, str]:
    """Return who answers for each policy and each of its sources."""
    owners = {policy.name: str(policy.owner) for policy in policies}
    return {**owners, **{one.address: str(one.owner) for policy in policies for one in policy.sources()}}


def _addressed(alert: Alert, policies: Mapping[str, Policy], owners: Mapping[str, str]) -> Alert:
    """Return the alert with whom its policy names: the owner, and the notifications."""
    policy = policies.get(alert.policy)
    if policy is None:
        return alert
    return replace(alert, owner=owners.get(alert.subject, str(policy.owner)), told_to=policy.notify)


def _of_source(source: SourceStanding) -> Alert:
    trouble = source.trouble
    return Alert(
        code=_OF_STANDING[source.standing],
        subject=source.address,
        policy=source.policy,
        text="" if trouble is None else trouble.text,
        details="" if trouble is None else trouble.details,
        remedy="" if trouble is None else trouble.remedy,
        error="" if trouble is None else trouble.name or "",
    )


def _of_alarm(alarm: Alarm) -> Alert:
    subject = alarm.text if alarm.kind is AlarmKind.TWICE else alarm.subject
    return Alert(
        code=_OF_ALARM[alarm.kind],
        subject=subject,
        policy=alarm.policy,
        text=alarm.text,
        details=alarm.details,
        remedy=alarm.remedy,
    )


def _of_policy_files(found: Overview) -> Iterator[Alert]:
    for file in sorted({problem.file for problem in found.policy_problems}):
        problems = [problem for problem in found.policy_problems if problem.file == file]
        yield Alert(
            code=AlertCode.POLICY_INVALID,
            subject=file,
            text=f"not loaded: {len(problems)} problem{'s' if len(problems) > 1 else ''}",
            details=f"{problems[0].location}  {problems[0].message}",
            remedy="drorch policy validate",
        )


# -- of each source


def _drill_overdue(case: _Case, facts: Facts) -> Iterator[Alert]:
    promised = case.policy.drill_at_least_seconds
    if promised is None or case.source.newest_good is None or not facts.is_drilling:
        return
    passed = facts.passed_drills.get(case.address)
    first = facts.first_used.get(case.address, case.source.newest_good.started_at)
    since = first if passed is None else passed.ended_at
    days = (facts.now - since).total_seconds() / 86_400
    if days * 86_400 <= promised:
        return
    last = "never restored by a drill" if passed is None else f"last proven {int(days)}d ago"
    yield Alert(
        code=AlertCode.DRILL_OVERDUE,
        subject=case.address,
        policy=case.policy.name,
        text=f"{last}, promised every {format_promise(promised)}",
        remedy=f"drorch drill run {case.address}",
    )


def _drill_failed(case: _Case, facts: Facts) -> Iterator[Alert]:
    last = facts.last_drills.get(case.address)
    if last is None or (last.verdict in PROVEN and last.objectives != OBJECTIVES_MISSED):
        return
    is_late = last.verdict in PROVEN
    yield Alert(
        code=AlertCode.RTO_MISSED if is_late else AlertCode.DRILL_FAILED,
        subject=case.address,
        policy=case.policy.name,
        text="its last drill missed what is promised" if is_late else "its last drill did not prove it",
        details=last.summary,
        remedy=f"drorch drill show {last.drill[:8]}",
    )


def _size_collapsed(case: _Case, facts: Facts) -> Iterator[Alert]:
    newest = None if case.source.standing is Standing.ELSEWHERE else case.source.newest_good
    earlier = _larger(facts.before.get(case.address), facts.week_before.get(case.address))
    if newest is None or earlier is None or earlier.bytes_read < SMALLEST_COLLAPSE_BYTES:
        return
    if newest.bytes_read >= earlier.bytes_read * COLLAPSED_BELOW:
        return
    yield Alert(
        code=AlertCode.SIZE_COLLAPSED,
        subject=case.address,
        policy=case.policy.name,
        text=f"read {format_size(newest.bytes_read)}, {format_size(earlier.bytes_read)} on"
        f" {earlier.restore_point:%Y-%m-%d}",
        details="data may have been deleted; older snapshots are whole: pin one before it expires",
        remedy=f"drorch pin {earlier.snapshot[:8]} --reason TEXT",
    )


def _larger(*snapshots: SnapshotRecord | None) -> SnapshotRecord | None:
    return max((one for one in snapshots if one is not None), key=lambda one: one.bytes_read, default=None)


_OF_EACH: tuple[Callable[[_Case, Facts], Iterable[Alert]], ...] = (
    _drill_overdue,
    _drill_failed,
    _size_collapsed,
)

# -- of the installation


def _of_disks(facts: Facts) -> Iterator[Alert]:
    for room in facts.rooms:
        missing = 0 if room.disk is None else room.disk.missing_bytes(facts.keep_free_percent)
        if missing:
            yield Alert(
                code=AlertCode.DISK_FULL,
                subject=f"{facts.host}:{room.path}",
                text=f"less than {facts.keep_free_percent} % of its disk is free: nothing starts",
                details=f"{format_size(missing)} must become free",
                remedy="make room, or see `limits: {keep_free: ...}`",
            )


def _of_daemon(facts: Facts) -> Iterator[Alert]:
    daemon = facts.daemon.record
    if daemon is None:
        return
    is_silent = facts.now - daemon.heartbeat_at > HEARTBEAT_PATIENCE
    if facts.daemon.state is DaemonState.RUNNING and not is_silent:
        if daemon.trouble:
            yield Alert(
                code=AlertCode.POLICY_INVALID,
                subject="daemon",
                text="not all of its configuration is in force",
                details=daemon.trouble,
                remedy="drorch policy validate",
            )
        return
    what = "was stopped at" if daemon.stopped_at is not None else "gives no sign of life since"
    moment = daemon.stopped_at or daemon.heartbeat_at
    yield Alert(
        code=AlertCode.DAEMON_DOWN,
        subject=f"daemon on {daemon.host}",
        text=f"{what} {moment:%Y-%m-%d %H:%M} UTC: nothing runs on schedule",
        remedy="systemctl status drorch",
    )


def _of_stores(cases: Sequence[_Case], facts: Facts) -> Iterator[Alert]:
    """Yield the stores that were promised something newer than they were last given, for longer than a night."""
    newest: dict[str, list[_Case]] = {}
    for case in cases:
        for store in case.policy.stores:
            if case.source.newest_good is not None:
                newest.setdefault(store, []).append(case)
    for store, promised in sorted(newest.items()):
        contact = facts.last_contact.get(store)
        missed = [
            case.source.newest_good.started_at
            for case in promised
            if case.source.newest_good is not None
            and (contact is None or case.source.newest_good.started_at > contact)
            and not isinstance(case.policy.schedule, OnceSchedule)
        ]
        if not missed or facts.now - (contact or min(missed)) <= STORE_PATIENCE:
            continue
        days = "never" if contact is None else f"{counted(max(1, (facts.now - contact).days), 'day')} ago"
        yield Alert(
            code=AlertCode.STORE_AWAY,
            subject=store,
            text=f"last contact {days}; {counted(len(missed), 'snapshot')} not there",
            remedy=f"drorch copy --to {store}",
        )


def _of_messages(facts: Facts) -> Iterator[Alert]:
    by_target: dict[str, list[str]] = {}
    for message in facts.waiting:
        if message.attempts:
            by_target.setdefault(message.target, []).append(message.trouble)
    for target, troubles in sorted(by_target.items()):
        yield Alert(
            code=AlertCode.NOTIFICATION_FAILED,
            subject=target,
            text=f"{len(troubles)} message{'s' if len(troubles) > 1 else ''} could not be sent: {troubles[-1]}",
            remedy=f"drorch notify test {target}",
        )


def _of_proofs(facts: Facts) -> Iterator[Alert]:
    kinds: tuple[tuple[AlertCode, tuple[LostProof, ...]], ...] = (
        (AlertCode.EVIDENCE_UNSIGNED, facts.unsigned),
        (AlertCode.LOCK_SHORT, facts.short_locks),
        (AlertCode.SNAPSHOT_WITHHELD, facts.withheld),
        (AlertCode.SNAPSHOT_FOREIGN, facts.foreign),
        (AlertCode.SCHEMA_CHANGED, facts.schema_changes),
    )
    for code, proofs in kinds:
        for one in proofs:
            yield Alert(code=code, subject=one.subject, policy=one.policy, text=one.text, remedy=one.remedy)

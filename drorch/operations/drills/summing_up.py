"""The report of a drill, out of what was found on its course. Touches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from drorch.evidence.drill_checks import CheckResult
from drorch.evidence.drill_report import (
    DrillReport,
    Earlier,
    Machine,
    Measured,
    Moment,
    PolicyUsed,
    SandboxUsed,
    Scenario,
    SnapshotUsed,
    TestUsed,
)
from drorch.ids import grouped
from drorch.operations.drills.located import Located
from drorch.operations.drills.request import DrillRequest
from drorch.operations.drills.verdict import is_usable, summary_of, verdict_of
from drorch.operations.policy_history import digest_of_text
from drorch.quantities import format_span

REPORT_VERSION = 1


@dataclass(slots=True)
class Course:
    """What was found so far. ``out_of_time`` says that the drill was stopped, in the words of the report."""

    checks: list[CheckResult] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)
    located: Located | None = None
    sandbox: SandboxUsed | None = None
    newest_record: str | None = None
    out_of_time: str = ""


def sum_up(request: DrillRequest, course: Course, machine: Machine) -> DrillReport:
    """Return the report; the checks must be complete."""
    rto, rpo = _rto(request, course), _rpo(request, course)
    verdict = verdict_of(course.checks)
    return DrillReport(
        version=REPORT_VERSION,
        drill=request.drill,
        scenario=Scenario(request.test.scenario.value),
        verdict=verdict,
        summary=summary_of(verdict, course.checks, rto, _what(request, course)),
        source=request.promise.address,
        system_name=request.policy.description or request.policy.name,
        policy=_policy_used(request),
        test=_test_used(request),
        people=request.people,
        snapshot=_snapshot(request, course),
        sandbox=course.sandbox,
        machine=machine,
        timeline=tuple(course.timeline),
        checks=tuple(course.checks),
        rto=rto,
        rpo=rpo,
        newest_record=course.newest_record,
        before=_before(request.before, course.checks),
        coverage=None,
    )


def _what(request: DrillRequest, course: Course) -> str:
    if course.located is None:
        return "nothing"
    number, things = course.located.counted(request.test.tables)
    if number == 1:
        return f"the only {things.removesuffix('s')}"
    return f"all {number:,} {things}" if number else "what the command wrote"


def _before(before: Earlier | None, checks: Sequence[CheckResult]) -> Earlier | None:
    if before is None:
        return None
    told = {text for check in checks for text in check.told}
    return replace(before, same_findings=tuple(text for text in before.same_findings if text in told))


# -- the objectives


def _rto(request: DrillRequest, course: Course) -> Measured:
    verified = next((moment for moment in course.timeline if moment.name == "verified"), None)
    target = request.rto_seconds * 1_000
    if course.out_of_time:
        why = f"not reached: stopped after {format_span(request.timeout_seconds)}"
        return Measured(target_ms=target, actual_ms=None, not_measured=why)
    if verified is None or not is_usable(course.checks):
        return Measured(target_ms=target, actual_ms=None, not_measured="not reached: the data is not usable")
    return Measured(target_ms=target, actual_ms=_milliseconds(verified.at - course.timeline[0].at))


def _rpo(request: DrillRequest, course: Course) -> Measured:
    target = request.rpo_seconds * 1_000
    if course.located is None or not is_usable(course.checks):
        return Measured(target_ms=target, actual_ms=None, not_measured="not measured")
    restore_point = course.located.reached.snapshot.link.manifest.restore_point
    return Measured(target_ms=target, actual_ms=max(0, _milliseconds(course.timeline[0].at - restore_point)))


def _milliseconds(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1_000)


# -- what was used


def _snapshot(request: DrillRequest, course: Course) -> SnapshotUsed | None:
    located = course.located
    if located is None:
        return None
    reached, facts = located.reached, located.content.facts
    manifest = reached.snapshot.link.manifest
    site = request.sites.get(reached.store)
    lock = site.lock_seconds if site is not None else None
    packs, chunks = located.reader.fetcher.packs_and_chunks_read
    tables, things = located.counted(request.test.tables)
    return SnapshotUsed(
        id=str(manifest.run),
        source=manifest.source,
        selection=reached.selection,
        draw=request.draw,
        restore_point=manifest.restore_point,
        taken_at=manifest.ended,
        manifest_digest=str(manifest.digest) if manifest.digest is not None else "",
        engine=located.engine,
        engine_version=str(facts.get("server_version", facts.get("library_version", ""))),
        tables=tables,
        rows=manifest.rows,
        size_bytes=located.size_bytes,
        things=things,
        store=reached.store,
        site=site.name if site is not None else None,
        immutable_until=None if lock is None else manifest.ended + timedelta(seconds=lock),
        packs=packs,
        chunks=chunks,
        read_bytes=manifest.bytes_read,
        recipient_key=str(located.recipient.public().recipient_id),
        trust_root=grouped(reached.repository.trust.root_digest.raw[:16]),
    )


def _policy_used(request: DrillRequest) -> PolicyUsed:
    policy, promise = request.policy, request.promise
    return PolicyUsed(
        name=policy.name,
        text_digest=request.policy_digest,
        description=policy.description,
        security_level=policy.security_level,
        owner=str(promise.owner),
        custodian=None if promise.custodian is None else str(promise.custodian),
        successors=tuple(map(str, promise.successors)),
        legal_basis=policy.legal_basis,
        classification=policy.classification,
    )


def _test_used(request: DrillRequest) -> TestUsed:
    test = request.test
    return TestUsed(
        name=test.name,
        text_digest=str(digest_of_text(test.text)),
        schedule=None if test.schedule is None else str(test.schedule),
        trigger=request.trigger,
        scheduled_for=request.scheduled_for,
        left_out=dict(test.skip),
    )

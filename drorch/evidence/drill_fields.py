"""The fields of a drill's statement, in the order in which an auditor reads: the answer first, then the proof.

Everything here is taken from the report, and the whole report stands beside it: these fields are how it is read, that is how it is
checked. ``None`` is "not measured" or "not stated", which is never shown as 0.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drorch.evidence.drill_checks import Check, CheckResult, Outcome
from drorch.evidence.drill_report import DrillReport, Measured


def drill_fields(report: DrillReport) -> dict[str, Any]:
    """Return the sections A to H with their fields."""
    return {
        "verdict": _verdict(report),
        "identity": _identity(report),
        "who": _who(report),
        "what": _what(report),
        "where": _where(report),
        "proof": _proof(report),
        "after": _after(report),
        "seal": _seal(report),
    }


def _verdict(report: DrillReport) -> dict[str, Any]:
    return {
        "verdict": report.verdict.value,
        "statement": report.summary,
        "system_name": report.system_name,
        "system_id": report.source,
        "security_level": report.policy.security_level,
        "rto": _measured(report.rto),
        "rpo": {**_measured(report.rpo), "newest_record": report.newest_record},
        "objectives_met": report.objectives_met,
        "critical_findings": [
            text for check in report.checks if check.outcome is Outcome.FAIL for text in (check.told or (check.title,))
        ],
    }


def _identity(report: DrillReport) -> dict[str, Any]:
    return {
        "drill_id": report.drill,
        "report_version": report.version,
        "exercise_type": "functional",
        "scenario_id": report.scenario.value,
        "out_of_scope": dict(report.test.left_out),
        "policy_id": report.policy.name,
        "policy_hash": report.policy.text_digest,
        "restore_test": report.test.name,
        "restore_test_hash": report.test.text_digest,
        "legal_basis": list(report.policy.legal_basis),
        "system_owner": report.policy.owner,
        "custodian": report.policy.custodian,
        "successor_units": list(report.policy.successors),
        "trigger": report.test.trigger,
        "scheduled_for": _time(report.test.scheduled_for),
    }


def _who(report: DrillReport) -> dict[str, Any]:
    people = report.people
    return {
        "operator": people.operator,
        "verifier": people.verifier,
        "observers": list(people.observers),
        "custodians_present": list(people.custodians),
        "quorum": people.quorum,
        "machine_roles": list(report.machine.roles),
    }


def _what(report: DrillReport) -> dict[str, Any] | None:
    used = report.snapshot
    if used is None:
        return None
    return {
        "backup_set_id": used.id,
        "taken_at": _time(used.taken_at),
        "restore_point": _time(used.restore_point),
        "selection_method": used.selection.value,
        "copy_used": {"store": used.store, "site": used.site, "immutable_until": _time(used.immutable_until)},
        "source_engine": f"{used.engine} {used.engine_version}".rstrip(),
        "objects": used.tables,
        "object_kind": used.things,
        "rows": used.rows,
        "db_size_bytes": used.size_bytes,
        "key_id": used.recipient_key,
        "trust_root": used.trust_root,
        "chain": {"packs": used.packs, "chunks": used.chunks, "read_bytes": used.read_bytes},
    }


def _where(report: DrillReport) -> dict[str, Any]:
    sandbox = report.sandbox
    return {
        "target_env": None if sandbox is None else f"{sandbox.kind} {sandbox.engine_version}".rstrip(),
        "host": report.machine.host,
        "isolation": None if sandbox is None else list(sandbox.isolation),
        "tool_version": report.machine.tool_version,
        "tool_hash": report.machine.tool_digest,
        "clock_offset_ms": report.machine.clock_offset_ms,
        "timeline": [{"name": one.name, "at": _time(one.at)} for one in report.timeline],
    }


def _proof(report: DrillReport) -> dict[str, Any]:
    """Return one line for each check that a drill has, those that were not made included."""
    made = {result.check: result for result in report.checks}
    return {check.value: _check(made.get(check), report.test.left_out.get(check.value)) for check in Check}


def _check(result: CheckResult | None, left_out: str | None) -> dict[str, Any]:
    if result is None:
        return {"outcome": "left_out" if left_out is not None else "not_made", "reason": left_out}
    return {
        "outcome": result.outcome.value,
        "expected": result.expected,
        "found": result.found,
        "duration_ms": result.duration_ms,
    }


def _after(report: DrillReport) -> dict[str, Any]:
    before, coverage = report.before, report.coverage
    return {
        "findings": list(report.findings),
        "comparison_previous": None
        if before is None
        else {"drill_id": before.drill, "verdict": before.verdict.value, "rto_ms": before.rto_ms},
        "cleanup_proof": None if report.sandbox is None else list(report.sandbox.wiped),
        "next_due": None if coverage is None else _time(coverage.next_due),
        "coverage": None if coverage is None else {"drilled": coverage.drilled, "sources": coverage.sources},
    }


def _seal(report: DrillReport) -> dict[str, Any]:
    return {
        "classification": report.policy.classification,
        "verify_command": f"drorch evidence verify {report.drill}",
    }


def _measured(one: Measured) -> dict[str, Any]:
    return {"target_ms": one.target_ms, "actual_ms": one.actual_ms, "not_measured": one.not_measured or None}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")

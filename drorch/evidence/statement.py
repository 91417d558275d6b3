"""A drill's statement: an in-toto Statement v1 about the snapshot, the policy, the restore test and the tool."""

from __future__ import annotations

from typing import Any

from drorch.errors import EvidenceBroken, ReportInvalid
from drorch.evidence.drill_document import report_document, report_of
from drorch.evidence.drill_fields import drill_fields
from drorch.evidence.drill_report import DrillReport
from drorch.evidence.statement_text import STATEMENT_TYPE, decode_text, encode_text, require_same
from drorch.evidence.verdict_rules import contradiction
from drorch.format.fields import Bytes

PREDICATE_TYPE = "urn:drorch:restore-drill:v1"
_WHAT = "a drill's statement"


def encode_statement(report: DrillReport) -> bytes:
    """Return the bytes that are signed; raise ``EvidenceBroken`` for a report whose verdict disagrees with its checks."""
    _require_sound(report)
    return encode_text(
        {
            "_type": STATEMENT_TYPE,
            "subject": _subjects(report),
            "predicateType": PREDICATE_TYPE,
            "predicate": {**drill_fields(report), "record": report_document(report)},
        }
    )


def read_statement(raw: Bytes) -> DrillReport:
    """Return the report that was stated; raise ``EvidenceBroken``. Who signed it is checked elsewhere."""
    predicate = decode_text(raw, _WHAT).get("predicate")
    record = predicate.get("record") if isinstance(predicate, dict) else None
    if not isinstance(record, dict):
        raise EvidenceBroken(f"{_WHAT} holds no record", expected="predicate.record", found="none")
    try:
        report = report_of(record)
    except ReportInvalid as error:
        raise EvidenceBroken(
            f"{_WHAT} cannot be read: {error.message}", expected=error.expected, found=error.found
        ) from error
    again = encode_statement(report)
    require_same(raw, again, _WHAT)
    return report


def _require_sound(report: DrillReport) -> None:
    problem = contradiction(report)
    if problem is not None:
        raise EvidenceBroken(
            f"the statement of drill {report.drill} contradicts itself", expected=problem.expected, found=problem.found
        )


def _subjects(report: DrillReport) -> list[dict[str, Any]]:
    digests = [
        (f"policy {report.policy.name}", report.policy.text_digest),
        (f"restore test {report.test.name}", report.test.text_digest),
        (f"drorch {report.machine.tool_version}", report.machine.tool_digest),
    ]
    if report.snapshot is not None:
        digests.insert(0, (f"snapshot {report.snapshot.id}", report.snapshot.manifest_digest))
    return [{"name": name, "digest": {"sha256": digest}} for name, digest in digests]

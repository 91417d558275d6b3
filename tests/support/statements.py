"""Reports that passed, keys of people and machines, and signed statements."""

from __future__ import annotations

from dataclasses import replace

from drorch.evidence.drill_checks import Check, CheckResult, Outcome
from drorch.evidence.drill_report import DrillReport, Measured, Verdict
from drorch.evidence.sign_off import PersonRole, SignOff, TrustedPerson
from drorch.format.signing import SigningKey
from drorch.ids import Digest
from tests.support.drill_reports import DECLARED, drill_report
from tests.support.repositories import seed

OPERATOR = SigningKey.from_seed(seed("operator1"))
VERIFIER = SigningKey.from_seed(seed("verifier1"))


def ok(check: Check) -> CheckResult:
    return CheckResult(
        check=check, title=check.value, outcome=Outcome.OK, expected="212 tables", found="212 tables", duration_ms=900
    )


def passing_report(drill: str = "01KB3W0T5Q8N2R7T4V6W1Y3Z0B") -> DrillReport:
    """Return a drill of which everything was looked at and nothing found."""
    report = drill_report()
    return replace(
        report,
        drill=drill,
        verdict=Verdict.PASS,
        summary="all 212 tables came back equal, usable after 23.1 s; promised 8 h",
        test=replace(report.test, left_out={}),
        checks=tuple(ok(check) for check in Check),
        rto=Measured(target_ms=28_800_000, actual_ms=23_100),
    )


def person(identifier: str, role: PersonRole, key: SigningKey, name: str = "") -> TrustedPerson:
    return TrustedPerson(identifier=identifier, name=name or f"Cán bộ {identifier}", role=role, public=key.public)


OPERATOR_PERSON = person("operator1", PersonRole.OPERATOR, OPERATOR)
VERIFIER_PERSON = person("verifier1", PersonRole.VERIFIER, VERIFIER)


def sign_off(statement: Digest, who: TrustedPerson = VERIFIER_PERSON, drill: str = passing_report().drill) -> SignOff:
    return SignOff(
        drill=drill,
        statement=statement,
        person=who.identifier,
        name=who.name,
        role=who.role,
        key=who.public.key_id,
        agrees=True,
        comment="đã đối chiếu với sổ gốc",
        at=DECLARED,
    )

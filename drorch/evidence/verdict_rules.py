"""When a verdict follows from its checks: a report whose verdict does not is refused, by who writes it and by who reads it."""

from __future__ import annotations

from dataclasses import dataclass

from drorch.evidence.drill_checks import Check, CheckResult, Outcome
from drorch.evidence.drill_report import DrillReport, Verdict

# Without these nothing was proven, whatever else was looked at; one that is left out with a reason is a finding.
NEEDED = frozenset({Check.KEY, Check.RESTORE, Check.CHUNKS, Check.CONTENT, Check.WIPED})


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What the checks demand, and what the report says."""

    expected: str
    found: str


def contradiction(report: DrillReport) -> Contradiction | None:
    """Return the first thing in which a report disagrees with itself."""
    for result in report.checks:
        if problem := _in_check(result):
            return problem
    made = [result.check for result in report.checks]
    if len(made) != len(set(made)):
        return Contradiction("every check once", "one of them twice")
    people = report.people
    if people.operator is not None and people.operator == people.verifier:
        return Contradiction("an operator and a verifier who are two people", f"{people.operator} as both")
    return _in_verdict(report, set(made))


def _in_verdict(report: DrillReport, made: set[Check]) -> Contradiction | None:
    outcomes = {result.outcome for result in report.checks}
    verdict = report.verdict
    if Outcome.FAIL in outcomes and verdict is not Verdict.FAIL:
        return Contradiction("fail, as a check failed", verdict.value)
    if verdict is Verdict.FAIL and Outcome.FAIL not in outcomes:
        return Contradiction("a check that failed, for the verdict fail", "none")
    if verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        return None
    if Outcome.INCONCLUSIVE in outcomes:
        return Contradiction("inconclusive, as a check was", verdict.value)
    missing = sorted(check.value for check in NEEDED - made if check.value not in report.test.left_out)
    if missing or report.snapshot is None:
        return Contradiction("what came back compared with a snapshot", f"no {', '.join(missing) or 'snapshot'}")
    if verdict is Verdict.PASS and (report.test.left_out or Outcome.FINDING in outcomes):
        return Contradiction("pass_with_findings, as there are findings or checks left out", verdict.value)
    return None


def _in_check(result: CheckResult) -> Contradiction | None:
    worst = {one.outcome for one in result.compared}
    if result.outcome is not Outcome.FAIL and Outcome.FAIL in worst:
        return Contradiction(f"{result.check.value} to fail, as something in it did", result.outcome.value)
    if result.outcome is Outcome.OK and result.differences:
        return Contradiction(f"{result.check.value} without differences", f"{len(result.differences)} of them")
    return None

"""What the results of the checks mean: one verdict, one sentence, one exit code. Decides, and touches nothing."""

from __future__ import annotations

from collections.abc import Sequence

from drorch.errors import PARTIAL, DrillFailed, DrillInconclusive, ObjectiveMissed
from drorch.evidence.drill_checks import Check, CheckResult, Outcome
from drorch.evidence.drill_report import DrillReport, Measured, Verdict
from drorch.quantities import format_span

_BAD = (Outcome.FAIL, Outcome.INCONCLUSIVE)
_USABLE = (Check.RESTORE, Check.CONTENT)


def verdict_of(checks: Sequence[CheckResult]) -> Verdict:
    """Return the verdict. Every check must be there: one that is missing proves nothing."""
    outcomes = {check.outcome for check in checks}
    if Outcome.FAIL in outcomes:
        return Verdict.FAIL
    if Outcome.INCONCLUSIVE in outcomes or {check.check for check in checks} != set(Check):
        return Verdict.INCONCLUSIVE
    return Verdict.PASS_WITH_FINDINGS if Outcome.FINDING in outcomes else Verdict.PASS


def exit_code_of(report: DrillReport) -> int:
    """Return 0 only when every check ran and passed and both promises were kept."""
    if report.verdict is Verdict.FAIL:
        return DrillFailed.exit_code
    if report.verdict is Verdict.INCONCLUSIVE:
        return DrillInconclusive.exit_code
    if report.objectives_met is not True:
        return ObjectiveMissed.exit_code if report.objectives_met is False else DrillInconclusive.exit_code
    return PARTIAL if report.test.left_out else 0


def is_usable(checks: Sequence[CheckResult]) -> bool:
    """Whether what came back can be worked with: nothing failed, and it was restored and compared."""
    found = {check.check: check.outcome for check in checks}
    return Outcome.FAIL not in found.values() and not any(found.get(one) in (None, *_BAD) for one in _USABLE)


def worst_of(reports: Sequence[DrillReport]) -> int:
    """Return the exit code of several drills: a failure weighs most, then what is inconclusive, then a missed objective."""
    codes = {exit_code_of(report) for report in reports}
    order = (DrillFailed.exit_code, DrillInconclusive.exit_code, ObjectiveMissed.exit_code, PARTIAL)
    return next((code for code in order if code in codes), 0)


def summary_of(verdict: Verdict, checks: Sequence[CheckResult], rto: Measured, what: str) -> str:
    """Return the answer in one sentence; ``what`` is what was restored: ``all 212 tables``."""
    if verdict is Verdict.FAIL:
        return _failure(checks)
    if verdict is Verdict.INCONCLUSIVE:
        open_checks = [check for check in checks if check.outcome is Outcome.INCONCLUSIVE]
        first = open_checks[0] if open_checks else None
        told = first.told[0] if first is not None and first.told else "a check was not carried out"
        return f"it proves neither: {told}"
    taken = "" if rto.actual_ms is None else f", usable after {format_span(rto.actual_ms / 1000)}"
    promised = f"; promised {format_span(rto.target_ms / 1000)}"
    findings = sum(check.outcome is Outcome.FINDING for check in checks)
    more = f"; {findings} finding{'s' if findings > 1 else ''}" if findings else ""
    return f"{what} came back equal{taken}{promised}{more}"


def _failure(checks: Sequence[CheckResult]) -> str:
    failed = [check for check in checks if check.outcome is Outcome.FAIL]
    for check in failed:
        if check.check is Check.CONTENT and check.compared:
            bad = [one.name for one in check.compared if one.outcome is Outcome.FAIL]
            listed = ", ".join(bad[:3]) + (f" and {len(bad) - 3} more" if len(bad) > 3 else "")
            return f"{len(bad)} of {len(check.compared)} did not come back as it was: {listed}"
    first = failed[0]
    return first.told[0] if first.told else f"{first.title}: expected {first.expected}, found {first.found}"

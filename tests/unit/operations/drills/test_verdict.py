"""Verdicts and exit codes: 0 only when everything was shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drorch.evidence.drill_checks import Check, CheckResult, Outcome
from drorch.evidence.drill_report import DrillReport, Measured, Verdict
from drorch.evidence.verdict_rules import contradiction
from drorch.operations.drills.verdict import exit_code_of, is_usable, summary_of, verdict_of, worst_of
from tests.support.drill_reports import drill_report

KEPT = Measured(target_ms=10_000, actual_ms=9_000)
MISSED = Measured(target_ms=10_000, actual_ms=11_000)
OPEN = Measured(target_ms=10_000, actual_ms=None, not_measured="x")


def checks(**changed: Outcome) -> tuple[CheckResult, ...]:
    return tuple(
        CheckResult(
            check=check,
            title=check.value,
            outcome=changed.get(check.value, Outcome.OK),
            expected="x",
            found="y",
            told=() if changed.get(check.value, Outcome.OK) is Outcome.OK else (f"{check.value} told",),
        )
        for check in Check
    )


def report(
    found: tuple[CheckResult, ...], rto: Measured = KEPT, rpo: Measured = KEPT, *, left_out: bool = False
) -> DrillReport:
    whole = drill_report()
    test = replace(whole.test, left_out={"files": "elsewhere"} if left_out else {})
    return replace(whole, checks=found, verdict=verdict_of(found), rto=rto, rpo=rpo, test=test)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (checks(), Verdict.PASS),
        (checks(encoding=Outcome.FINDING), Verdict.PASS_WITH_FINDINGS),
        (checks(queries=Outcome.INCONCLUSIVE, encoding=Outcome.FINDING), Verdict.INCONCLUSIVE),
        (checks(queries=Outcome.INCONCLUSIVE, wiped=Outcome.FAIL), Verdict.FAIL),
        (checks()[:-1], Verdict.INCONCLUSIVE),
        ((), Verdict.INCONCLUSIVE),
    ],
)
def test_a_verdict_is_the_worst_of_its_checks_and_one_that_is_missing_proves_nothing(
    found: tuple[CheckResult, ...], verdict: Verdict
) -> None:
    assert verdict_of(found) is verdict


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (report(checks()), 0),
        (report(checks(encoding=Outcome.FINDING)), 0),
        (report(checks(files=Outcome.FINDING), left_out=True), 3),
        (report(checks(), MISSED), 51),
        (report(checks(), rpo=MISSED), 51),
        (report(checks(), OPEN), 52),
        (report(checks(content=Outcome.FAIL), MISSED), 50),
        (report(checks(restore=Outcome.INCONCLUSIVE)), 52),
    ],
)
def test_it_ends_with_0_only_when_everything_was_shown(made: DrillReport, code: int) -> None:
    assert exit_code_of(made) == code
    assert contradiction(made) is None


def test_of_several_the_worst_counts() -> None:
    good, late, bad = report(checks()), report(checks(), MISSED), report(checks(content=Outcome.FAIL))
    unclear = report(checks(queries=Outcome.INCONCLUSIVE))
    some: tuple[list[DrillReport], ...] = ([good], [good, late], [late, unclear], [unclear, bad, good], [])
    assert [worst_of(several) for several in some] == [0, 51, 52, 50, 0]


def test_usable_is_what_was_restored_and_compared() -> None:
    assert is_usable(checks(encoding=Outcome.FINDING, queries=Outcome.INCONCLUSIVE))
    assert not is_usable(checks(content=Outcome.INCONCLUSIVE))
    assert not is_usable(checks(wiped=Outcome.FAIL))
    assert not is_usable(())


def test_one_sentence_says_it() -> None:
    assert summary_of(Verdict.PASS, checks(), KEPT, "all 212 tables") == (
        "all 212 tables came back equal, usable after 9 s; promised 10 s"
    )
    assert summary_of(Verdict.FAIL, checks(schema=Outcome.FAIL), KEPT, "x") == "schema told"
    assert summary_of(Verdict.INCONCLUSIVE, checks(queries=Outcome.INCONCLUSIVE), KEPT, "x") == (
        "it proves neither: queries told"
    )
    with_findings = summary_of(Verdict.PASS_WITH_FINDINGS, checks(files=Outcome.FINDING), KEPT, "all 3 files")
    assert with_findings.endswith("; 1 finding")

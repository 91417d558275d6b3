"""What a report says of the systems beside it: how many were restored lately, and when its own is due again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from drorch.catalog.interface import DrillRecord
from drorch.evidence.drill_report import Coverage, DrillReport, Verdict
from drorch.operations.drills.covering import with_coverage
from drorch.operations.drills.due import SourceCoverage
from tests.support.catalogs import a_drill
from tests.support.drill_reports import DECLARED, drill_report

QUARTER = timedelta(days=90)


def one(
    source: str, passed: DrillRecord | None = None, certain: datetime | None = None, at_least: timedelta | None = None
) -> SourceCoverage:
    return SourceCoverage(
        source=source,
        policy=source,
        last=passed,
        last_passed=passed,
        tests=(),
        next_due=certain,
        next_certain=certain,
        at_least_seconds=None if at_least is None else round(at_least.total_seconds()),
    )


def passed_at(moment: datetime) -> DrillRecord:
    return replace(a_drill(), declared_at=moment)


def covered(report: DrillReport, *found: SourceCoverage) -> Coverage:
    coverage = with_coverage(report, found).coverage
    assert coverage is not None
    return coverage


PASSED = replace(drill_report(), verdict=Verdict.PASS)
OTHERS = (one("a", passed_at(DECLARED - timedelta(days=3))), one("b", passed_at(DECLARED - timedelta(days=91))))


def test_a_drill_that_passed_counts_and_one_that_failed_does_not() -> None:
    own = one("lamdong-land")
    assert (covered(PASSED, own, *OTHERS).drilled, covered(PASSED, own, *OTHERS).sources) == (2, 3)
    assert covered(drill_report(), own, *OTHERS).drilled == 1
    assert covered(PASSED, *OTHERS).sources == 3, "a source that this machine never saw is one all the same"


@pytest.mark.parametrize(
    ("own", "due"),
    [
        (one("lamdong-land"), None),
        (one("lamdong-land", certain=DECLARED + timedelta(days=7)), timedelta(days=7)),
        (one("lamdong-land", at_least=QUARTER), QUARTER),
        (one("lamdong-land", certain=DECLARED + timedelta(days=7), at_least=QUARTER), timedelta(days=7)),
    ],
    ids=["nothing says", "a schedule", "the policy's promise", "the first of both"],
)
def test_it_is_due_again_when_something_says_so(own: SourceCoverage, due: timedelta | None) -> None:
    assert covered(PASSED, own).next_due == (None if due is None else DECLARED + due)


def test_after_a_failure_the_promise_runs_since_the_last_that_passed() -> None:
    last = passed_at(DECLARED - timedelta(days=80))
    assert covered(drill_report(), one("lamdong-land", last, at_least=QUARTER)).next_due == DECLARED + timedelta(
        days=10
    )
    assert covered(drill_report(), one("lamdong-land", at_least=QUARTER)).next_due is None

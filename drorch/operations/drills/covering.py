"""What a report says beside its own drill: how many systems were restored lately, and when this one is due again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from drorch.evidence.drill_report import Coverage, DrillReport
from drorch.operations.drills.books import PASSED
from drorch.operations.drills.due import COVERAGE_DAYS, SourceCoverage


def with_coverage(report: DrillReport, found: Sequence[SourceCoverage]) -> DrillReport:
    """Return the report with the coverage after this drill; ``found`` is that of all sources before it."""
    sources = {one.source for one in found} | {report.source}
    covered = {one.source for one in found if one.is_covered(report.declared_at)}
    covered |= {report.source} if report.verdict.value in PASSED else set()
    own = next((one for one in found if one.source == report.source), None)
    coverage = Coverage(
        within_days=COVERAGE_DAYS,
        drilled=len(covered),
        sources=len(sources),
        next_due=None if own is None else _next_due(own, report),
    )
    return replace(report, coverage=coverage)


def _next_due(own: SourceCoverage, report: DrillReport) -> datetime | None:
    """Return when a schedule names the source for certain, or the policy's ``drill: {at_least: ...}`` runs out, whichever is first."""
    found = [] if own.next_certain is None else [own.next_certain]
    if own.at_least_seconds is not None:
        last = own.last_passed.declared_at if own.last_passed is not None else None
        since = report.declared_at if report.verdict.value in PASSED else last
        found += [] if since is None else [since + timedelta(seconds=own.at_least_seconds)]
    return min(found, default=None)

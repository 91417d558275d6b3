"""Which restore tests are due, which sources each is about, and how far the promise to drill is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from drorch.catalog.interface import Catalog, DrillRecord
from drorch.operations.drills.books import PASSED
from drorch.operations.estate.seen import known_sources
from drorch.policy.model import Policy, SourcePromise
from drorch.policy.restore_tests.model import RestoreTest
from drorch.policy.schedule import next_occurrence, occurrences_between

CATCH_UP = timedelta(days=31)  # who was away for longer decides what still makes sense
COVERAGE_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class DueTest:
    """A test whose occurrence ``slot`` nobody has drilled yet, of the sources that are left."""

    test: RestoreTest
    policy: Policy
    slot: datetime
    done: tuple[str, ...] = ()


def due_tests(
    tests: Iterable[RestoreTest], policies: Mapping[str, Policy], catalog: Catalog, now: datetime
) -> tuple[DueTest, ...]:
    """Return the tests that are due, the one that waits longest first. A drill counts for the occurrence that it names."""
    found = [due for test in tests if (due := _due(test, policies, catalog, now)) is not None]
    return tuple(sorted(found, key=lambda one: (one.slot, one.test.name)))


def _due(test: RestoreTest, policies: Mapping[str, Policy], catalog: Catalog, now: datetime) -> DueTest | None:
    policy = policies.get(test.policy.partition("/")[0])
    if test.schedule is None or policy is None:
        return None
    slots = occurrences_between(test.schedule, now - CATCH_UP, now)
    if not slots:
        return None
    slot = slots[-1]
    done = {record.source for record in catalog.drills(test=test.name, since=slot) if record.scheduled_for == slot}
    wanted = test.sample.count if test.sample is not None else len(sources_of(test, policy, catalog))
    if len(done) >= max(1, wanted):
        return None
    return DueTest(test=test, policy=policy, slot=slot, done=tuple(sorted(done)))


def sources_of(test: RestoreTest, policy: Policy, catalog: Catalog) -> tuple[SourcePromise, ...]:
    """Return the sources that a test is about, as far as their servers were asked before; asks nobody."""
    return known_sources(catalog, policy.promises, test.policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCoverage:
    """One source: its last drill, its last one that passed, and when it is due; ``next_certain`` leaves out tests that may draw others."""

    source: str
    policy: str
    last: DrillRecord | None
    last_passed: DrillRecord | None
    tests: tuple[str, ...]
    next_due: datetime | None
    next_certain: datetime | None
    at_least_seconds: int | None

    def is_covered(self, now: datetime, days: int = COVERAGE_DAYS) -> bool:
        """Whether it was restored by a drill within the period."""
        return self.last_passed is not None and self.last_passed.declared_at >= now - timedelta(days=days)

    def is_overdue(self, now: datetime) -> bool:
        """Whether the last drill is older than the policy allows (``drill: {at_least: ...}``)."""
        if self.at_least_seconds is None:
            return False
        limit = now - timedelta(seconds=self.at_least_seconds)
        return self.last_passed is None or self.last_passed.declared_at < limit


def coverage(
    policies: Sequence[Policy], tests: Sequence[RestoreTest], catalog: Catalog, now: datetime
) -> tuple[SourceCoverage, ...]:
    """Return every source that a policy protects, by address; servers are not asked."""
    last = catalog.newest_drill_by_source()
    passed = catalog.newest_drill_by_source(verdicts=PASSED)
    found = []
    for policy, promise in _protected(policies, catalog):
        own = [test for test in tests if test.policy in (policy.name, promise.address)]
        found.append(
            SourceCoverage(
                source=promise.address,
                policy=policy.name,
                last=last.get(promise.address),
                last_passed=passed.get(promise.address),
                tests=tuple(test.name for test in own),
                next_due=_first(own, now),
                next_certain=_first([test for test in own if test.sample is None], now),
                at_least_seconds=policy.drill_at_least_seconds,
            )
        )
    return tuple(sorted(found, key=lambda one: one.source))


def _protected(policies: Sequence[Policy], catalog: Catalog) -> Iterator[tuple[Policy, SourcePromise]]:
    for policy in policies:
        for promise in known_sources(catalog, policy.promises, policy.name):
            yield policy, promise


def _first(tests: Sequence[RestoreTest], now: datetime) -> datetime | None:
    coming = (next_occurrence(test.schedule, now) for test in tests if test.schedule is not None)
    return min(filter(None, coming), default=None)

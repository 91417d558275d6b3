"""One month in figures, for whoever answers for it. Decides only: what was promised held against what was done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from drorch.catalog.interface import Catalog, DrillRecord, RunState
from drorch.errors import UsageInvalid
from drorch.operations.overview import OPERATION, Overview, SourceStanding
from drorch.operations.watch.alert import Alert
from drorch.operations.watch.facts import PROVEN, Facts
from drorch.policy.model import Policy

_BEFORE = timedelta(days=62)  # how far back the run is looked for that a month begins with
MONTH_FORM = "%Y-%m"
_FIRST_YEAR = 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A month in the installation's zone; ``end`` is the next one's beginning, or now when it is not over yet."""

    month: str
    start: datetime
    end: datetime
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMonth:
    """One policy: of ``sources`` so many kept their RPO all month; ``worst_gap_seconds`` is ``None`` when nothing was ever stored."""

    policy: str
    sources: int
    rpo_seconds: int
    rpo_kept: int
    worst_gap_seconds: float | None
    drills: int
    drills_passed: int
    worst_rto_ms: int | None
    rto_seconds: int
    in_every_store: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What the report says. ``exceptions`` are sentences; ``unread`` are policy files that could not be read."""

    period: Period
    made_at: datetime
    host: str
    policies: tuple[PolicyMonth, ...]
    stores: tuple[tuple[str, datetime | None], ...]  # and when each was last heard of
    exceptions: tuple[str, ...]
    unread: tuple[str, ...]

    def total(self, figure: str) -> int:
        """Return the sum of a figure over all policies."""
        return sum(int(getattr(one, figure)) for one in self.policies)

    @property
    def worst_rto_ms(self) -> int | None:
        """The longest restore that a drill of the month measured."""
        return max((one.worst_rto_ms for one in self.policies if one.worst_rto_ms is not None), default=None)

    @property
    def is_kept(self) -> bool:
        """Whether every promise was kept, as far as this program can tell."""
        return (
            not self.unread
            and self.total("rpo_kept") == self.total("sources") > 0
            and self.total("drills_passed") == self.total("drills")
        )


def period_of(month: str, zone: tzinfo, now: datetime) -> Period:
    """Return the period that ``2026-10`` means; raise ``UsageInvalid`` for other texts and for months that have not begun."""
    try:
        start = datetime.strptime(month, MONTH_FORM).replace(tzinfo=zone)
    except ValueError as error:
        raise UsageInvalid("not a month", expected="a year and a month, such as 2026-10", found=month[:40]) from error
    if start.year < _FIRST_YEAR:
        raise UsageInvalid("no catalog knows that month", expected=f"a month since {_FIRST_YEAR}", found=month)
    if start > now:
        raise UsageInvalid("that month has not begun", expected="a month of the past, or this one", found=month)
    following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    is_over = following <= now
    return Period(month=f"{start:%Y-%m}", start=start, end=following if is_over else now, is_over=is_over)


def month_of(
    period: Period, found: Overview, policies: Sequence[Policy], alerts: Sequence[Alert], facts: Facts, catalog: Catalog
) -> Month:
    """Return the figures of a month, by the policies of today: what they promise, and what runs and drills did in it."""
    runs = catalog.runs(operation=OPERATION, states=(RunState.COMPLETE,), since=period.start - _BEFORE)
    good: dict[str, list[datetime]] = {}
    for run in reversed(runs):
        if run.started_at < period.end:
            good.setdefault(run.source, []).append(run.started_at)
    drills = [one for one in catalog.drills(since=period.start) if one.ended_at < period.end]
    return Month(
        period=period,
        made_at=facts.now,
        host=facts.host,
        policies=tuple(
            _policy_month(policy, _there(found, facts, period), good, drills, period) for policy in policies
        ),
        stores=tuple((name, facts.last_contact.get(name)) for name in _stores(policies)),
        exceptions=tuple(f"{one.subject}: {one.text}" for one in alerts if one.severity.value != "info"),
        unread=tuple(sorted({problem.file for problem in found.policy_problems})),
    )


def _there(found: Overview, facts: Facts, period: Period) -> list[SourceStanding]:
    """Return the sources that something was promised for, but for those that were first used after the period."""
    return [one for one in found.protected if facts.first_used.get(one.address, period.start) < period.end]


def _stores(policies: Iterable[Policy]) -> list[str]:
    return sorted({store for policy in policies for store in policy.stores})


def _policy_month(
    policy: Policy,
    there: Sequence[SourceStanding],
    good: Mapping[str, Sequence[datetime]],
    drills: Sequence[DrillRecord],
    period: Period,
) -> PolicyMonth:
    sources = [one for one in there if one.policy == policy.name]
    gaps = [worst_gap(good.get(one.address, ()), period) for one in sources]
    own = [one for one in drills if one.policy == policy.name]
    times = [one.rto_ms for one in own if one.rto_ms is not None]
    known = [gap for gap in gaps if gap is not None]
    return PolicyMonth(
        policy=policy.name,
        sources=len(sources),
        rpo_seconds=policy.objectives.rpo_seconds,
        rpo_kept=sum(gap <= policy.objectives.rpo_seconds for gap in known),
        worst_gap_seconds=max(known) if known and len(known) == len(gaps) else None,
        drills=len(own),
        drills_passed=sum(one.verdict in PROVEN and one.objectives != "missed" for one in own),
        worst_rto_ms=max(times, default=None),
        rto_seconds=policy.objectives.rto_seconds,
        in_every_store=sum(one.copies_complete == one.copies_promised > 0 for one in sources),
    )


def worst_gap(good: Sequence[datetime], period: Period) -> float | None:
    """Return the longest time in the period that was not behind a newer good backup; ``None`` when there was none at all.

    ``good`` are the moments of good backups, the oldest first. What began within the period is judged from its first one.
    """
    before = [moment for moment in good if moment <= period.start]
    within = [moment for moment in good if period.start < moment < period.end]
    moments = [*before[-1:], *within, period.end]
    if len(moments) < 2:
        return None
    return max((later - earlier).total_seconds() for earlier, later in pairwise(moments))

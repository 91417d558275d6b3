"""What this machine promises: every source of every policy, restore tests and upkeep, as far as its roles go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from drorch.catalog.interface import Catalog, SeenDatabase, SourceState
from drorch.operations.estate.seen import known_promises
from drorch.policy.discovery import server_of
from drorch.policy.model import Policy, SourcePromise
from drorch.policy.occurrences.duty import Duty, DutyKind
from drorch.policy.order import unit_of
from drorch.policy.schedule import OnceSchedule, Schedule, spread_offset_seconds

_ENDED = (SourceState.CLOSED, SourceState.RETIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """Something that is done for a whole installation or one of its stores."""

    kind: DutyKind
    subject: str
    schedule: Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A restore test, as far as its schedule goes."""

    name: str
    schedule: Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the catalog knows that decides what is due: see ``known_of``."""

    ended: frozenset[str] = frozenset()
    good: frozenset[str] = frozenset()
    seen: Mapping[str, tuple[SeenDatabase, ...]] = field(default_factory=lambda: MappingProxyType({}))


def known_of(catalog: Catalog, policies: Iterable[Policy]) -> Known:
    """Ask the catalog which sources are closed, which have a good snapshot, and what servers were seen to have."""
    asks = any(promise.needs_discovery for policy in policies for promise in policy.sources())
    seen: dict[str, list[SeenDatabase]] = {}
    for one in catalog.seen_databases() if asks else ():
        seen.setdefault(one.asked_by, []).append(one)
    return Known(
        ended=frozenset(record.address for record in catalog.sources() if record.state in _ENDED),
        good=frozenset(catalog.newest_good_by_source()),
        seen={asker: tuple(databases) for asker, databases in seen.items()},
    )


def roster(
    policies: Iterable[Policy],
    known: Known,
    *,
    roles: Collection[str],
    tests: Iterable[Test] = (),
    upkeep: Iterable[Upkeep] = (),
    now: datetime,
) -> tuple[Duty, ...]:
    """Return every duty of a machine with ``roles``."""
    duties: list[Duty] = []
    if "backup" in roles:
        duties += (duty for policy in policies for duty in _of_policy(policy, known, now))
    if "drill" in roles:
        duties += (
            Duty(kind=DutyKind.DRILL, subject=test.name, policy=test.name, schedule=test.schedule, since=now)
            for test in tests
        )
    if "maintenance" in roles:
        duties += (Duty(kind=one.kind, subject=one.subject, schedule=one.schedule, since=now) for one in upkeep)
    return tuple(duties)


def _of_policy(policy: Policy, known: Known, now: datetime) -> Iterator[Duty]:
    for promise in policy.sources():
        if not promise.needs_discovery:
            yield from _of_source(policy, promise, known, now)
            continue
        yield _duty(policy, promise, DutyKind.DISCOVERY, now)
        seen = [one for one in known.seen.get(promise.address, ()) if one.gone_at is None]
        for found in known_promises(promise, seen):
            yield from _of_source(policy, found, known, now)


def _of_source(policy: Policy, promise: SourcePromise, known: Known, now: datetime) -> Iterator[Duty]:
    is_done = isinstance(policy.schedule, OnceSchedule) and promise.address in known.good
    if promise.address not in known.ended and not is_done:
        yield _duty(policy, promise, DutyKind.BACKUP, now)


def _duty(policy: Policy, promise: SourcePromise, kind: DutyKind, now: datetime) -> Duty:
    is_spread = kind is DutyKind.BACKUP and policy.group is None
    spread_seconds = policy.spread_seconds if is_spread else 0
    return Duty(
        kind=kind,
        subject=promise.address,
        policy=policy.name,
        schedule=policy.schedule,
        since=now,
        spread_seconds=spread_seconds,
        offset_seconds=spread_offset_seconds(promise.address, spread_seconds),
        window=policy.window,
        blackouts=policy.blackouts,
        unit="" if policy.group is None else unit_of(policy),
        after=frozenset(policy.after),
        server=server_of(promise.source),
        stores=policy.stores,
        was=promise.was,
    )

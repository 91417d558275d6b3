"""Which of those that wait may start now: places, servers, stores, windows, turns. Decides only; the caller starts them.

What runs as one (``Duty.unit``) starts together. A source runs once at a time: a second occurrence of it waits for the
first. ``after`` waits for what is due of those policies, however it ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from drorch.policy.occurrences.duty import Duty, DutyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An occurrence that is due: ``not_before`` is when its next try may begin."""

    duty: Duty
    slot: datetime
    not_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What runs in one process: all that wait of one unit."""

    unit: str
    members: tuple[Waiting, ...]

    @property
    def duties(self) -> tuple[Duty, ...]:
        """What it does."""
        return tuple(member.duty for member in self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """How much may run at once on this machine, of one server, and into one store."""

    in_all: int
    per_server: int
    per_store: int


def jobs_to_start(waiting: Iterable[Waiting], running: Sequence[Job], places: Places, now: datetime) -> Iterator[Job]:
    """Yield the jobs that may start at ``now``, those that were due first before the others."""
    line = sorted(waiting, key=lambda one: (one.slot, one.duty.kind.value, one.duty.subject))
    busy = list(running)
    in_line = {one.duty.policy for one in line if one.duty.policy}
    for job in _jobs(line, now):
        if len(busy) >= places.in_all:
            return
        others = in_line | {duty.policy for one in busy for duty in one.duties}
        if _waits_for_its_turn(job, others) or _is_crowded(job, busy, places):
            continue
        busy.append(job)
        yield job


def _jobs(line: Iterable[Waiting], now: datetime) -> Iterator[Job]:
    """Yield what may start as far as time goes, joined to units; a unit starts when all that wait of it may."""
    units: dict[str, list[Waiting]] = {}
    for one in line:
        units.setdefault(one.duty.unit or f"{one.duty.kind.value}:{one.duty.subject}", []).append(one)
    for unit, members in units.items():
        if all(one.not_before <= now and one.duty.may_start(now) for one in members):
            yield Job(unit=unit, members=tuple(members))


def _waits_for_its_turn(job: Job, others: set[str]) -> bool:
    own = {duty.policy for duty in job.duties}
    return any((duty.after - own) & others for duty in job.duties)


def _is_crowded(job: Job, busy: Sequence[Job], places: Places) -> bool:
    if any(one.unit == job.unit for one in busy):
        return True
    duties = [duty for one in busy for duty in one.duties]
    if any(_is_alone(duty.kind) and duty.kind is mine.kind for duty in duties for mine in job.duties):
        return True
    servers = Counter(duty.server for one in busy for duty in {duty.server: duty for duty in one.duties}.values())
    stores = Counter(store for one in busy for store in {store for duty in one.duties for store in duty.stores})
    full_servers = {server for server, count in servers.items() if server and count >= places.per_server}
    full_stores = {store for store, count in stores.items() if count >= places.per_store}
    return any(duty.server in full_servers or full_stores & set(duty.stores) for duty in job.duties)


def _is_alone(kind: DutyKind) -> bool:
    """Whether a second one of its kind would only be in the way of the first."""
    return kind not in (DutyKind.BACKUP, DutyKind.DISCOVERY)

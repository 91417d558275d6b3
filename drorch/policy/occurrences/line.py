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


class _Crowd:
    """What runs: it decides what may run beside it."""

    def __init__(self, running: Iterable[Job], places: Places) -> None:
        self._places = places
        self._keys: set[tuple[str, str]] = set()
        self._units: set[str] = set()
        self._kinds: set[DutyKind] = set()
        self._servers: Counter[str] = Counter()
        self._stores: Counter[str] = Counter()
        self.jobs = 0
        self.policies: set[str] = set()
        for job in running:
            self.add(job)

    def add(self, job: Job) -> None:
        """Let it run."""
        duties = job.duties
        self.jobs += 1
        self._units.add(job.unit)
        self.policies |= {duty.policy for duty in duties}
        self._keys |= {duty.key for duty in duties}
        self._kinds |= {duty.kind for duty in duties if _is_alone(duty.kind)}
        self._servers.update({duty.server for duty in duties} - {""})
        self._stores.update({store for duty in duties for store in duty.stores})

    def leaves_room_for(self, job: Job) -> bool:
        """Whether it may run beside what runs."""
        return job.unit not in self._units and all(self._leaves_room_for(duty) for duty in job.duties)

    def _leaves_room_for(self, duty: Duty) -> bool:
        return (
            duty.key not in self._keys
            and duty.kind not in self._kinds
            and self._servers[duty.server] < self._places.per_server
            and all(self._stores[store] < self._places.per_store for store in duty.stores)
        )


def jobs_to_start(waiting: Iterable[Waiting], running: Iterable[Job], places: Places, now: datetime) -> Iterator[Job]:
    """Yield the jobs that may start at ``now``, those that were due first before the others."""
    crowd = _Crowd(running, places)
    line = sorted(waiting, key=lambda one: (one.slot, one.duty.kind.value, one.duty.subject))
    in_line = {one.duty.policy for one in line if one.duty.policy}
    for job in _jobs(line, now):
        if crowd.jobs >= places.in_all:
            return
        duties = job.duties
        if any(_waits_for_others(duty, duties, in_line | crowd.policies) for duty in duties if duty.after):
            continue
        if crowd.leaves_room_for(job):
            crowd.add(job)
            yield job


def _jobs(line: Iterable[Waiting], now: datetime) -> Iterator[Job]:
    """Yield what may start as far as time goes, joined to units; a unit starts when all that wait of it may."""
    units: dict[str, list[Waiting]] = {}
    for one in line:
        units.setdefault(one.duty.unit or f"{one.duty.kind.value}:{one.duty.subject}", []).append(one)
    for unit, members in units.items():
        if all(one.not_before <= now and one.duty.may_start(now) for one in members):
            yield Job(unit=unit, members=tuple(members))


def _waits_for_others(duty: Duty, mates: Sequence[Duty], others: set[str]) -> bool:
    return bool((duty.after - {mate.policy for mate in mates}) & others)


def _is_alone(kind: DutyKind) -> bool:
    """Whether a second one of its kind would only be in the way of the first."""
    return kind not in (DutyKind.BACKUP, DutyKind.DISCOVERY)

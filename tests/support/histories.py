"""Lanes with a past: snapshots at given times, quickly made."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from drorch.clock import Clock
from drorch.format.manifest import Result
from drorch.ids import RunId
from drorch.repository.beginning import RunPlace, begin_run
from drorch.repository.opening import Replica, Repository
from drorch.repository.run_parts import CommittedSnapshot, StreamToStore
from drorch.repository.writer import RunWriter
from drorch.storage.memory import MemoryStore
from tests.support.repositories import Household, counting_random, summary

FIRST_SLOT = datetime(2026, 9, 1, 18, 30, tzinfo=UTC)  # 01:30 of 2 September in Vietnam
DAY = timedelta(days=1)


@dataclass
class SetClock:
    """Shows what it is set to."""

    time: datetime = FIRST_SLOT
    slept: float = 0.0

    def now(self) -> datetime:
        return self.time

    def monotonic_seconds(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@dataclass
class Past:
    """Makes snapshots of one source; ``clock`` is the writer's and ``store_clock`` that of its stores."""

    repository: Repository
    clock: SetClock
    store_clock: SetClock
    household: Household = field(default_factory=Household)
    source: str = "land"
    made: list[CommittedSnapshot] = field(default_factory=list)
    content: dict[RunId, bytes] = field(default_factory=dict)

    def snapshot(
        self,
        at: datetime,
        *,
        slot: datetime | None = None,
        result: Result = Result.COMPLETE,
        repository: Repository | None = None,
        claims: datetime | None = None,
    ) -> CommittedSnapshot:
        """Back up at ``at``, by a writer whose clock says ``claims``."""
        self.store_clock.time, self.clock.time = at, claims or at
        number = len(self.made)
        content = random.Random(f"{self.source} {number}").randbytes(3_000)
        made = store(
            repository or self.repository,
            {"rows": content},
            household=self.household,
            source=self.source,
            clock=self.clock,
            label=f"{self.source} {number}",
            ended=claims or at,
            slot=slot,
            result=result,
        )
        self.made.append(made)
        self.content[made.run] = content
        return made

    def copy(self, stores: Sequence[MemoryStore], store_clock: SetClock) -> Past:
        """Return the same past in other, empty stores; objects keep their dates."""
        replicas = []
        for replica, store in zip(self.repository.replicas, stores, strict=True):
            store._objects = dict(replica.store._objects)  # type: ignore[attr-defined]
            replicas.append(Replica(name=replica.name, store=store))
        return replace(
            self,
            repository=Repository(trust=self.repository.trust, replicas=tuple(replicas)),
            clock=SetClock(self.clock.time),
            store_clock=store_clock,
            made=list(self.made),
            content=dict(self.content),
        )

    def nights(self, count: int, first: datetime = FIRST_SLOT) -> list[CommittedSnapshot]:
        """One scheduled snapshot a day."""
        return [self.snapshot(first + n * DAY + timedelta(minutes=5), slot=first + n * DAY) for n in range(count)]


def store(
    repository: Repository,
    streams: Mapping[str, bytes],
    *,
    household: Household,
    source: str,
    clock: Clock,
    label: str,
    ended: datetime,
    slot: datetime | None,
    result: Result,
) -> CommittedSnapshot:
    """Store ``streams`` as one snapshot with these dates."""
    random_bytes = counting_random(label)
    material = begin_run(
        repository,
        household.host,
        RunPlace(source=source),
        run=RunId(random_bytes(16)),
        cache=None,
        clock=clock,
        random_bytes=random_bytes,
    )
    writer = RunWriter(material, clock=clock, random_bytes=random_bytes, compression_level=1, seal_threads=1)
    with closing(writer):
        for ordinal, (name, content) in enumerate(streams.items()):
            stream = StreamToStore(
                ordinal=ordinal, name=name, kind=2, row_format=0, canonical_columns={}, attributes={}
            )
            writer.store(stream, [content])
        told = summary(source, sum(map(len, streams.values())))
        return writer.commit(
            replace(told, slot=slot, started_at=ended, ended_at=ended, restore_point=ended, result=result)
        )

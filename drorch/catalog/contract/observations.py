"""What was seen in the stores, how far they were read, and what sources are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol


class ObservationKind(Enum):
    """What was seen; each is an alert of the same word."""

    SNAPSHOT_WITHHELD = "snapshot_withheld"
    SNAPSHOT_FOREIGN = "snapshot_foreign"
    LOCK_SHORT = "lock_short"
    SCHEMA_CHANGED = "schema_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What somebody who looked saw there, until whoever looks again does not.

    ``lane`` and ``source`` are empty for what lies beside the lanes, ``store`` for what concerns all of them.
    """

    kind: ObservationKind
    store: str
    lane: str
    source: str
    text: str
    seen_at: datetime  # first


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRecord:
    """What the newest snapshot of a source is made of; ``document`` has the names of its ``tables``."""

    source: str
    snapshot: str
    digest: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingCheck:
    """How far a store was read by checks that go on where the last one ended.

    ``position`` is the place on the circle (``operations.rolling``) in millionths; ``began_at`` is when this round began, ``ended_at`` when the
    last whole one ended.
    """

    store: str
    seed: str
    position: int
    began_at: datetime
    ended_at: datetime | None = None
    checked_at: datetime | None = None

    @property
    def percent(self) -> float:
        """How much of this round was read."""
        return self.position / 10_000


class Observations(Protocol):
    """What those who look at the stores saw there and a person should know."""

    def note_observations(
        self,
        kind: ObservationKind,
        seen: Iterable[Observation],
        *,
        stores: Collection[str],
        lanes: Collection[str] | None = None,
    ) -> None:
        """Make ``seen`` all that is known of ``kind`` in what was looked at: these stores, and of them these lanes (``None``: everything).

        What was known before keeps the time when it was first seen.
        """
        ...

    def rolling_checks(self) -> tuple[RollingCheck, ...]:
        """Return how far each store was read, by store."""
        ...

    def put_rolling_check(self, record: RollingCheck) -> None:
        """Record how far a store was read, in place of what was known."""
        ...

    def observations(self) -> tuple[Observation, ...]:
        """Return all that was seen and is still so, by kind, store and lane."""
        ...

    def put_schema(self, record: SchemaRecord) -> None:
        """Remember what the newest snapshot of a source is made of, in place of the one before."""
        ...

    def schema(self, source: str) -> SchemaRecord | None:
        """Return what the newest snapshot of a source is made of, if it is known."""
        ...

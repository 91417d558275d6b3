"""What to prune, the plan of it, and what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from drorch.errors import (
    DrorchError,
)
from drorch.ids import LaneId, RunId
from drorch.policy.model import Policy
from drorch.policy.retention import Decision
from drorch.policy.standing import Standing
from drorch.repository import sweep_plan
from drorch.repository.chain import ChainLink
from drorch.repository.sweep_plan import SweepPlan
from drorch.repository.sweeper import SweepReport

DIGEST_CHARACTERS = 12
Place = tuple[str, LaneId]


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRequest:
    """What to prune, and by which rules.

    ``wanted``: policies and sources; empty for all. ``exempt`` maps sources of which nothing may go to the reason. ``drilled`` are snapshots that
    passed a drill. ``only_looks``: the plan is for reading, and shows the others also while a store is away. ``stores`` are those to prune, ``None`` for all; of others only the holds are read. ``heads`` is how far lanes were seen to go.
    """

    policies: Mapping[str, Policy]
    wanted: Collection[str] = ()
    exempt: Mapping[str, str] = field(default_factory=dict)
    drilled: Collection[RunId] = ()
    stores: Collection[str] | None = None
    heads: Mapping[Place, int] = field(default_factory=dict)
    only_looks: bool = False
    margin: timedelta = sweep_plan.MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSnapshot:
    """A snapshot and what was decided of it."""

    link: ChainLink
    standing: Standing
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlan:
    """What is to go of one lane in one store. ``retired`` went before; ``doubts`` say why somebody must confirm it.

    ``locked`` are objects that nothing needs and the store still locks, until then: they are left to a later prune.
    """

    store: str
    lane: LaneId
    source: str
    rule: str
    snapshots: tuple[JudgedSnapshot, ...]
    sweep: SweepPlan
    retired: frozenset[RunId]
    objects: int
    size_bytes: int
    doubts: tuple[str, ...]
    locked: Mapping[str, datetime] = field(default_factory=dict, repr=False)

    @property
    def goes(self) -> tuple[JudgedSnapshot, ...]:
        """The snapshots that are given up."""
        return tuple(one for one in self.snapshots if not one.decision.keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneProblem:
    """A lane, or with ``lane`` ``None`` a store, of which nothing is deleted."""

    store: str
    lane: LaneId | None
    error: DrorchError


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePlan:
    """Everything that is to go, and why; made without changing anything."""

    lanes: tuple[LanePlan, ...]
    problems: tuple[PruneProblem, ...]

    @property
    def digest(self) -> str:
        """What ``--confirm`` must name: it changes with every snapshot that is to go."""
        goes = sorted(f"{one.store} {one.lane} {each.link.manifest.run}" for one in self.lanes for each in one.goes)
        return hashlib.sha256("\n".join(goes).encode()).hexdigest()[:DIGEST_CHARACTERS]

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why somebody must confirm the plan; empty when nobody needs to."""
        return tuple(doubt for one in self.lanes for doubt in one.doubts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedLane:
    """What was done in one lane in one store; ``error`` is what broke it off."""

    plan: LanePlan
    report: SweepReport | None
    error: DrorchError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What a prune did."""

    plan: PrunePlan
    lanes: tuple[PrunedLane, ...]

    @property
    def complete(self) -> bool:
        """Whether everything that was to be looked at was, and everything that was to go is gone."""
        return not self.plan.problems and not any(one.error for one in self.lanes)


class Books(Protocol):
    """Keeps what was done and why; see ``prune_books``."""

    def begin(self, lane: LanePlan) -> str:
        """Record what is about to go; return the run's id."""
        ...

    def end(self, run: str, outcome: SweepReport | DrorchError, lane: LanePlan) -> None:
        """Record how it ended."""
        ...

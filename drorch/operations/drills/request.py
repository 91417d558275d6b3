"""What one drill is asked to do, and with what it does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from drorch.clock import Clock
from drorch.evidence.drill_checks import CheckResult
from drorch.evidence.drill_report import Draw, Earlier, Machine, People
from drorch.format.keys import RecipientKey
from drorch.operations.drills.place import DrillPlace
from drorch.operations.drills.scenarios.reached import Reached
from drorch.operations.interruption import Interruption
from drorch.operations.room import Disk
from drorch.policy.model import Policy, SourcePromise
from drorch.policy.restore_tests.model import RestoreTest
from drorch.sandbox.interface import SandboxLimits
from drorch.sources.interface import DatabaseProof, Json, Observer, OpensFiles, ProgramEnd, TreeProof

TIMES_THE_RTO = 3  # a drill that takes longer is stopped, and proves neither


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is told of a store: where it stands, and whether what it holds can be deleted."""

    name: str | None = None
    lock_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRequest:
    """One drill of one source. ``policy_digest`` is of the text in force now; ``before`` is the last drill that came to a verdict."""

    drill: str
    test: RestoreTest
    policy: Policy
    policy_digest: str
    promise: SourcePromise
    people: People
    trigger: str
    scheduled_for: datetime | None
    draw: Draw | None
    before: Earlier | None
    sites: Mapping[str, Site]

    @property
    def rto_seconds(self) -> int:
        """What is promised, by the test or else by the policy."""
        own = self.test.objectives.rto_seconds
        return self.policy.objectives.rto_seconds if own is None else own

    @property
    def rpo_seconds(self) -> int:
        """What is promised, by the test or else by the policy."""
        own = self.test.objectives.rpo_seconds
        return self.policy.objectives.rpo_seconds if own is None else own

    @property
    def timeout_seconds(self) -> int:
        """After so long the drill is stopped."""
        return self.test.timeout_seconds or TIMES_THE_RTO * self.rto_seconds


class Heard(Protocol):
    """Hears how a drill goes on, for people who watch; must be quick and never raise."""

    def reached(self, reached: Reached) -> None:
        """The snapshot was found."""
        ...

    def opened(self, description: str) -> None:
        """The sandbox is there."""
        ...

    def checked(self, result: CheckResult) -> None:
        """A check came to a result."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """With what a drill is done. ``recipient`` releases the key, and raises ``KeyMissing`` or ``KeyWrong`` before anything is started.

    ``reach`` finds the snapshot the way the scenario says. ``verify`` runs the policy's own ``verify`` at an address; ``None`` without one.
    ``room`` looks at the disk on which a throw-away place lies; ``None`` for a scratch server, whose disk is its own. ``stop`` cuts the drill short, and
    no other.
    """

    clock: Clock
    random_bytes: Callable[[int], bytes]
    machine: Machine
    recipient: Callable[[], RecipientKey]
    reach: Callable[[DrillRequest], Reached]
    place: Callable[[Mapping[str, Json], SandboxLimits, SourcePromise], AbstractContextManager[DrillPlace]]
    proof: Callable[[str], DatabaseProof]
    tree: TreeProof
    opener: OpensFiles
    verify: Callable[[str, SourcePromise], ProgramEnd | None]
    room: Callable[[], Disk | None]
    observer: Observer
    heard: Heard
    stop: Interruption

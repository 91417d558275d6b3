"""What a restore drill found, as frozen values: ``operations.drills`` makes them, evidence states and prints them.

Times are aware and UTC, durations whole milliseconds, ``None`` is "not measured", which is never shown as 0. No value holds a row's
content or a secret: of rows only keys, of answers that are compared by digest only the digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from drorch.evidence.drill_checks import CheckResult, Outcome

BY_HAND, SCHEDULE = "by hand", "schedule"  # what began a drill; by schedule nobody attends


class Verdict(Enum):
    """What a drill proved; the value is the word in every file. Missed objectives are beside it: ``DrillReport.objectives_met``."""

    PASS = "pass"  # noqa: S105 - a verdict
    PASS_WITH_FINDINGS = "pass_with_findings"  # noqa: S105 - a verdict
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Selection(Enum):
    """How the snapshot was chosen."""

    LATEST = "latest"
    NAMED = "named"
    RANDOM = "random"  # by a seed that was committed to the ledger before
    BEFORE_CUT_OVER = "before_cut_over"


class Scenario(Enum):
    """What is taken to have happened."""

    SINGLE_DATABASE = "single_database"
    ONE_TABLE = "one_table"
    FIRST_STORE_LOST = "first_store_lost"
    BAD_CUT_OVER = "bad_cut_over"
    COLD_START = "cold_start"
    CUSTODIANS = "custodians"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyUsed:
    """What was promised, and the text that promises it. Digests are SHA-256 in hexadecimal."""

    name: str
    text_digest: str
    description: str
    security_level: int
    owner: str
    custodian: str | None
    successors: tuple[str, ...]
    legal_basis: tuple[str, ...]
    classification: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestUsed:
    """The restore test that was run, with the digest of its text, and what it leaves out and why (check -> reason)."""

    __test__ = False  # for pytest: this is no test class

    name: str
    text_digest: str
    schedule: str | None
    trigger: str  # ``BY_HAND``, ``SCHEDULE``
    scheduled_for: datetime | None
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A draw by lot that anybody can repeat; the commitment was in the ledger before the draw."""

    seed: str
    list_digest: str
    candidates: int
    excluded: Mapping[str, str]  # source -> why it could not be drawn
    drawn: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotUsed:
    """The snapshot that was restored, and the copy that it was read from."""

    id: str
    source: str
    selection: Selection
    draw: Draw | None
    restore_point: datetime
    taken_at: datetime
    manifest_digest: str
    engine: str
    engine_version: str
    tables: int
    rows: int
    size_bytes: int
    things: str  # what ``tables`` counts: "tables" or "files"
    store: str
    site: str | None
    immutable_until: datetime | None
    packs: int
    chunks: int
    read_bytes: int
    recipient_key: str
    trust_root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxUsed:
    """Where it was restored to. ``isolation`` and ``wiped`` are sentences, one for each thing that was looked at."""

    kind: str  # "throw-away PostgreSQL", "directory", or the name of a scratch server
    engine_version: str
    is_throw_away: bool
    isolation: tuple[str, ...]
    wiped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine and the program that drilled. ``roles`` of one machine that holds all are a fact that readers must see."""

    host: str
    roles: tuple[str, ...]
    tool_version: str
    tool_digest: str
    clock_offset_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Who took part, by their names in ``people:``; who signs is a matter of keys and comes later."""

    operator: str | None
    verifier: str | None
    observers: tuple[str, ...]
    custodians: tuple[str, ...]
    quorum: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One point of the timeline: declared, located, key_released, sandbox_ready, restored, verified, cleaned."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One objective: what was promised, what was measured, or why it was not."""

    target_ms: int
    actual_ms: int | None
    not_measured: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the promise was kept; ``None`` when nothing was measured."""
        return None if self.actual_ms is None else self.actual_ms <= self.target_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The last drill of the same source that came to a verdict; ``same_findings`` are those that are here again."""

    drill: str
    at: datetime
    verdict: Verdict
    rto_ms: int | None
    same_findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many sources were restored by a drill within the period, this one included."""

    within_days: int
    drilled: int
    sources: int
    next_due: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillReport:
    """Everything that one drill of one source found. ``summary`` answers in one sentence."""

    version: int
    drill: str  # ULID
    scenario: Scenario
    verdict: Verdict
    summary: str
    source: str
    system_name: str
    policy: PolicyUsed
    test: TestUsed
    people: People
    snapshot: SnapshotUsed | None  # ``None``: none was found
    sandbox: SandboxUsed | None
    machine: Machine
    timeline: tuple[Moment, ...]
    checks: tuple[CheckResult, ...]
    rto: Measured
    rpo: Measured
    newest_record: str | None
    before: Earlier | None
    coverage: Coverage | None

    @property
    def declared_at(self) -> datetime:
        """When the drill began."""
        return self.timeline[0].at

    @property
    def objectives_met(self) -> bool | None:
        """Whether both promises were kept; ``None`` when one was not measured and none was missed."""
        met = (self.rto.is_met, self.rpo.is_met)
        return False if False in met else None if None in met else True

    @property
    def findings(self) -> tuple[str, ...]:
        """Everything that somebody should look at, one sentence each; those of failed checks first."""
        order = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.FINDING)
        return tuple(
            text for outcome in order for check in self.checks if check.outcome is outcome for text in check.told
        )

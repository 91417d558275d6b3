"""The values that the catalog keeps: frozen, with aware times that are kept to the millisecond.

Ids are text in the one form that ``drorch.ids`` gives them; digests and lanes are hexadecimal. ``host`` is a
name that no two machines share, and ``process_started`` is what ``catalog.liveness`` says of a process: with
``pid`` it names one process for ever, whatever pid is used again later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Self

from drorch.errors import Bug, DrorchError, Interrupted, Terminated
from drorch.policy.occurrences.states import OccurrenceState


class RunState(Enum):
    """How a run stands. ``RUNNING`` is the only state that changes, and it changes once."""

    RUNNING = "running"
    COMPLETE = "complete"
    PARTIAL = "partial"  # not everything, or not in every store: exit code 3
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # by a person or by the system, in good order
    CRASHED = "crashed"  # its process is gone and said nothing; somebody else noticed
    VOID = "void"  # a later run, or the sweeper, won: its manifest does not count

    def may_become(self, other: RunState) -> bool:
        """Tell whether a run in this state may go over to ``other``."""
        return self is RunState.RUNNING and other is not RunState.RUNNING


class SnapshotResult(Enum):
    """A partial snapshot never counts for an RPO and is never ``latest:``."""

    COMPLETE = "complete"
    PARTIAL = "partial"


class CopyState(Enum):
    """What one store holds of one snapshot, as far as it was last seen."""

    COMPLETE = "complete"
    ABSENT = "absent"
    DAMAGED = "damaged"
    BEHIND = "behind"  # not all of its objects are there yet; a copy of the store catches up


class SourceState(Enum):
    """A source's life: only ``ACTIVE`` and ``GONE`` have a schedule and an RPO."""

    ACTIVE = "active"
    GONE = "gone"  # discovery has seen it and sees it no longer
    CLOSED = "closed"  # final snapshot taken, drilled and held
    RETIRED = "retired"


class Severity(Enum):
    """How an event is to be read."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """How a run ended; refuses ``RUNNING``. The error fields are those of a ``DrorchError``."""

    state: RunState
    ended_at: datetime
    snapshot: str | None = None
    bytes_read: int = 0
    bytes_stored: int = 0
    rows: int = 0
    tables: int = 0
    error_slug: str | None = None
    error_code: int | None = None
    error_message: str | None = None
    hint: str | None = None

    def __post_init__(self) -> None:
        if not RunState.RUNNING.may_become(self.state):
            raise Bug("a run cannot end in the state it began in", found=self.state.value)

    @classmethod
    def of_error(cls, error: DrorchError, *, ended_at: datetime, bytes_read: int = 0, bytes_stored: int = 0) -> Self:
        """Return the outcome of a run that ``error`` ended: ``INTERRUPTED`` by a signal, otherwise ``FAILED``."""
        by_signal = isinstance(error, Interrupted | Terminated)
        return cls(
            state=RunState.INTERRUPTED if by_signal else RunState.FAILED,
            ended_at=ended_at,
            bytes_read=bytes_read,
            bytes_stored=bytes_stored,
            error_slug=error.slug,
            error_code=error.exit_code,
            error_message=error.message,
            hint=error.hint or None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One attempt to do something with one source. What follows ``state`` is known only when it has ended."""

    run_id: str
    source: str
    policy: str
    operation: str  # the command's word: backup, restore, verify, ...
    started_at: datetime
    policy_digest: str
    host: str
    pid: int
    process_started: str
    slot: datetime | None = None  # the scheduled occurrence; None when run by hand
    state: RunState = RunState.RUNNING
    ended_at: datetime | None = None
    snapshot: str | None = None
    bytes_read: int = 0
    bytes_stored: int = 0
    rows: int = 0
    tables: int = 0
    error_slug: str | None = None
    error_code: int | None = None
    error_message: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRecord:
    """One committed snapshot, as its manifest says. Its id is that of the run that made it.

    Of what had changed, ``delta_bytes`` were stored as deltas and ``new_bytes`` in full, of which a larger base cache would have made
    ``missed_bytes`` deltas; ``None`` where only the run knew it.
    """

    snapshot: str
    lane: str
    sequence: int
    manifest_digest: str
    source: str
    policy: str
    engine: str
    restore_point: datetime
    started_at: datetime
    ended_at: datetime
    result: SnapshotResult
    bytes_read: int
    bytes_stored: int
    rows: int
    tables: int
    policy_digest: str
    delta_bytes: int | None = None
    new_bytes: int | None = None
    missed_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRecord:
    """What one store holds of one snapshot; ``stored_at`` is ``None`` while it is not complete there."""

    snapshot: str
    store: str
    state: CopyState
    stored_at: datetime | None
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """Something that happened and that somebody may want to know later. ``details`` is JSON, without secrets."""

    at: datetime
    kind: str
    severity: Severity
    message: str
    run_id: str | None = None
    source: str | None = None
    details: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line that a run wrote."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyText:
    """The exact text of a policy; ``digest`` is the SHA-256 of its UTF-8 bytes."""

    digest: str
    name: str
    text: str
    first_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """Where a source stands in its life and which writer it belongs to. ``address`` is ``POLICY`` or ``POLICY/NAME``."""

    address: str
    policy: str
    lane: str
    generation: int
    machine_id: str
    first_used_at: datetime
    state: SourceState
    last_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDatabase:
    """A database that a server named when it was asked for ``asked_by``, a policy; ``gone_at`` is when it first did not any more."""

    asked_by: str
    server: str
    name: str
    first_seen_at: datetime
    last_seen_at: datetime
    gone_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneHead:
    """The newest manifest of a lane that was ever seen in a store."""

    store: str
    lane: str
    sequence: int
    manifest_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreContact:
    """When a store last answered this installation, and when it last did not; ``failure`` says how."""

    store: str
    answered_at: datetime | None = None
    failed_at: datetime | None = None
    failure: str = ""

    @property
    def is_away(self) -> bool:
        """Whether it failed after it last answered."""
        return self.failed_at is not None and (self.answered_at is None or self.answered_at < self.failed_at)


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
class SourceClaim:
    """Who works on a source now. It ends with its run, by release, or with its process."""

    source: str
    run_id: str
    operation: str
    host: str
    pid: int
    process_started: str
    claimed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonRecord:
    """The daemon of one host. Every occurrence up to ``accounted_until`` that it had promised has a record.

    ``epoch`` grows when the clock was set back so far that hours come again. ``stopped_at`` is ``None`` while it runs, or
    when it was killed: ``heartbeat_at`` says when it last lived.
    """

    host: str
    pid: int
    process_started: str
    epoch: int
    started_at: datetime
    accounted_until: datetime
    heartbeat_at: datetime
    stopped_at: datetime | None = None
    next_at: datetime | None = None  # when the next occurrence falls due
    trouble: str = ""  # what is the matter with its configuration, in one line


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyRecord:
    """What the daemon of a host promised since ``since``: the text that computes its occurrences. ``ended_at`` is ``None`` while it holds."""

    host: str
    kind: str
    subject: str
    policy: str
    promise: str
    since: datetime
    schedule: str
    zone: str
    spread_seconds: int
    offset_seconds: int
    window: str
    blackouts: str
    ended_at: datetime | None = None
    reason: str = ""  # why it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceRecord:
    """One occurrence, or ``count`` of one duty from ``slot`` to ``last_slot`` that nobody ran for one reason."""

    host: str
    kind: str
    subject: str
    epoch: int
    slot: datetime
    policy: str
    state: OccurrenceState
    queued_at: datetime
    last_slot: datetime
    count: int = 1
    reason: str = ""
    attempts: int = 0
    not_before: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    run_id: str | None = None
    error_slug: str | None = None

    @property
    def key(self) -> tuple[str, str, str, int, datetime]:
        """What tells it from all others."""
        return self.host, self.kind, self.subject, self.epoch, self.slot


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRecord:
    """One restore drill of one source, as far as lists need it; ``document`` is the whole report (``evidence.drill_document``).

    ``verdict`` is a word of ``evidence.drill_report.Verdict``; ``objectives`` is ``met``, ``missed`` or ``not_measured``.
    """

    drill: str
    source: str
    policy: str
    test: str
    scenario: str
    trigger: str
    snapshot: str | None
    store: str | None
    verdict: str
    objectives: str
    declared_at: datetime
    ended_at: datetime
    scheduled_for: datetime | None
    rto_ms: int | None
    rpo_ms: int | None
    operator: str | None
    verifier: str | None
    summary: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillSignature:
    """Somebody's word on a drill; ``role`` is ``operator``, ``verifier`` or ``machine``."""

    drill: str
    person: str
    role: str
    signed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """Something that is wrong since ``opened_at``. ``told`` says when each notification was told of it (by name, as text)."""

    code: str
    subject: str
    policy: str
    severity: Severity
    text: str
    opened_at: datetime
    told: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others."""
        return self.code, self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBook:
    """Every alert that is open, and how often the book was written: what is written next must know the number."""

    edition: int
    alerts: tuple[AlertRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """A message to one notification. It stays to be sent until ``ended_at``; ``trouble`` is why the last try failed."""

    message: str  # its id: the same message is never put twice
    target: str
    created_at: datetime
    title: str
    body: str
    not_before: datetime
    attempts: int = 0
    trouble: str = ""
    is_delivered: bool = False
    ended_at: datetime | None = None
    claimed_until: datetime | None = None

"""Runs, their log lines, and events: what happened."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Protocol, Self

from drorch.errors import Bug, DrorchError, Interrupted, Terminated

LOG_LINES_KEPT = 500  # of each run, the last ones; field.md


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


class IsAlive(Protocol):
    """Tells whether the process that ``pid`` and ``process_started`` name still runs on this machine; quick."""

    def __call__(self, pid: int, process_started: str, /) -> bool:
        """Return ``True`` in doubt: a claim is taken over only from a process that is surely gone."""
        ...


class History(Protocol):
    """Runs, their log lines, and events."""

    def begin_run(self, run: RunRecord) -> None:
        """Record a run that begins; raise ``Bug`` when its id is known or its state is not ``RUNNING``."""
        ...

    def end_run(self, run_id: str, outcome: RunOutcome) -> RunRecord:
        """Record how the run ended and release what it had claimed; raise ``Bug`` unless it is ``RUNNING``."""
        ...

    def recognise_crashed_runs(self, *, host: str, is_alive: IsAlive, now: datetime) -> tuple[RunRecord, ...]:
        """Mark as ``CRASHED`` every running run of ``host`` whose process is gone, release its claims, return them.

        Of several processes that look at once, each run is returned to exactly one. Runs of other hosts
        are left alone: their processes cannot be seen from here.
        """
        ...

    def run(self, run_id: str) -> RunRecord | None:
        """Return the run, or ``None``."""
        ...

    def find_run(self, prefix: str) -> RunRecord:
        """Return the one run whose id starts with ``prefix``; raise ``UsageInvalid``, naming the candidates."""
        ...

    def runs(
        self,
        *,
        source: str | None = None,
        policy: str | None = None,
        operation: str | None = None,
        states: Collection[RunState] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> tuple[RunRecord, ...]:
        """Return the runs that fit every filter given, newest start first; empty ``states`` means any."""
        ...

    def newest_run_by_source(self, *, operation: str) -> Mapping[str, RunRecord]:
        """Return the run of ``operation`` that started last, for every source that ever had one."""
        ...

    def bad_tries_by_source(self, *, operation: str, ignoring: Collection[str] = ()) -> Mapping[str, int]:
        """Return for every source how many runs ended badly after its last good one; zero is left out.

        ``COMPLETE`` and ``PARTIAL`` are good; errors whose slug is among ``ignoring`` do not count.
        """
        ...

    def append_log(self, run_id: str, lines: Iterable[LogLine]) -> None:
        """Add to the run's log and keep its last ``LOG_LINES_KEPT`` lines; raise ``Bug`` when the run is unknown."""
        ...

    def log_lines(self, run_id: str) -> tuple[LogLine, ...]:
        """Return what is kept of the run's log, in the order written."""
        ...

    def record_event(self, event: EventRecord) -> None:
        """Record that something happened."""
        ...

    def events(
        self,
        *,
        source: str | None = None,
        run_id: str | None = None,
        kinds: Collection[str] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> tuple[EventRecord, ...]:
        """Return the events that fit every filter given, newest first."""
        ...

    def purge_history(self, before: datetime) -> int:
        """Forget runs that ended and events that happened before then; return how many runs were forgotten.

        Running runs, snapshots, copies, heads, sources and policy texts stay. Occurrences that ended before then go.
        """
        ...

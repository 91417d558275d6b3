"""What daemons promised, and what became of each occurrence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from drorch.policy.occurrences.states import OccurrenceState


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


class Occurrences(Protocol):
    """What daemons promised, and what became of each occurrence."""

    def daemons(self) -> tuple[DaemonRecord, ...]:
        """Return the daemon of every host that ever had one, by host."""
        ...

    def put_daemon(self, record: DaemonRecord) -> None:
        """Record how the daemon of a host stands, in place of what was known."""
        ...

    def duties(self, *, host: str | None = None, in_force: bool = True) -> tuple[DutyRecord, ...]:
        """Return what daemons promise (promised, without ``in_force``), the oldest promise first."""
        ...

    def change_duties(self, host: str, *, ended: Sequence[DutyRecord], begun: Sequence[DutyRecord]) -> None:
        """End the promises of the duties ``ended`` names, with their ``ended_at`` and ``reason``, and begin others; in one step."""
        ...

    def account(self, daemon: DaemonRecord, occurrences: Sequence[OccurrenceRecord]) -> None:
        """Record occurrences and how far the daemon has accounted for them, in one step; raises as ``put_occurrences``."""
        ...

    def put_occurrences(self, occurrences: Sequence[OccurrenceRecord]) -> None:
        """Record occurrences, in place of what was known; raise ``Bug`` when one of them had ended: it ends once."""
        ...

    def open_occurrences(self, host: str) -> tuple[OccurrenceRecord, ...]:
        """Return the occurrences of a host that have not ended, those due first before the others."""
        ...

    def occurrences(
        self,
        *,
        subject: str | None = None,
        policy: str | None = None,
        kinds: Collection[str] = (),
        states: Collection[OccurrenceState] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> tuple[OccurrenceRecord, ...]:
        """Return the occurrences that fit every filter given, latest first; empty ``kinds`` and ``states`` mean any."""
        ...

    def occurrences_not_entered(self, host: str) -> tuple[OccurrenceRecord, ...]:
        """Return the occurrences of a host that have ended and that nobody has marked as entered into the ledger, by their end."""
        ...

    def mark_entered(self, occurrences: Sequence[OccurrenceRecord]) -> None:
        """Record that the ledger has them."""
        ...

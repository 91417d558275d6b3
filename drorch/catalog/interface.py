"""The contract between drorch and the catalog: what happened and what exists.

The catalog is a convenience. Everything that a restore needs is in the stores; ``catalog rebuild`` makes the
listing again from there. Two things are only here, and are worth keeping: history, and the heads that
say how far each lane had come (what a store could otherwise hide).

Promises that every implementation keeps and ``tests/contract/test_catalog.py`` checks:

* *Durable when it returns*, and all or nothing: a process killed at any moment leaves each call done or not done.
* *Many processes and threads* may write at once; a call waits its turn for a bounded time, then raises.
* *Only our errors* leave: ``CatalogError`` when the catalog cannot be read or written (full, read-only, corrupt,
  locked, unreachable), ``Bug`` when the caller breaks the contract (an unknown run, a run ended twice).
* *Text is kept in NFC*: names that differ only in how Vietnamese letters are composed are the same name. Policy
  texts are kept to the byte. Times are kept to the millisecond.
* *Newest first* is the order of every listing, and it is total: equal times are ordered by id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from drorch.catalog.records import (
    AlertBook,
    AlertRecord,
    CopyRecord,
    CopyState,
    DaemonRecord,
    DrillRecord,
    DrillSignature,
    DutyRecord,
    EventRecord,
    LaneHead,
    LogLine,
    MessageRecord,
    Observation,
    ObservationKind,
    OccurrenceRecord,
    PolicyText,
    RollingCheck,
    RunOutcome,
    RunRecord,
    RunState,
    SchemaRecord,
    SeenDatabase,
    Severity,
    SnapshotRecord,
    SnapshotResult,
    SourceClaim,
    SourceRecord,
    SourceState,
    StoreContact,
)
from drorch.policy.occurrences.states import OccurrenceState

__all__ = [
    "LOG_LINES_KEPT",
    "AlertBook",
    "AlertRecord",
    "Catalog",
    "CopyRecord",
    "CopyState",
    "DaemonRecord",
    "DrillRecord",
    "DrillSignature",
    "DutyRecord",
    "EventRecord",
    "IsAlive",
    "LaneHead",
    "LogLine",
    "MessageRecord",
    "Observation",
    "ObservationKind",
    "OccurrenceRecord",
    "OccurrenceState",
    "PolicyText",
    "RollingCheck",
    "RunOutcome",
    "RunRecord",
    "RunState",
    "SchemaRecord",
    "SeenDatabase",
    "Severity",
    "SnapshotRecord",
    "SnapshotResult",
    "SourceClaim",
    "SourceRecord",
    "SourceState",
    "StoreContact",
]

LOG_LINES_KEPT = 500  # of each run, the last ones; field.md


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


class Listing(Protocol):
    """Snapshots, their copies, and the heads of lanes."""

    def record_snapshot(self, snapshot: SnapshotRecord, copies: Sequence[CopyRecord] = ()) -> None:
        """Record a committed snapshot with its copies; recording it again replaces what was said of it."""
        ...

    def record_copy(self, copy: CopyRecord) -> None:
        """Record what a store holds of a snapshot, in place of what was known; raise ``Bug`` if it is unknown."""
        ...

    def snapshots(
        self, *, source: str | None = None, policy: str | None = None, limit: int | None = None
    ) -> tuple[SnapshotRecord, ...]:
        """Return the snapshots that fit every filter given, newest restore point first."""
        ...

    def copies(self, *, of: Collection[str] | None = None, store: str | None = None) -> tuple[CopyRecord, ...]:
        """Return the copies that fit, ordered by snapshot and store; ``of`` are snapshot ids, ``None`` means all."""
        ...

    def find_snapshot(self, prefix: str) -> SnapshotRecord:
        """Return the one snapshot whose id starts with ``prefix``; raise ``SnapshotUnknown``, naming the candidates."""
        ...

    def newest_good(self, source: str, *, before: datetime | None = None) -> SnapshotRecord | None:
        """Return the newest complete snapshot with a complete copy somewhere, its restore point not after ``before``."""
        ...

    def newest_good_by_source(self, *, skip: int = 0) -> Mapping[str, SnapshotRecord]:
        """Return ``newest_good`` of every source that has one; with ``skip`` the one so many good ones before it."""
        ...

    def last_contact_by_store(self) -> Mapping[str, datetime]:
        """Return for every store when a snapshot was last stored there whole."""
        ...

    def replace_listing(
        self,
        snapshots: Iterable[SnapshotRecord],
        copies: Iterable[CopyRecord],
        *,
        stores: Collection[str] | None = None,
    ) -> None:
        """Replace snapshots and copies by what was read from the stores (``catalog rebuild``), in one step.

        ``stores`` names those that could be read: what is recorded of other stores stays, and a snapshot
        stays while one of them holds it. ``None`` replaces everything. Heads stay in any case.
        """
        ...

    def remember_head(self, head: LaneHead) -> None:
        """Remember the newest manifest seen of a lane in a store.

        Raises ``ChainBroken`` and changes nothing when the lane is shorter than it was (cut) or has another
        manifest under the same number (fork). That the new head descends from the old is the caller's to check.
        """
        ...

    def heads(self, *, store: str | None = None, lane: str | None = None) -> tuple[LaneHead, ...]:
        """Return the remembered heads that fit, ordered by store and lane."""
        ...

    def note_contact(self, store: str, *, at: datetime, failure: str | None = None) -> None:
        """Remember that the store answered ``at`` that time, or with ``failure`` that it did not; the later word of each kind counts."""
        ...

    def contacts(self) -> tuple[StoreContact, ...]:
        """Return every store that was ever asked, by name."""
        ...


class Sources(Protocol):
    """Policy texts, sources, and who works on a source now."""

    def remember_policy(self, policy: PolicyText) -> None:
        """Remember that this text was in force under this name; raise ``Bug`` if the digest is not that of the text."""
        ...

    def policy_text(self, digest: str) -> PolicyText | None:
        """Return the text of that digest with the name and time it was first seen, or ``None``."""
        ...

    def policy_at(self, name: str, moment: datetime) -> PolicyText | None:
        """Return the text that was in force under ``name`` at ``moment`` and since when, or ``None``."""
        ...

    def put_source(self, record: SourceRecord) -> None:
        """Record where a source stands, in place of what was known of it."""
        ...

    def source(self, address: str) -> SourceRecord | None:
        """Return what is known of the source, or ``None``."""
        ...

    def sources(self, *, policy: str | None = None) -> tuple[SourceRecord, ...]:
        """Return the known sources, by address."""
        ...

    def record_databases(self, asked_by: str, server: str, names: Collection[str], *, at: datetime) -> None:
        """Record what a server named when it was asked for ``asked_by``: what it named before and does not now is gone.

        A database that comes back is there again. Only for an answer; a server that could not be asked says nothing.
        """
        ...

    def seen_databases(self, *, asked_by: str | None = None) -> tuple[SeenDatabase, ...]:
        """Return every database that was ever named, those that are gone included, by ``asked_by`` and name."""
        ...

    def rename_source(self, address: str, was: str) -> None:
        """Record that ``address`` goes on in the lane of ``was``; raise ``Bug`` when either is not as it must be.

        ``was`` must be known and is retired by it; ``address`` must be new.
        """
        ...

    def former_names(self) -> Mapping[str, str]:
        """Return for each source that was renamed the name from which its lane is derived: its first."""
        ...

    def claim_source(self, claim: SourceClaim, *, is_alive: IsAlive) -> None:
        """Take the source for one run; raise ``NothingDone``, saying who holds it and since when.

        A claim of the same host whose process is gone is taken over; that of another host is held until released.
        """
        ...

    def release_source(self, source: str, run_id: str) -> None:
        """End the claim of that run; no error when there is none."""
        ...

    def claims(self) -> tuple[SourceClaim, ...]:
        """Return every claim, by source; the processes of some may be gone."""
        ...


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

    def newest_occurrences(self, *, kind: str, states: Collection[OccurrenceState]) -> tuple[OccurrenceRecord, ...]:
        """Return of every subject the latest occurrence of ``kind`` in one of ``states``, by subject."""
        ...


class Drills(Protocol):
    """Restore drills and who signed them. The stores hold the evidence; this is for lists, comparison and coverage."""

    def record_drill(self, record: DrillRecord) -> None:
        """Record a drill that came to a verdict; recording it again replaces what was said of it."""
        ...

    def drills(
        self,
        *,
        source: str | None = None,
        policy: str | None = None,
        test: str | None = None,
        verdicts: Collection[str] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> tuple[DrillRecord, ...]:
        """Return the drills that fit every filter given, newest first; empty ``verdicts`` means any."""
        ...

    def find_drill(self, prefix: str) -> DrillRecord:
        """Return the one drill whose id starts with ``prefix``, in either case; raise ``UsageInvalid``, naming the candidates."""
        ...

    def newest_drill_by_source(self, *, verdicts: Collection[str] = ()) -> Mapping[str, DrillRecord]:
        """Return the newest drill of every source that had one, of those with one of ``verdicts``."""
        ...

    def record_drill_signature(self, signature: DrillSignature) -> None:
        """Record that somebody signed a drill; signing again replaces the time."""
        ...

    def drill_signatures(self, of: Collection[str]) -> tuple[DrillSignature, ...]:
        """Return who signed these drills, by drill, role and person."""
        ...


class Alerts(Protocol):
    """What is wrong, who was told of it, and the messages that are still to be sent."""

    def alert_book(self) -> AlertBook:
        """Return every open alert, by code and subject, and the edition of the book."""
        ...

    def change_alerts(
        self,
        edition: int,
        alerts: Sequence[AlertRecord],
        messages: Sequence[MessageRecord],
        events: Sequence[EventRecord] = (),
    ) -> bool:
        """Make ``alerts`` the open ones and put messages and events, in one step.

        Returns ``False``, with nothing changed, when the book was written since ``edition`` was read. A message whose id is
        known is not put again.
        """
        ...

    def waiting_messages(self) -> tuple[MessageRecord, ...]:
        """Return the messages that have not ended, the oldest first."""
        ...

    def message(self, message: str) -> MessageRecord | None:
        """Return the message of that id, or ``None``."""
        ...

    def claim_message(self, message: str, *, until: datetime, now: datetime) -> bool:
        """Take a message that waits for one try; ``False`` when somebody else has it or it has ended. A claim that ran out counts no more."""
        ...

    def put_message(self, record: MessageRecord) -> None:
        """Record how a try ended, in place of what was known."""
        ...

    def purge_messages(self, before: datetime) -> int:
        """Forget messages that ended before then; return how many."""
        ...


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


class Catalog(Alerts, Drills, History, Listing, Observations, Occurrences, Sources, Protocol):
    """Everything. See the module's promises."""

    @property
    def address(self) -> str:
        """What is shown to people: a file, or ``postgresql://...`` without a password."""
        ...

    def close(self) -> None:
        """Release connections; the catalog is not used afterwards."""
        ...

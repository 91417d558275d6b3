"""What stays in the catalog of a backup: the run whatever becomes of it, the snapshot, its copies and what was seen on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from drorch.catalog.interface import (
    Catalog,
    CopyRecord,
    CopyState,
    IsAlive,
    LaneHead,
    PolicyText,
    RunOutcome,
    RunRecord,
    RunState,
    SnapshotRecord,
    SnapshotResult,
    SourceClaim,
)
from drorch.clock import Clock
from drorch.errors import PARTIAL, Bug, CatalogError, DrorchError
from drorch.ids import Digest, RunId
from drorch.operations import contacts, observing
from drorch.operations.back_up import BackupReport
from drorch.operations.machine import Machine
from drorch.operations.protection import Protection
from drorch.operations.run_log import RunLog, error_lines
from drorch.quantities import counted, format_duration, format_size

OPERATION = "backup"
_PARTIAL = "partial"  # stands where an error's word would: there is a snapshot, and it counts for nothing


class BackupBooks:
    """Keeps the books of this machine's backups; for several threads."""

    def __init__(self, *, catalog: Catalog, machine: Machine, is_alive: IsAlive, clock: Clock) -> None:
        self._catalog = catalog
        self._machine = machine
        self._is_alive = is_alive
        self._clock = clock
        self._prepared: set[Digest] = set()

    def prepare(self, protection: Protection) -> None:
        """Do what is needed once for all sources of a policy."""
        if protection.policy_digest in self._prepared:
            return
        now = self._clock.now()
        self._catalog.recognise_crashed_runs(host=self._machine.host, is_alive=self._is_alive, now=now)
        self._catalog.remember_policy(
            PolicyText(
                digest=str(protection.policy_digest),
                name=protection.policy,
                text=protection.policy_text,
                first_seen_at=now,
            )
        )
        self._prepared.add(protection.policy_digest)

    def claim(self, protection: Protection, run: RunId) -> None:
        """Record that the run begins, and claim its source for it; raise ``NothingDone`` when another run holds the source."""
        machine, now = self._machine, self._clock.now()
        self._catalog.begin_run(self._record_of(protection, str(run), now))
        self._catalog.claim_source(
            SourceClaim(
                source=protection.address,
                run_id=str(run),
                operation=OPERATION,
                host=machine.host,
                pid=machine.pid,
                process_started=machine.process_started,
                claimed_at=now,
            ),
            is_alive=self._is_alive,
        )

    def end(self, run: RunId, error: DrorchError, log: RunLog) -> None:
        """Record why there is no snapshot. A run that this cannot be said of is found as crashed later on; what ended it must be told."""
        with suppress(CatalogError, Bug):  # ``Bug``: it was interrupted before its beginning stood in the catalog
            self._catalog.end_run(str(run), RunOutcome.of_error(error, ended_at=self._clock.now()))
            log.tell_error(error)

    def keep(self, protection: Protection, report: BackupReport, log: RunLog) -> None:
        """Record the snapshot that exists now."""
        try:
            self._record(protection, report)
            log.say(*_ending(report))
        except DrorchError as error:
            error.still_good = f"{where_it_stands(report)} Only the catalog does not know it: `drorch catalog rebuild`."
            raise

    def fail(self, protection: Protection, run: RunId, error: DrorchError) -> None:
        """Record a run that failed before it could begin: its server was found silent by others, or there is no room."""
        self.prepare(protection)
        self._catalog.begin_run(self._record_of(protection, str(run), self._clock.now()))
        self._catalog.end_run(str(run), RunOutcome.of_error(error, ended_at=self._clock.now()))

    def _record(self, protection: Protection, report: BackupReport) -> None:
        snapshot = report.snapshot
        self._catalog.record_snapshot(_snapshot_record(protection, report), self._copies(report))
        if report.schema is not None and not report.incomplete:
            observing.note_schema(
                self._catalog,
                report.schema,
                source=protection.address,
                lane=snapshot.lane,
                snapshot=snapshot.run,
                now=self._clock.now(),
            )
        contacts.note(self._catalog, self._clock, answered=snapshot.copies, failed=report.dropped)
        for name in snapshot.copies:
            self._catalog.remember_head(
                LaneHead(
                    store=name,
                    lane=str(snapshot.lane),
                    sequence=snapshot.sequence,
                    manifest_digest=str(snapshot.manifest_digest),
                )
            )
        self._catalog.end_run(str(snapshot.run), _outcome(report, self._clock))

    def _copies(self, report: BackupReport) -> list[CopyRecord]:
        """Return a record for each store of the policy: complete, or behind."""
        complete = [self._copy(report, name, CopyState.COMPLETE) for name in report.snapshot.copies]
        return complete + [self._copy(report, name, CopyState.BEHIND) for name in report.dropped]

    def _copy(self, report: BackupReport, store: str, state: CopyState) -> CopyRecord:
        complete = state is CopyState.COMPLETE
        return CopyRecord(
            snapshot=str(report.snapshot.run),
            store=store,
            state=state,
            stored_at=self._clock.now() if complete else None,
            size_bytes=report.snapshot.pack_bytes if complete else 0,
        )

    def _record_of(self, protection: Protection, run: str, now: datetime) -> RunRecord:
        return RunRecord(
            run_id=run,
            source=protection.address,
            policy=protection.policy,
            operation=OPERATION,
            started_at=now,
            policy_digest=str(protection.policy_digest),
            host=self._machine.host,
            pid=self._machine.pid,
            process_started=self._machine.process_started,
            slot=protection.slot,
        )


def _snapshot_record(protection: Protection, report: BackupReport) -> SnapshotRecord:
    snapshot = report.snapshot
    return SnapshotRecord(
        snapshot=str(snapshot.run),
        lane=str(snapshot.lane),
        sequence=snapshot.sequence,
        manifest_digest=str(snapshot.manifest_digest),
        source=protection.address,
        policy=protection.policy,
        engine=str(report.facts.get("engine", "")),
        restore_point=report.restore_point,
        started_at=report.started_at,
        ended_at=report.ended_at,
        result=SnapshotResult.PARTIAL if report.incomplete else SnapshotResult.COMPLETE,
        bytes_read=report.bytes_read,
        bytes_stored=snapshot.pack_bytes,
        rows=report.rows,
        tables=report.tables,
        policy_digest=str(protection.policy_digest),
        delta_bytes=snapshot.totals.delta_bytes,
        new_bytes=snapshot.totals.new_bytes,
        missed_bytes=snapshot.totals.missed_bytes,
    )


def _outcome(report: BackupReport, clock: Clock) -> RunOutcome:
    snapshot = report.snapshot
    return RunOutcome(
        state=RunState.COMPLETE if report.complete else RunState.PARTIAL,
        ended_at=clock.now(),
        snapshot=str(snapshot.run),
        bytes_read=report.bytes_read,
        bytes_stored=snapshot.bytes_stored,
        rows=report.rows,
        tables=report.tables,
        error_slug=_PARTIAL if report.incomplete else None,
        error_code=PARTIAL if report.incomplete else None,
        error_message="; ".join(report.incomplete) or None,
    )


def where_it_stands(report: BackupReport) -> str:
    """Return the sentence that says which stores hold the snapshot."""
    snapshot = report.snapshot
    return f"The snapshot {snapshot.run.short} is stored in {' and '.join(snapshot.copies)}."


def _ending(report: BackupReport) -> Iterator[str]:
    snapshot = report.snapshot
    for one in report.left_out:
        yield f"{one.label}: {one.text}"
    for name in snapshot.copies:
        yield f"{name}: complete, {format_size(snapshot.bytes_stored)} in {counted(snapshot.objects_stored, 'object')}"
    for name, error in report.dropped.items():
        yield from error_lines(error, f"{name}: no complete copy")
    for reason in report.incomplete:
        yield f"partial: {reason}"
    state = "complete" if report.complete else "partial"
    yield f"snapshot {snapshot.run.short}, {state}, {format_duration(report.duration_seconds)}"

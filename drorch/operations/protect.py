"""Back up one source and keep the books: claim it, run, record what happened whatever happens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

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
    SourceRecord,
    SourceState,
)
from drorch.clock import Clock
from drorch.errors import Bug, CatalogError, ChainBroken, DrorchError, Interrupted, RunVoided, Terminated
from drorch.format.keys import HostKey
from drorch.ids import Digest, RunId
from drorch.operations import back_up, contacts, observing
from drorch.operations.back_up import QUIET_STEPS, BackupReport, Steps
from drorch.operations.estate.ownership import Ownership, Standing
from drorch.operations.framing import Frame
from drorch.operations.interruption import Interruption
from drorch.operations.run_log import RunLog, error_lines
from drorch.operations.schema_seen import Definitions
from drorch.operations.spool import spooled
from drorch.quantities import counted, format_duration, format_size
from drorch.repository.beginning import RunMaterial, begin_run
from drorch.repository.deltas import BaseRoom
from drorch.repository.opening import Repository
from drorch.repository.writer import RunWriter
from drorch.sources.interface import Observer, Source

OPERATION = "backup"
PARTIAL = (
    "partial"  # what stands in the catalog where an error's word would: there is a snapshot, and it counts for nothing
)
PARTIAL_CODE = 3
SEAL_THREADS = 2
COMPRESSION_LEVEL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Which process this is, on which machine; ``host`` is a name that no two machines share."""

    host: str
    machine_id: str
    pid: int
    process_started: str


def digest_of_text(text: str) -> Digest:
    """Return the digest by which a policy's text is known in snapshots and in the catalog."""
    return Digest(hashlib.sha256(text.encode()).digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What is to be backed up, and the policy's text that says so."""

    address: str
    policy: str
    policy_text: str
    policy_digest: Digest
    probes: Mapping[str, str]
    rows_digest: bool = True
    definitions: Definitions | None = None  # understands the source's definitions, where they are any
    keeps_bases: bool = True  # whether this host may keep chunks of it, sealed, for later ones to be deltas against
    slot: datetime | None = None
    was: str | None = None  # the name that the source had before, if its lane is to go on


class Protector:
    """Backs up sources of one host into one repository, one after the other or from several threads."""

    def __init__(
        self,
        *,
        repository: Repository,
        host_key: HostKey,
        catalog: Catalog,
        machine: Machine,
        is_alive: IsAlive,
        cache: Path | None,
        base_limit_bytes: int = 0,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        outage: str = "",
    ) -> None:
        """``outage`` is the id of the outage when the repository is that of the spool."""
        self._repository = repository
        self._outage = outage
        self._host_key = host_key
        self._catalog = catalog
        self._machine = machine
        self._is_alive = is_alive
        self._cache = cache
        self._base_room = (
            BaseRoom(directory=cache, limit_bytes=base_limit_bytes) if cache is not None and base_limit_bytes else None
        )
        self._clock = clock
        self._random_bytes = random_bytes
        self._prepared: set[Digest] = set()
        self._ownership = Ownership(
            repository=repository, host_key=host_key, catalog=catalog, machine_id=machine.machine_id
        )

    def run(
        self,
        protection: Protection,
        source: Source,
        observer: Observer,
        *,
        steps: Steps = QUIET_STEPS,
        interruption: Interruption | None = None,
        frame: Frame | None = None,
    ) -> BackupReport:
        """Back up ``source``; raises what the backup raises, after it was recorded.

        ``NothingDone`` when another run holds the source, ``SourceForeign`` when the source belongs to another machine. A run that does not count
        because a sweep or another run decided so is recorded and repeated, once.
        """
        interruption = interruption or Interruption()
        try:
            return self._run_once(protection, source, observer, steps, interruption, frame)
        except RunVoided as voided:
            interruption.require_none()
            return self._run_once(protection, source, observer, steps, interruption, frame, after=voided)

    def _run_once(
        self,
        protection: Protection,
        source: Source,
        observer: Observer,
        steps: Steps,
        interruption: Interruption,
        frame: Frame | None,
        *,
        after: RunVoided | None = None,
    ) -> BackupReport:
        now = self._clock.now()
        self._prepare(protection, now)
        run = RunId(self._random_bytes(16))
        log = RunLog(self._catalog, str(run), self._clock)
        kept: list[BackupReport] = []

        def keep(report: BackupReport) -> None:
            kept.append(report)  # first: from here on the run is no failed one, whatever becomes of its record
            self._keep(protection, report, log)

        try:
            self._claim(protection, run, now)
            log.say(*self._beginning(protection, source))
            if after is not None:
                log.say(f"repeats a run that does not count: {after.message}")
            standing = self._ownership.require_ours(protection.address, was=protection.was)
            return self._back_up(protection, source, observer, run, standing, log, steps, interruption, frame, keep)
        except BaseException as error:
            ours = as_ours(error, OPERATION)
            if not kept:
                self._end_run(run, ours, log)
            elif ours is not error:  # interrupted, and too late
                raise type(ours)(ours.message, still_good=_stands(kept[0])) from error
            raise

    def _end_run(self, run: RunId, error: DrorchError, log: RunLog) -> None:
        """Record why there is no snapshot. A run that this cannot be said of is found as crashed later on; what ended it must be told."""
        with suppress(CatalogError, Bug):  # ``Bug``: it was interrupted before its beginning stood in the catalog
            self._catalog.end_run(str(run), RunOutcome.of_error(error, ended_at=self._clock.now()))
            log.tell_error(error)

    def _keep(self, protection: Protection, report: BackupReport, log: RunLog) -> None:
        """Record the snapshot that exists now."""
        try:
            self._record(protection, report)
            log.say(*_ending(report))
        except DrorchError as error:
            error.still_good = f"{_stands(report)} Only the catalog does not know it: `drorch catalog rebuild`."
            raise

    def fail(self, protection: Protection, error: DrorchError) -> None:
        """Record a run that failed before it could begin: its server was found silent by others, or there is no room."""
        now = self._clock.now()
        self._prepare(protection, now)
        run = str(RunId(self._random_bytes(16)))
        self._catalog.begin_run(self._record_of(protection, run, now))
        self._catalog.end_run(run, RunOutcome.of_error(error, ended_at=self._clock.now()))

    def _prepare(self, protection: Protection, now: datetime) -> None:
        """Do what is needed once for all sources of a policy."""
        if protection.policy_digest in self._prepared:
            return
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

    def _beginning(self, protection: Protection, source: Source) -> Iterator[str]:
        stores = ", ".join(replica.name for replica in self._repository.replicas)
        yield f"backup of {protection.address}: {source.address} -> {stores}"
        yield f"policy {str(protection.policy_digest)[:16]}, host {self._machine.host}, process {self._machine.pid}"
        for name, error in self._repository.unusable.items():
            yield from error_lines(error, f"{name} is left out")

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

    def _claim(self, protection: Protection, run: RunId, now: datetime) -> None:
        machine = self._machine
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

    def _back_up(
        self,
        protection: Protection,
        source: Source,
        observer: Observer,
        run: RunId,
        standing: Standing,
        log: RunLog,
        steps: Steps,
        interruption: Interruption,
        frame: Frame | None,
        keep: Callable[[BackupReport], None],
    ) -> BackupReport:
        def begin() -> RunWriter:
            material = begin_run(
                self._repository,
                self._host_key,
                spooled(standing.place, self._outage) if self._outage else standing.place,
                run=run,
                cache=self._cache,
                clock=self._clock,
                random_bytes=self._random_bytes,
            )
            return self._writer(protection, material, standing)

        return back_up.run(
            source_name=protection.address,
            source=source,
            probes=protection.probes,
            begin_run=begin,
            policy_digest=protection.policy_digest,
            slot=protection.slot,
            clock=self._clock,
            observer=observer,
            tell=log.say,
            rows_digest=protection.rows_digest,
            definitions=protection.definitions,
            steps=steps,
            interruption=interruption,
            frame=frame,
            keep=keep,
        )

    def _writer(self, protection: Protection, material: RunMaterial, standing: Standing) -> RunWriter:
        """Compare the lane with what the catalog remembers of it, and begin to write."""
        writer = RunWriter(
            material,
            clock=self._clock,
            random_bytes=self._random_bytes,
            compression_level=COMPRESSION_LEVEL,
            seal_threads=SEAL_THREADS,
            is_level_fixed=False,
            base_room=self._base_room if protection.keeps_bases else None,
        )
        try:
            self._ownership.require_unused(standing, protection.address, sequence=material.head.sequence)
            self._remember_heads(protection, material)
            if not self._outage:  # the lane of the source is another, and goes on when the stores are back
                self._remember_source(protection, material, standing)
        except BaseException:
            with closing(writer):
                raise
        return writer

    def _remember_heads(self, protection: Protection, material: RunMaterial) -> None:
        """Refuse a store that shows less of the lane than it did: what is missing was hidden or deleted. Note what somebody else added."""
        lane, head = material.lane.lane, material.head
        alive = material.replicas.alive
        observing.note_foreign(
            self._catalog,
            alive[0],
            self._repository.trust,
            lane,
            newest=head.sequence,
            source=protection.address,
            now=self._clock.now(),
        )
        for replica in alive:
            known = self._catalog.heads(store=replica.name, lane=str(lane))
            if known or head.sequence:
                found = LaneHead(
                    store=replica.name, lane=str(lane), sequence=head.sequence, manifest_digest=str(head.digest)
                )
                try:
                    self._catalog.remember_head(found)
                except ChainBroken as error:
                    observing.note_withheld(
                        self._catalog,
                        error,
                        store=replica.name,
                        lane=lane,
                        source=protection.address,
                        now=self._clock.now(),
                    )
                    raise

    def _remember_source(self, protection: Protection, material: RunMaterial, standing: Standing) -> None:
        known = standing.known
        now = self._clock.now()
        self._catalog.put_source(
            SourceRecord(
                address=protection.address,
                policy=protection.policy,
                lane=str(material.lane.lane),
                generation=standing.place.generation,
                machine_id=self._machine.machine_id,
                first_used_at=now if known is None else known.first_used_at,
                state=SourceState.ACTIVE,
                last_seen_at=now,
            )
        )

    def _record(self, protection: Protection, report: BackupReport) -> None:
        snapshot = report.snapshot
        self._catalog.record_snapshot(
            SnapshotRecord(
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
            ),
            [self._copy(report, name, CopyState.COMPLETE) for name in snapshot.copies]
            + [self._copy(report, name, CopyState.BEHIND) for name in report.dropped],
        )
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
        self._catalog.end_run(
            str(snapshot.run),
            RunOutcome(
                state=RunState.COMPLETE if report.complete else RunState.PARTIAL,
                ended_at=self._clock.now(),
                snapshot=str(snapshot.run),
                bytes_read=report.bytes_read,
                bytes_stored=snapshot.pack_bytes,
                rows=report.rows,
                tables=report.tables,
                error_slug=PARTIAL if report.incomplete else None,
                error_code=PARTIAL_CODE if report.incomplete else None,
                error_message="; ".join(report.incomplete) or None,
            ),
        )

    def _copy(self, report: BackupReport, store: str, state: CopyState) -> CopyRecord:
        complete = state is CopyState.COMPLETE
        return CopyRecord(
            snapshot=str(report.snapshot.run),
            store=store,
            state=state,
            stored_at=self._clock.now() if complete else None,
            size_bytes=report.snapshot.pack_bytes if complete else 0,
        )


def _stands(report: BackupReport) -> str:
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


def as_ours(error: BaseException, operation: str) -> DrorchError:
    """Return an error as the catalog keeps it; the text of a foreign one could hold a secret."""
    if isinstance(error, DrorchError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("interrupted")
    if isinstance(error, SystemExit):
        return Terminated("terminated")
    return Bug(f"{type(error).__name__} during a {operation}")

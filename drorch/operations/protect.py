"""Back up one source and keep the books: claim it, run, record what happened whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from drorch.catalog.interface import Catalog, IsAlive, SourceRecord, SourceState
from drorch.clock import Clock
from drorch.errors import DrorchError, RunVoided
from drorch.format.keys import HostKey
from drorch.ids import RunId
from drorch.operations import back_up
from drorch.operations.back_up import QUIET_STEPS, BackupReport, Steps
from drorch.operations.backup_books import OPERATION, BackupBooks, where_it_stands
from drorch.operations.estate.ownership import Ownership, Standing
from drorch.operations.framing import Frame
from drorch.operations.interruption import Interruption
from drorch.operations.lane_memory import remember_heads
from drorch.operations.machine import Machine
from drorch.operations.protection import Protection
from drorch.operations.run_log import RunLog, as_ours, error_lines
from drorch.operations.spool import spooled
from drorch.repository.beginning import begin_run
from drorch.repository.deltas import BaseRoom
from drorch.repository.opening import Repository
from drorch.repository.run_material import RunMaterial
from drorch.repository.writer import RunWriter
from drorch.sources.interface import Observer, Source

SEAL_THREADS = 2
COMPRESSION_LEVEL = 1


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
        self._cache = cache
        self._base_room = (
            BaseRoom(directory=cache, limit_bytes=base_limit_bytes) if cache is not None and base_limit_bytes else None
        )
        self._clock = clock
        self._random_bytes = random_bytes
        self._books = BackupBooks(catalog=catalog, machine=machine, is_alive=is_alive, clock=clock)
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
        self._books.prepare(protection)
        run = RunId(self._random_bytes(16))
        log = RunLog(self._catalog, str(run), self._clock)
        kept: list[BackupReport] = []

        def keep(report: BackupReport) -> None:
            kept.append(report)  # first: from here on the run is no failed one, whatever becomes of its record
            self._books.keep(protection, report, log)

        try:
            self._books.claim(protection, run)
            log.say(*self._beginning(protection, source))
            if after is not None:
                log.say(f"repeats a run that does not count: {after.message}")
            standing = self._ownership.require_ours(protection.address, was=protection.was)
            return self._back_up(protection, source, observer, run, standing, log, steps, interruption, frame, keep)
        except BaseException as error:
            ours = as_ours(error, OPERATION)
            if not kept:
                self._books.end(run, ours, log)
            elif ours is not error:  # interrupted, and too late
                raise type(ours)(ours.message, still_good=where_it_stands(kept[0])) from error
            raise

    def fail(self, protection: Protection, error: DrorchError) -> None:
        """Record a run that failed before it could begin: its server was found silent by others, or there is no room."""
        self._books.fail(protection, RunId(self._random_bytes(16)), error)

    def _beginning(self, protection: Protection, source: Source) -> Iterator[str]:
        stores = ", ".join(replica.name for replica in self._repository.replicas)
        yield f"backup of {protection.address}: {source.address} -> {stores}"
        yield f"policy {str(protection.policy_digest)[:16]}, host {self._machine.host}, process {self._machine.pid}"
        for name, error in self._repository.unusable.items():
            yield from error_lines(error, f"{name} is left out")

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
            remember_heads(
                self._catalog, self._repository.trust, material, source=protection.address, clock=self._clock
            )
            if not self._outage:  # the lane of the source is another, and goes on when the stores are back
                self._remember_source(protection, material, standing)
        except BaseException:
            with closing(writer):
                raise
        return writer

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

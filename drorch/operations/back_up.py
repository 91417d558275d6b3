"""Back up one source: one consistent capture, stored in every store of its policy, committed or absent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from drorch.clock import Clock
from drorch.errors import DrorchError, Interrupted, Terminated
from drorch.format.manifest import Result
from drorch.ids import Digest
from drorch.operations.calm import Calm
from drorch.operations.framing import Frame, NoFrame
from drorch.operations.interruption import Interruption
from drorch.operations.left_out import LeftOut, left_out
from drorch.operations.probes import ask_probes
from drorch.operations.schema_seen import Definitions, SchemaTap, SeenSchema
from drorch.quantities import format_size
from drorch.repository.busy import IN_POOL, Part, Stage, StageTime, busiest
from drorch.repository.writer import CommittedSnapshot, RunSummary, RunWriter, StreamToStore
from drorch.sources.interface import (
    Bytes,
    Capture,
    Earlier,
    Json,
    Observer,
    RemembersStreams,
    SaysWhenBusy,
    Source,
    StreamKind,
    StreamSpec,
    table_of,
)

INTERRUPTED_PATIENCE_SECONDS = 1.0
COMMIT_PATIENCE_SECONDS = 2.0  # how long a store may keep waiting whoever interrupts a run in the moment of its commit


class Steps(Protocol):
    """Hears when a run waits for its source and when the source has answered; from the run's thread, quick."""

    def waits(self) -> None:
        """The source is being asked to begin."""
        ...

    def works(self) -> None:
        """The source answered."""
        ...


class _QuietSteps:
    def waits(self) -> None: ...
    def works(self) -> None: ...


QUIET_STEPS: Steps = _QuietSteps()

_LARGEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """What a backup did. ``dropped`` says which stores have no complete copy, and why.

    ``incomplete`` says what the source could not give: the snapshot is partial, and counts for nothing.
    ``warnings`` say what went wrong around a capture that is good in itself: a hook, a group that broke.
    """

    source: str
    address: str
    snapshot: CommittedSnapshot
    facts: Mapping[str, Json]
    restore_point: datetime
    started_at: datetime
    ended_at: datetime
    duration_seconds: float
    tables: int
    rows: int
    bytes_read: int
    probes: Mapping[str, str]
    left_out: tuple[LeftOut, ...]
    incomplete: tuple[str, ...]
    warnings: tuple[str, ...]
    group: Json
    paused_seconds: float
    paused_for: tuple[str, ...]
    stage_times: tuple[StageTime, ...]
    dropped: Mapping[str, DrorchError]
    schema: SeenSchema | None = None

    @property
    def complete(self) -> bool:
        """Whether the snapshot holds all that was asked for, and every store of the policy has it."""
        return not self.dropped and not self.incomplete and not self.warnings

    @property
    def busy(self) -> Mapping[Part, float]:
        """How busy source, processor and network were, between 0 and 1, the busiest first: the limit."""
        return busiest(self.stage_times, self.duration_seconds)

    @property
    def counted(self) -> str:
        """What the ``tables`` of this source are."""
        return things_of(self.facts.get("engine"))


@dataclass(slots=True)
class _Counted:
    """Sums over the streams of a capture; guarded by the operation's lock."""

    bytes_read: int = 0
    rows: int = 0
    waiting_seconds: float = 0.0
    streams: list[tuple[int, str, int | None]] = field(default_factory=list)  # size, name, rows


class _Reader:
    """Feeds the streams of one capture to the run, several at once, and tells the observer how far it is."""

    def __init__(
        self,
        capture: Capture,
        writer: RunWriter,
        observer: Observer,
        clock: Clock,
        *,
        rows_digest: bool,
        interruption: Interruption,
        calm: Calm,
        tap: SchemaTap | None,
    ) -> None:
        self._capture = capture
        self._tap = tap
        self._calm = calm
        self._writer = writer
        self._observer = observer
        self._clock = clock
        self._rows_digest = rows_digest
        self._interruption = interruption
        self._lock = threading.Lock()
        self._total = 0
        self.counted = _Counted()

    def store_all(self, streams: Sequence[StreamSpec]) -> None:
        """Store every stream, those that come last at the end; the first failure stops the others and is raised."""
        self._total = sum(stream.estimated_bytes for stream in streams)
        for ordinal, stream in enumerate(streams):
            if stream.is_carried:
                self._writer.carry(ordinal, stream.name)
        given = [ordinal for ordinal, stream in enumerate(streams) if not stream.is_carried]
        for are_last in (False, True):
            self._store_some(streams, [ordinal for ordinal in given if streams[ordinal].comes_last is are_last])

    def _store_some(self, streams: Sequence[StreamSpec], ordinals: Sequence[int]) -> None:
        """Store these streams, several at once."""
        order = sorted(ordinals, key=lambda ordinal: (-_weight(streams[ordinal]), ordinal))
        pool = ThreadPoolExecutor(max(1, self._capture.parallel), thread_name_prefix="stream")
        futures = [pool.submit(self._store, ordinal, streams[ordinal]) for ordinal in order]
        try:
            with self._interruption.cuts(self._cut):
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            self._interruption.require_none()
            for future in done:
                future.result()
        except BaseException as error:
            patience = _patience(error)
            self._calm.stop()
            self._writer.stop(patience)
            self._capture.abort()
            pool.shutdown(wait=False, cancel_futures=True)
            wait([future for future in futures if not future.cancelled()], timeout=patience)
            raise
        pool.shutdown()

    def _cut(self) -> None:
        """End what the streams do, from another thread."""
        self._calm.stop()
        self._writer.stop(INTERRUPTED_PATIENCE_SECONDS)
        self._capture.abort()

    def _store(self, ordinal: int, stream: StreamSpec) -> None:
        with self._capture.open(stream) as pieces:
            is_tapped = self._tap is not None and stream.kind is StreamKind.SCHEMA
            watched = self._tap.watch(pieces) if self._tap is not None and is_tapped else pieces
            counts = self._writer.store(self._to_store(ordinal, stream), self._watched(stream, watched))
        with self._lock:
            self.counted.rows += counts.rows or 0
            self.counted.streams.append((counts.size_bytes, stream.name, counts.rows))

    def _to_store(self, ordinal: int, stream: StreamSpec) -> StreamToStore:
        return StreamToStore(
            ordinal=ordinal,
            name=stream.name,
            kind=stream.kind.value,
            row_format=stream.row_format.value,
            canonical_columns=stream.canonical_columns,
            attributes=stream.attributes,
            estimated_bytes=stream.estimated_bytes,
            rows_digest=self._rows_digest,
            is_lasting=stream.is_lasting,
            in_small_chunks=stream.changes_here_and_there,
        )

    def _watched(self, stream: StreamSpec, pieces: Iterator[Bytes]) -> Iterator[Bytes]:
        """Yield the pieces; count them, and the time spent waiting for the source."""
        label = stream.name
        while True:
            self._calm.wait(self._show_pause)
            asked_at = self._clock.monotonic_seconds()
            piece = next(pieces, None)
            waited = self._clock.monotonic_seconds() - asked_at
            with self._lock:
                self.counted.waiting_seconds += waited
                if piece is None:
                    return
                self.counted.bytes_read += len(piece)
                done = self.counted.bytes_read
            self._observer.advance(label, done, max(done, self._total), "bytes")
            yield piece

    def _show_pause(self, reason: str) -> None:
        with self._lock:
            done = self.counted.bytes_read
        self._observer.advance(f"paused: {reason}", done, max(done, self._total), "bytes")


def _never_busy() -> str:
    """Return nothing: this source has no server, or none that can be asked."""
    return ""


def _unheard(*lines: str) -> None:
    """Keep no log."""


def run(
    *,
    source_name: str,
    source: Source,
    probes: Mapping[str, str],
    begin_run: Callable[[], RunWriter],
    policy_digest: Digest,
    slot: datetime | None,
    clock: Clock,
    observer: Observer,
    tell: Callable[..., None] = _unheard,
    rows_digest: bool = True,
    definitions: Definitions | None = None,
    steps: Steps = QUIET_STEPS,
    interruption: Interruption | None = None,
    frame: Frame | None = None,
    keep: Callable[[BackupReport], None] = lambda _: None,
) -> BackupReport:
    """Capture ``source`` and commit it as a snapshot of ``source_name``.

    ``begin_run`` opens the run in the stores; it is called first, so that a store that cannot be written is found
    before the database is touched. ``tell`` hears what the run's log is to keep. Without ``rows_digest`` rows are counted and not digested.
    ``definitions`` understands the source's definitions, so that what changed can be told later.
    ``frame`` is what stands around the capture: hooks, a group. ``keep`` writes down that the snapshot exists: no signal comes between
    the commit and it. Raises a ``SourceError`` or ``StoreError``; then nothing was committed.
    """
    started_at, started = clock.now(), clock.monotonic_seconds()
    interruption = interruption or Interruption()
    interruption.require_none()
    frame = frame or NoFrame()
    tap = None if definitions is None else SchemaTap(definitions)
    calm = Calm(source.too_busy if isinstance(source, SaysWhenBusy) else _never_busy, clock, tell)
    with closing(begin_run()) as writer, _stopping(writer):
        with interruption.cuts(calm.stop):
            calm.wait(lambda reason: observer.advance(f"paused: {reason}", 0, None, "bytes"))
        interruption.require_none()
        with frame.around(tell), _timed(_capture(source, writer), steps) as capture:
            frame.begun()
            reader = _Reader(
                capture, writer, observer, clock, rows_digest=rows_digest, interruption=interruption, calm=calm, tap=tap
            )
            answers = ask_probes(capture, probes)  # first: one that fails must not cost hours of reading
            streams = capture.streams()
            tell(_opened(capture, source.address))
            reader.store_all(streams)
            closing_facts = dict(capture.closing_facts())
            incomplete = _incomplete(closing_facts)
            facts, restore_point = dict(capture.facts), capture.restore_point
            schema = None if tap is None else tap.seen(streams)
            parallel = max(1, capture.parallel)
        summary = RunSummary(
            source=source_name,
            policy_digest=policy_digest,
            slot=slot,
            started_at=started_at,
            ended_at=clock.now(),
            restore_point=restore_point,
            engine=str(facts.get("engine", "")),
            tables=_tables(streams, closing_facts),
            rows=reader.counted.rows,
            bytes_read=reader.counted.bytes_read,
            facts=facts,
            closing_facts={**closing_facts, "probes": answers, **frame.facts()},
            group=frame.group,
            result=Result.PARTIAL if incomplete else Result.COMPLETE,
        )
        tell(*_read(summary, reader.counted))
        interruption.require_none()
        finished = writer.finish(summary)  # after the capture has ended: no lock or vacuum horizon waits for an upload
        kept: list[BackupReport] = []

        def commit() -> None:
            report = _report(
                writer.decide(finished, interruption.require_none),
                source=source,
                summary=summary,
                duration_seconds=clock.monotonic_seconds() - started,
                frame=frame,
                waiting_seconds=reader.counted.waiting_seconds,
                parallel=parallel,
                calm=calm,
                schema=schema,
            )
            keep(report)
            kept.append(report)

        interruption.to_its_end(commit, patience_seconds=COMMIT_PATIENCE_SECONDS)
        return kept[0]


def _report(
    snapshot: CommittedSnapshot,
    *,
    source: Source,
    summary: RunSummary,
    duration_seconds: float,
    frame: Frame,
    waiting_seconds: float,
    parallel: int,
    calm: Calm,
    schema: SeenSchema | None,
) -> BackupReport:
    facts, closing_facts = summary.facts, summary.closing_facts
    return BackupReport(
        source=summary.source,
        address=source.address,
        snapshot=snapshot,
        facts=facts,
        restore_point=summary.restore_point,
        started_at=summary.started_at,
        ended_at=summary.ended_at,
        duration_seconds=duration_seconds,
        tables=summary.tables,
        rows=summary.rows,
        bytes_read=summary.bytes_read,
        probes=closing_facts["probes"],
        left_out=left_out(facts, closing_facts),
        incomplete=_incomplete(closing_facts),
        warnings=frame.warnings,
        group=frame.facts().get("group"),
        paused_seconds=calm.paused_seconds,
        paused_for=tuple(calm.reasons),
        stage_times=tuple(_stage_times(snapshot, waiting_seconds, parallel)),
        dropped=snapshot.dropped,
        schema=schema,
    )


@contextmanager
def _timed(opening: AbstractContextManager[Capture], steps: Steps) -> Iterator[Capture]:
    """Yield the capture, telling ``steps`` how long its server is waited for."""
    steps.waits()
    with opening as capture:
        steps.works()
        yield capture


@contextmanager
def _stopping(writer: RunWriter) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        writer.stop(_patience(error))
        raise


def _patience(error: BaseException) -> float | None:
    """Return how long threads are waited for: whoever interrupts a run is not kept by a store that does not answer."""
    ends = (KeyboardInterrupt, SystemExit, Interrupted, Terminated)
    return INTERRUPTED_PATIENCE_SECONDS if isinstance(error, ends) else None


def _weight(stream: StreamSpec) -> int:
    """Big streams first, so that none of them runs alone at the end; small ones stay in order for their container."""
    return stream.estimated_bytes if stream.estimated_bytes >= 1_000_000 else 0


def _opened(capture: Capture, address: str) -> str:
    facts = capture.facts
    version = facts.get("server_version") or facts.get("library_version") or ""
    moment = capture.restore_point.strftime("%Y-%m-%dT%H:%M:%SZ")
    things = things_of(facts.get("engine"))
    return f"{address}: {facts.get('engine')} {version}, {facts.get(things)} {things}, as of {moment}"


def _read(summary: RunSummary, counted: _Counted) -> Iterator[str]:
    """Yield what was read, and the largest streams."""
    things = things_of(summary.engine)
    yield f"read {format_size(summary.bytes_read)} in {summary.tables:,} {things}, {summary.rows:,} rows"
    for size_bytes, name, rows in sorted(counted.streams, reverse=True)[:_LARGEST]:
        yield f"  {name}: {format_size(size_bytes)}" + ("" if rows is None else f", {rows:,} rows")
    if len(counted.streams) > _LARGEST:
        yield f"  and {len(counted.streams) - _LARGEST:,} smaller"


def _stage_times(snapshot: CommittedSnapshot, waiting_seconds: float, parallel: int) -> Iterator[StageTime]:
    """Yield the times of all stages; those that work stream by stream do so in ``parallel`` threads."""
    for one in snapshot.stage_times:
        seconds = waiting_seconds if one.stage is Stage.READ else one.seconds
        in_streams = one.stage not in IN_POOL and one.stage is not Stage.UPLOAD
        yield StageTime(one.stage, seconds, parallel if in_streams else one.threads)


def _tables(streams: Sequence[StreamSpec], closing_facts: Mapping[str, Json]) -> int:
    files = closing_facts.get("files")
    if isinstance(files, int):
        return files
    return len({table_of(stream) for stream in streams if stream.kind is StreamKind.TABLE})


def things_of(engine: object) -> str:
    """Return what a snapshot of that engine holds so many of."""
    return "files" if engine == "files" else "tables"


def _incomplete(closing_facts: Mapping[str, Json]) -> tuple[str, ...]:
    found = closing_facts.get("incomplete")
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()


def _capture(source: Source, earlier: Earlier) -> AbstractContextManager[Capture]:
    """Begin a capture; a source that need not give again what it gave before is told what is still held."""
    return source.capture_since(earlier) if isinstance(source, RemembersStreams) else source.capture()

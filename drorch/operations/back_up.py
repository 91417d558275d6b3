"""Back up one source: one consistent capture, stored in every store of its policy, committed or absent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from drorch.clock import Clock
from drorch.errors import DrorchError
from drorch.format.manifest import Result
from drorch.ids import Digest
from drorch.operations.calm import Calm
from drorch.operations.capture_reading import CaptureReader, Counted, patience_after
from drorch.operations.framing import Frame, NoFrame
from drorch.operations.interruption import Interruption
from drorch.operations.left_out import LeftOut, left_out
from drorch.operations.probes import ask_probes
from drorch.operations.schema_seen import Definitions, SchemaTap, SeenSchema
from drorch.quantities import counted, format_size
from drorch.repository.busy import IN_POOL, Part, Stage, StageTime, busiest
from drorch.repository.run_parts import CommittedSnapshot, RunSummary
from drorch.repository.writer import RunWriter
from drorch.sources.interface import (
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
            reader = CaptureReader(
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
        writer.stop(patience_after(error))
        raise


def _opened(capture: Capture, address: str) -> str:
    facts = capture.facts
    version = facts.get("server_version") or facts.get("library_version") or ""
    moment = capture.restore_point.strftime("%Y-%m-%dT%H:%M:%SZ")
    things = things_of(facts.get("engine"))
    return f"{address}: {facts.get('engine')} {version}, {facts.get(things)} {things}, as of {moment}"


def _read(summary: RunSummary, found: Counted) -> Iterator[str]:
    """Yield what was read, and the largest streams."""
    things = things_of(summary.engine)
    yield f"read {format_size(summary.bytes_read)} in {counted(summary.tables, things[:-1])}, {counted(summary.rows, 'row')}"
    for size_bytes, name, rows in sorted(found.largest, reverse=True):
        yield f"  {name}: {format_size(size_bytes)}" + ("" if rows is None else f", {counted(rows, 'row')}")
    if found.streams > len(found.largest):
        yield f"  and {found.streams - len(found.largest):,} smaller"


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

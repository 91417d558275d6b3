"""Add one snapshot to a lane: ``begin_run`` -> ``store`` each stream -> ``commit``.

The order of writing is that of docs/FORMAT.md section 12; ``lane`` holds the commit protocol.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from drorch.clock import Clock
from drorch.errors import Bug, DrorchError
from drorch.format import names
from drorch.format.digests import StreamCounts, StreamDigest
from drorch.format.entries import DEFINING_KINDS, ROW_FORMAT_NONE, Entry
from drorch.format.manifest import Manifest, Needs, Result, SealedBody
from drorch.format.objects import digest_of
from drorch.format.pack import ListedPack, PackList
from drorch.format.row_lanes import digester_in_lanes
from drorch.format.tree import Reference
from drorch.ids import Digest, LaneId, RunId
from drorch.repository.aside import Aside, Slip
from drorch.repository.base_cache import CacheKeys
from drorch.repository.beginning import NO_PACK, RunMaterial, places, store_time
from drorch.repository.busy import IN_POOL, BusyTimes, Stage, StageTime
from drorch.repository.carrying import Carrying
from drorch.repository.containers import SMALL_STREAM_BYTES, ContainerWriter
from drorch.repository.deltas import BaseRoom, Deltas, open_deltas
from drorch.repository.lane import SecondCopy
from drorch.repository.needs import NeedsCollector
from drorch.repository.packing import UPLOADS, PackIdentity, PackLine, ShippedPack, Shipper
from drorch.repository.row_workers import RowWorkers
from drorch.repository.sealing import SALT_BYTES, Sealer
from drorch.repository.segments import SegmentWriter
from drorch.repository.streams import CHUNKER_PARAMETERS, SMALL_CHUNKS, StreamSink, StreamTotals, TreeWriter
from drorch.repository.trees import NodeStore
from drorch.repository.twins import TwinLines
from drorch.storage.interface import Bytes

CONTAINER_ORDINAL = 2**31
ENTRIES_ORDINAL = 2**32 - 1
SLOW_NETWORK_LEVEL = 6  # 68 MB/s a core: as much as goes through a line of 400 Mbit/s
NO_RUN = RunId(bytes(16))  # a base outlives the run that kept it


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamToStore:
    """One stream to be stored; the numbers are those of docs/FORMAT.md section 9, ``attributes`` becomes JSON.

    Without ``rows_digest`` its rows are counted and not digested. ``estimated_bytes`` decides where they are digested.
    ``is_lasting`` lets later runs carry the stream over; it lies in a tree of its own, however small.
    """

    ordinal: int
    name: str
    kind: int
    row_format: int
    canonical_columns: Mapping[int, str]
    attributes: Mapping[str, Any]
    estimated_bytes: int = 0
    rows_digest: bool = True
    is_lasting: bool = False
    in_small_chunks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What is known of a capture when all its streams are stored."""

    source: str
    policy_digest: Digest
    slot: datetime | None
    started_at: datetime
    ended_at: datetime
    restore_point: datetime
    engine: str
    tables: int
    rows: int
    bytes_read: int
    facts: Mapping[str, Any]
    closing_facts: Mapping[str, Any]
    group: bytes | None = None
    result: Result = Result.COMPLETE


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedSnapshot:
    """A snapshot that exists from now on. ``pack_bytes`` is what its manifest says was stored, ``bytes_stored`` is all of it.

    ``copies`` are the stores that have it; ``dropped`` those that failed, and why. ``locked_until`` says of stores that lock until when all is
    that it needs.
    """

    run: RunId
    lane: LaneId
    sequence: int
    manifest_digest: Digest
    pack_bytes: int
    bytes_stored: int
    objects_stored: int
    totals: StreamTotals
    stage_times: tuple[StageTime, ...]
    copies: tuple[str, ...]
    dropped: Mapping[str, DrorchError]
    locked_until: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run of which everything is stored but the manifest: what ``decide`` makes a snapshot of."""

    summary: RunSummary
    body: SealedBody
    pack_list: bytes


class RunWriter:
    """One run. ``store`` may be called from several threads, each with streams of its own; everything else from one."""

    def __init__(
        self,
        material: RunMaterial,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        compression_level: int,
        seal_threads: int,
        is_level_fixed: bool = True,
        base_room: BaseRoom | None = None,
    ) -> None:
        """``base_room`` is where bases are kept that new chunks may be deltas against; without it all chunks are stored in full.

        Unless ``is_level_fixed`` chunks are compressed harder while the stores are slower than what comes before them.
        """
        self._material = material
        self._clock = clock
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._busy = BusyTimes(clock.monotonic_seconds)
        self._seal_threads = seal_threads
        self._compression_level, self._is_level_fixed = compression_level, is_level_fixed
        self._entries: dict[int, tuple[Entry, Slip | None]] = {}
        self._aside = Aside()
        self._row_workers = RowWorkers()
        self._packs: dict[int, ListedPack] = {}
        self._segments = SegmentWriter(material, monotonic_seconds=clock.monotonic_seconds, random_bytes=random_bytes)
        self._totals = StreamTotals()
        self._lines: queue.SimpleQueue[PackLine] = queue.SimpleQueue()
        self._delta_lines: queue.SimpleQueue[PackLine] = queue.SimpleQueue()
        self._all_lines: list[PackLine] = []
        self._needs = NeedsCollector(material.run)
        self._carrying = Carrying(material.index, self._needs)
        self._pool = ThreadPoolExecutor(seal_threads, thread_name_prefix="seal")
        self._sealer = self._make_sealer()
        self._shipper = self._make_shipper()
        self._twin_lines = TwinLines(self._shipper)
        self._deltas = None if base_room is None else self._open_deltas(base_room)
        self._sink = self._make_sink()
        self._container = ContainerWriter(lambda: TreeWriter(self._sink, self._new_line(), CONTAINER_ORDINAL))
        self._closed = False
        self._patience_seconds: float | None = None

    @property
    def rows_key(self) -> bytes:
        """The key of the row digests."""
        return self._material.lane_keys.rows_key

    def store(self, stream: StreamToStore, pieces: Iterable[Bytes]) -> StreamCounts:
        """Store a whole stream and return what was counted; raises whatever ``pieces`` raises, and store errors."""
        digest = self._digest_of(stream)
        tree, small = self._feed(stream, digest, pieces)
        if small and not self._container.has_room:
            tree, small = self._open_tree(stream, small), b""
        reference = None if tree is None else tree.finish()
        if tree is not None:
            self._give_back(tree)
        elif small:
            self._container.add(stream.ordinal, small)
        else:
            self._container.skip(stream.ordinal)
        counts = digest.finish()
        entry = self._remember(stream, counts, reference)
        if tree is not None and tree.noted is not None:
            self._carrying.note(entry, tree.noted)
        return counts

    def holds(self, name: str) -> bool:
        """Whether the lasting stream ``name`` of the last snapshot is whole in every store of this run (see ``carrying``)."""
        return self._carrying.find(name) is not None

    def carry(self, ordinal: int, name: str) -> int:
        """Let that stream be part of this snapshot too, without its bytes; return how many they are.

        Only after ``holds``: what can be relied on does not change during a run.
        """
        entry = self._carrying.carry(name)
        if entry is None:
            raise Bug(f"{name} was to be carried over and is not held")
        self._container.skip(ordinal)
        with self._lock:
            self._entries[ordinal] = entry, None
        return entry.size_bytes

    def commit(self, summary: RunSummary) -> CommittedSnapshot:
        """Finish and decide."""
        return self.decide(self.finish(summary))

    def finish(self, summary: RunSummary) -> FinishedRun:
        """Put all that the snapshot needs but its manifest: it does not exist yet. This may take as long as an upload does."""
        container = self._container.finish()
        self._take_totals(self._container.totals)
        entries, entries_size = self._write_entries()
        for line in self._all_lines:
            line.flush()
        self._twin_lines.flush()
        self._shipper.finish()
        self._segments.put(last=True)
        body = SealedBody(
            facts=summary.facts,
            entries=entries,
            containers=() if container is None else (container,),
            closing_facts=summary.closing_facts,
            entries_size=entries_size,
        )
        return FinishedRun(summary, body, self._put_pack_list())

    def decide(self, finished: FinishedRun, require_wanted: Callable[[], None] = lambda: None) -> CommittedSnapshot:
        """Make the snapshot exist in every store that is still in use; raises ``StoreError`` or ``RunVoided`` when there is none.

        Few and small requests. ``require_wanted`` raises when it is no longer wanted, and is asked before the first of them.
        """
        material = self._material
        summary, body, pack_list = finished.summary, finished.body, finished.pack_list
        sealed = body.seal(material.run_keys.run_key, self._random_bytes(SALT_BYTES), material.context)
        totals = self._shipper.totals
        manifest = self._manifest(summary, totals.bytes)
        second = SecondCopy(run_record=material.run_record, pack_list=pack_list)
        decided = material.lane.commit(manifest, sealed, second, material.replicas, require_wanted=require_wanted)
        self._carrying.keep()
        material.index.keep_served(self._needs.served())
        if self._deltas is not None:
            self._deltas.committed()
        small_objects = 3 + bool(pack_list) + self._segments.count
        return CommittedSnapshot(
            run=material.run,
            lane=material.lane.lane,
            sequence=decided.sequence,
            manifest_digest=decided.manifest_digest,
            pack_bytes=totals.bytes,
            bytes_stored=totals.bytes
            + self._segments.bytes
            + len(material.run_record)
            + len(pack_list)
            + decided.size_bytes,
            objects_stored=totals.packs + small_objects,
            totals=self._totals,
            stage_times=tuple(self._stage_times()),
            copies=tuple(replica.name for replica in material.replicas.alive),
            dropped=material.replicas.dropped,
            locked_until={
                replica.name: replica.lock.promised(manifest.store_date or manifest.ended)
                for replica in material.replicas.alive
                if replica.lock is not None
            },
        )

    def _put_pack_list(self) -> bytes:
        """Put ``q/<run>`` and return it; empty when the run stored no pack."""
        if not self._packs:
            return b""
        material = self._material
        packs = tuple(self._packs.get(ordinal, NO_PACK) for ordinal in range(max(self._packs) + 1))
        raw = PackList(run=material.run, packs=packs).sign(
            repository=material.context.repository,
            lane=material.context.lane,
            made_at=self._clock.now(),
            key=material.key,
        )
        material.replicas.put_once(names.pack_list(material.lane.lane, material.run), raw)
        material.index.list_own_run(material.run, packs, digest_of(raw), places(material.replicas))
        return raw

    def _manifest(self, summary: RunSummary, bytes_stored: int) -> Manifest:
        material = self._material
        return Manifest(
            repository=material.context.repository,
            lane=material.lane.lane,
            sequence=material.head.sequence + 1,
            previous=material.head.digest,
            run=material.run,
            started=summary.started_at,
            ended=summary.ended_at,
            restore_point=summary.restore_point,
            source=summary.source,
            policy_digest=summary.policy_digest,
            result=summary.result,
            bytes_read=summary.bytes_read,
            bytes_stored=bytes_stored,
            rows=summary.rows,
            tables=summary.tables,
            needs=tuple(self._needs_of(run, bitmap) for run, bitmap in self._needs.bitmaps().items()),
            slot=summary.slot,
            group=summary.group,
            store_date=store_time(material.replicas),
            engine=summary.engine or None,
        )

    def _needs_of(self, run: RunId, bitmap: bytes) -> Needs:
        digest = self._material.index.pack_list_digest(run)
        if digest is None:
            raise Bug(f"a chunk of run {run.short} was reused, whose pack list is not known")
        return Needs(run, digest, bitmap)

    def stop(self, patience_seconds: float | None = None) -> None:
        """Make every ``store`` that is under way fail soon, and ``close`` wait no longer than that; from any thread.

        With limited patience a store that does not answer holds nobody up; its threads end when it does, and what they put stays unused.
        """
        self._patience_seconds = patience_seconds
        self._shipper.stop()
        self._row_workers.close()

    def close(self) -> None:
        """End the run; what was not committed does not exist, its packs wait for the next run to take them over."""
        if not self._closed:
            self._closed = True
            self._shipper.stop()
            self._row_workers.close()
            has_ended = self._shipper.wait(self._patience_seconds)
            self._pool.shutdown(wait=True, cancel_futures=True)
            try:
                if has_ended and not self._shipper.has_failed:
                    self._segments.leave_rest(self._patience_seconds)
            finally:
                self._material.index.close()
                self._aside.close()
                if self._deltas is not None:
                    self._deltas.close()

    # -- one stream

    def _feed(
        self, stream: StreamToStore, digest: StreamDigest, pieces: Iterable[Bytes]
    ) -> tuple[TreeWriter | None, bytes]:
        """Digest and store the pieces; a stream that ends below ``SMALL_STREAM_BYTES`` is returned whole instead.

        Not one without which the others are hard to use: that lies in a tree of its own, whose chunks stand twice.
        """
        least = 1 if stream.kind in DEFINING_KINDS or stream.is_lasting else SMALL_STREAM_BYTES
        held = bytearray()
        tree: TreeWriter | None = None
        for piece in pieces:
            with self._busy.at(Stage.DIGEST):
                digest.feed(piece)
            if tree is not None:
                tree.write(piece)
                continue
            held += piece
            if len(held) >= least:
                tree = self._open_tree(stream, held)
                held = bytearray()
        return tree, bytes(held)

    def _digest_of(self, stream: StreamToStore) -> StreamDigest:
        form, columns = stream.row_format, stream.canonical_columns
        if form == ROW_FORMAT_NONE or not stream.rows_digest:
            return StreamDigest(form, columns, None)
        lanes = digester_in_lanes(form, columns, self.rows_key)
        if lanes is not None:
            return StreamDigest(form, columns, self.rows_key, lanes)
        away = self._row_workers.begin(form, columns, self.rows_key, stream.estimated_bytes)
        return StreamDigest(form, columns, self.rows_key, away)

    def _open_tree(self, stream: StreamToStore, front: Bytes) -> TreeWriter:
        """Return the tree of a stream that does not go into the container, with its first bytes."""
        self._container.skip(stream.ordinal)
        line = self._twin_lines if stream.kind in DEFINING_KINDS else self._take_line()
        tree = TreeWriter(
            self._sink,
            line,
            stream.ordinal,
            NeedsCollector() if stream.is_lasting else None,
            SMALL_CHUNKS if stream.in_small_chunks else CHUNKER_PARAMETERS,
        )
        tree.write(front)
        return tree

    def _remember(self, stream: StreamToStore, counts: StreamCounts, tree: Reference | None) -> Entry:
        entry = Entry(
            name=stream.name,
            kind=stream.kind,
            size_bytes=counts.size_bytes,
            bytes_digest=counts.bytes_digest,
            tree=tree,
            row_format=stream.row_format,
            rows=counts.rows,
            canonical_columns=stream.canonical_columns,
            attributes=stream.attributes,
        )
        buckets = None if counts.buckets is None else self._aside.put(counts.buckets)
        with self._lock:
            self._entries[stream.ordinal] = entry, buckets
        return entry

    def _write_entries(self) -> tuple[Reference | None, int]:
        """Write the entries stream, in the order of the ordinals; return its tree and size."""
        if not self._entries:
            return None, 0
        writer = TreeWriter(self._sink, self._twin_lines, ENTRIES_ORDINAL)
        size = 0
        for ordinal in sorted(self._entries):
            entry, slip = self._entries[ordinal]
            buckets = None if slip is None else self._aside.get(slip)
            raw = replace(entry, contained=self._container.place_of(ordinal), buckets=buckets).encode()
            size += len(raw)
            writer.write(raw)
        reference = writer.finish()
        self._give_back(writer)
        return reference, size

    # -- lines and packs

    def _take_line(self) -> PackLine:
        try:
            return self._lines.get_nowait()
        except queue.Empty:
            return self._new_line()

    def _take_delta_line(self) -> PackLine:
        try:
            return self._delta_lines.get_nowait()
        except queue.Empty:
            return self._new_line()

    def _new_line(self) -> PackLine:
        line = PackLine(self._shipper)
        with self._lock:
            self._all_lines.append(line)
        return line

    def _give_back(self, tree: TreeWriter) -> None:
        self._take_totals(tree.totals)
        if tree.delta_line is not None:
            self._delta_lines.put(tree.delta_line)
        if isinstance(tree.line, PackLine):
            self._lines.put(tree.line)

    def _take_totals(self, totals: StreamTotals) -> None:
        with self._lock:
            self._totals.add(totals)

    def _on_shipped(self, shipped: ShippedPack) -> None:
        with self._lock:
            self._packs[shipped.pack.ordinal] = ListedPack(shipped.pack.digest, shipped.pack.size_bytes)
        self._segments.add(shipped)

    # -- parts

    def _open_deltas(self, room: BaseRoom) -> Deltas | None:
        material = self._material
        keys = CacheKeys(
            cache_key=material.lane_keys.cache_key,
            chunk_id_key=material.lane_keys.chunk_id_key,
            context=replace(material.context, run=NO_RUN),
        )
        return open_deltas(
            room,
            str(material.lane.lane),
            keys,
            material.index,
            self._needs,
            seed=material.lane_keys.chunker_seed,
            random_bytes=self._random_bytes,
        )

    def _level(self) -> int:
        """Return how hard the next chunk is compressed: where the network is the limit there is time for more."""
        is_higher = not self._is_level_fixed and self._shipper.is_behind
        return SLOW_NETWORK_LEVEL if is_higher else self._compression_level

    def _stage_times(self) -> Iterator[StageTime]:
        """Yield the times of the stages here; of those of streams for one thread, since who calls knows how many there are."""
        for stage in Stage:
            threads = self._seal_threads if stage in IN_POOL else UPLOADS if stage is Stage.UPLOAD else 1
            yield StageTime(stage, self._busy.seconds(stage), threads)

    def _make_sealer(self) -> Sealer:
        material = self._material
        return Sealer(
            run_key=material.run_keys.run_key,
            chunk_id_key=material.lane_keys.chunk_id_key,
            context=material.context,
            compression_level=self._level,
            random_bytes=self._random_bytes,
        )

    def _make_shipper(self) -> Shipper:
        material = self._material
        identity = PackIdentity(
            repository=material.context.repository,
            lane=material.context.lane,
            run=material.run,
            run_record=material.run_record,
        )
        return Shipper(
            identity,
            material.replicas,
            on_shipped=self._on_shipped,
            busy=self._busy,
            make_padding=self._sealer.padding,
        )

    def _make_sink(self) -> StreamSink:
        material = self._material
        nodes = NodeStore(
            run=material.run,
            sealer=self._sealer,
            index=material.index,
            needs=self._needs,
            lines=self._twin_lines,
        )
        return StreamSink(
            run=material.run,
            sealer=self._sealer,
            index=material.index,
            needs=self._needs,
            nodes=nodes,
            pool=self._pool,
            deltas=self._deltas,
            busy=self._busy,
            take_line=self._take_delta_line,
            chunker_seed=material.lane_keys.chunker_seed,
        )

"""Add one snapshot to a lane: ``begin_run`` -> ``store`` each stream -> ``commit``.

The order of writing is that of docs/FORMAT.md section 12; ``lane`` holds the commit protocol.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from drorch.clock import Clock
from drorch.errors import Bug, StoreError
from drorch.format import names
from drorch.format.digests import StreamCounts, StreamDigest
from drorch.format.entries import Entry
from drorch.format.index import IndexSegment
from drorch.format.keys import LaneKeys, RunKeys
from drorch.format.record import RecordContext
from drorch.format.tree import Reference
from drorch.ids import Digest, LaneId, RunId
from drorch.repository.containers import SMALL_STREAM_BYTES, ContainerWriter
from drorch.repository.index import LaneIndex
from drorch.repository.lane import LaneWriter, SnapshotToCommit
from drorch.repository.needs import NeedsCollector
from drorch.repository.packing import PackIdentity, PackLine, ShippedPack, Shipper
from drorch.repository.replicas import Replicas
from drorch.repository.sealing import Sealer
from drorch.repository.streams import StreamSink, StreamTotals, TreeWriter
from drorch.repository.trees import NodeStore
from drorch.storage.interface import Bytes

CONTAINER_ORDINAL = 2**31
ENTRIES_ORDINAL = 2**32 - 1
SEGMENT_PACKS = 64
SEGMENT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamToStore:
    """One stream to be stored; ``attributes`` is canonical JSON, the numbers are those of docs/FORMAT.md section 9."""

    ordinal: int
    name: str
    kind: int
    row_format: int
    canonical_columns: Mapping[int, str]
    attributes: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What is known of a capture when all its streams are stored. ``facts`` and ``closing_facts`` are canonical JSON."""

    source: str
    policy_digest: bytes
    slot: datetime | None
    started_at: datetime
    ended_at: datetime
    restore_point: datetime
    engine: str
    tables: int
    rows: int
    bytes_read: int
    facts: bytes
    closing_facts: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedSnapshot:
    """A snapshot that exists from now on. ``copies`` are the stores that have it; ``dropped`` those that failed, and why."""

    run: RunId
    lane: LaneId
    sequence: int
    manifest_digest: Digest
    bytes_stored: int
    objects_stored: int
    totals: StreamTotals
    upload_seconds: float
    copies: tuple[str, ...]
    dropped: Mapping[str, StoreError]


@dataclass(slots=True)
class _Segments:
    """Packs that are acknowledged and not yet in an index segment."""

    waiting: list[ShippedPack] = field(default_factory=list)
    written: int = 0
    last_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMaterial:
    """The keys and the place of one run, as ``lane.begin_run`` prepared them."""

    run: RunId
    lane: LaneWriter
    run_keys: RunKeys
    lane_keys: LaneKeys
    run_record: bytes
    replicas: Replicas
    index: LaneIndex


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
    ) -> None:
        self._material = material
        self._clock = clock
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._entries: dict[int, Entry] = {}
        self._segments = _Segments(last_at=clock.monotonic_seconds())
        self._totals = StreamTotals()
        self._lines: queue.SimpleQueue[PackLine] = queue.SimpleQueue()
        self._all_lines: list[PackLine] = []
        self._needs = NeedsCollector()
        self._pool = ThreadPoolExecutor(seal_threads, thread_name_prefix="seal")
        self._sealer = self._make_sealer(compression_level)
        self._shipper = self._make_shipper()
        self._sink = self._make_sink()
        self._container = ContainerWriter(lambda: TreeWriter(self._sink, self._new_line(), CONTAINER_ORDINAL))
        self._closed = False

    @property
    def rows_key(self) -> bytes:
        """The key of the row digests."""
        return self._material.lane_keys.rows_key

    def store(self, stream: StreamToStore, pieces: Iterable[Bytes]) -> StreamCounts:
        """Store a whole stream and return what was counted; raises whatever ``pieces`` raises, and store errors."""
        digest = StreamDigest(stream.row_format, stream.canonical_columns, self.rows_key)
        tree, small = self._feed(stream, digest, pieces)
        reference = None if tree is None else tree.finish()
        if tree is not None:
            self._give_back(tree)
        elif small:
            self._container.add(stream.ordinal, small)
        else:
            self._container.skip(stream.ordinal)
        counts = digest.finish()
        self._remember(stream, counts, reference)
        return counts

    def commit(self, summary: RunSummary) -> CommittedSnapshot:
        """Make the snapshot exist in every store that is still in use; raises ``StoreError`` when there is none."""
        container = self._container.finish()
        self._take_totals(self._container.totals)
        entries, entries_size = self._write_entries()
        for line in self._all_lines:
            line.flush()
        self._sink.nodes.flush()
        self._shipper.finish()
        self._write_segment(last=True)
        committed = self._material.lane.commit(
            SnapshotToCommit(
                summary=summary,
                entries=entries,
                entries_size=entries_size,
                containers=() if container is None else (container,),
                bitmaps=self._needs.bitmaps(),
                packs_written=self._shipper.totals.packs,
                bytes_stored=self._shipper.totals.bytes,
            )
        )
        return CommittedSnapshot(
            run=self._material.run,
            lane=self._material.lane.lane,
            sequence=committed.sequence,
            manifest_digest=committed.manifest_digest,
            bytes_stored=self._shipper.totals.bytes + committed.bytes_stored,
            objects_stored=self._shipper.totals.packs + self._segments.written + committed.objects_stored,
            totals=self._totals,
            upload_seconds=self._shipper.totals.busy_seconds,
            copies=tuple(replica.name for replica in self._material.replicas.alive),
            dropped=self._material.replicas.dropped,
        )

    def stop(self) -> None:
        """Make every ``store`` that is under way fail soon; may be called from any thread."""
        self._shipper.stop()

    def close(self) -> None:
        """End the run; what was not committed does not exist, its packs wait for the next run to take them over."""
        if not self._closed:
            self._closed = True
            self._shipper.stop()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._material.index.close()

    # -- one stream

    def _feed(
        self, stream: StreamToStore, digest: StreamDigest, pieces: Iterable[Bytes]
    ) -> tuple[TreeWriter | None, bytes]:
        """Digest and store the pieces; a stream that ends below ``SMALL_STREAM_BYTES`` is returned whole instead."""
        held = bytearray()
        tree: TreeWriter | None = None
        for piece in pieces:
            digest.feed(piece)
            if tree is not None:
                tree.write(piece)
                continue
            held += piece
            if len(held) >= SMALL_STREAM_BYTES:
                self._container.skip(stream.ordinal)
                tree = TreeWriter(self._sink, self._take_line(), stream.ordinal)
                tree.write(held)
                held = bytearray()
        return tree, bytes(held)

    def _remember(self, stream: StreamToStore, counts: StreamCounts, tree: Reference | None) -> None:
        entry = Entry(
            name=stream.name,
            kind=stream.kind,
            size_bytes=counts.size_bytes,
            tree=tree,
            container=None,
            digest=counts.bytes_digest,
            row_format=stream.row_format,
            rows=counts.rows,
            row_digest=counts.buckets,
            canonical_columns=dict(stream.canonical_columns),
            attributes=stream.attributes,
        )
        with self._lock:
            if stream.ordinal in self._entries:
                raise Bug(f"two streams with ordinal {stream.ordinal}")
            self._entries[stream.ordinal] = entry

    def _write_entries(self) -> tuple[Reference | None, int]:
        """Write the entries stream, in the order of the ordinals; return its tree and size."""
        if not self._entries:
            return None, 0
        writer = TreeWriter(self._sink, self._take_line(), ENTRIES_ORDINAL)
        size = 0
        for ordinal, entry in sorted(self._entries.items()):
            raw = entry.placed(self._container.place_of(ordinal)).encode()
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

    def _new_line(self) -> PackLine:
        line = PackLine(self._shipper)
        with self._lock:
            self._all_lines.append(line)
        return line

    def _give_back(self, tree: TreeWriter) -> None:
        self._take_totals(tree.totals)
        self._lines.put(tree.line)

    def _take_totals(self, totals: StreamTotals) -> None:
        with self._lock:
            self._totals.add(totals)

    def _on_shipped(self, shipped: ShippedPack) -> None:
        with self._lock:
            self._segments.waiting.append(shipped)
        self._write_segment(last=False)

    def _write_segment(self, *, last: bool) -> None:
        """Put an index segment when one is due, so that a run that dies leaves its packs to the next one."""
        now = self._clock.monotonic_seconds()
        with self._lock:
            segments = self._segments
            due = len(segments.waiting) >= SEGMENT_PACKS or now - segments.last_at >= SEGMENT_SECONDS or last
            if not due or not segments.waiting:
                return
            taken, segments.waiting = segments.waiting, []
            number, segments.written, segments.last_at = segments.written, segments.written + 1, now
        material = self._material
        segment = IndexSegment(
            packs=tuple(shipped.pack for shipped in taken),
            entries=tuple(entry for shipped in taken for entry in shipped.entries),
        )
        sealed = segment.seal(
            material.lane_keys.index_key,
            self._random_bytes(32),
            repository=material.lane.repository,
            lane=material.lane.lane,
            run=material.run,
            number=number,
        )
        name = names.index_segment(material.lane.lane, material.run, number)
        material.replicas.put_once(name, sealed)

    # -- parts

    def _make_sealer(self, compression_level: int) -> Sealer:
        material = self._material
        return Sealer(
            run_key=material.run_keys.run_key,
            chunk_id_key=material.lane_keys.chunk_id_key,
            context=RecordContext(material.lane.repository, material.lane.lane, material.run),
            compression_level=compression_level,
            random_bytes=self._random_bytes,
        )

    def _make_shipper(self) -> Shipper:
        material = self._material
        identity = PackIdentity(
            repository=material.lane.repository,
            lane=material.lane.lane,
            run=material.run,
            run_record=material.run_record,
        )
        return Shipper(
            identity,
            material.replicas,
            on_shipped=self._on_shipped,
            monotonic_seconds=self._clock.monotonic_seconds,
            make_padding=self._sealer.padding,
        )

    def _make_sink(self) -> StreamSink:
        material = self._material
        nodes = NodeStore(
            run=material.run,
            sealer=self._sealer,
            index=material.index,
            needs=self._needs,
            first=PackLine(self._shipper, copy=0),
            second=PackLine(self._shipper, copy=1),
        )
        return StreamSink(
            run=material.run,
            sealer=self._sealer,
            index=material.index,
            needs=self._needs,
            nodes=nodes,
            pool=self._pool,
            chunker_seed=material.lane_keys.chunker_seed,
        )

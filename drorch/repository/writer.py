"""Add one snapshot to a lane: ``begin_run`` -> ``store`` each stream -> ``commit``.

The order of writing is that of docs/FORMAT.md section 12; ``lane`` holds the commit protocol.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from drorch.clock import Clock
from drorch.errors import Bug
from drorch.format.digests import StreamCounts, StreamDigest
from drorch.format.entries import DEFINING_KINDS, ROW_FORMAT_NONE, Entry
from drorch.format.manifest import SealedBody
from drorch.format.pack import ListedPack
from drorch.format.row_lanes import digester_in_lanes
from drorch.format.tree import Reference
from drorch.repository.aside import Aside, Slip
from drorch.repository.busy import IN_POOL, BusyTimes, Stage, StageTime
from drorch.repository.carrying import Carrying
from drorch.repository.closing_run import manifest_of, put_pack_list
from drorch.repository.containers import SMALL_STREAM_BYTES, ContainerWriter
from drorch.repository.deltas import BaseRoom
from drorch.repository.lane import SecondCopy
from drorch.repository.needs import NeedsCollector
from drorch.repository.pack_lines import PackLines
from drorch.repository.packing import UPLOADS, PackLine, ShippedPack
from drorch.repository.row_workers import RowWorkers
from drorch.repository.run_material import RunMaterial
from drorch.repository.run_parts import CommittedSnapshot, FinishedRun, RunSummary, StreamToStore
from drorch.repository.sealing import SALT_BYTES
from drorch.repository.segments import SegmentWriter
from drorch.repository.streams import CHUNKER_PARAMETERS, SMALL_CHUNKS, StreamSink, StreamTotals, TreeWriter
from drorch.repository.trees import NodeStore
from drorch.repository.twins import TwinLines
from drorch.repository.writer_parts import deltas_of, make_sealer, make_shipper
from drorch.storage.interface import Bytes

CONTAINER_ORDINAL = 2**31
ENTRIES_ORDINAL = 2**32 - 1
SLOW_NETWORK_LEVEL = 6  # 68 MB/s a core: as much as goes through a line of 400 Mbit/s


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
        self._needs = NeedsCollector(material.run)
        self._carrying = Carrying(material.index, self._needs)
        self._pool = ThreadPoolExecutor(seal_threads, thread_name_prefix="seal")
        self._sealer = make_sealer(material, self._level, random_bytes)
        self._shipper = make_shipper(material, self._sealer, self._busy, self._on_shipped)
        self._lines = PackLines(self._shipper)
        self._twin_lines = TwinLines(self._shipper)
        self._deltas = None if base_room is None else deltas_of(material, base_room, self._needs, random_bytes)
        self._sink = self._make_sink()
        self._container = ContainerWriter(lambda: TreeWriter(self._sink, self._lines.new(), CONTAINER_ORDINAL))
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

    def ship_streams(self) -> None:
        """Put what lies in packs that are not full, while no stream is being stored: what follows goes elsewhere, and has its room."""
        self._lines.flush()

    def commit(self, summary: RunSummary) -> CommittedSnapshot:
        """Finish and decide."""
        return self.decide(self.finish(summary))

    def finish(self, summary: RunSummary) -> FinishedRun:
        """Put all that the snapshot needs but its manifest: it does not exist yet. This may take as long as an upload does."""
        container = self._container.finish()
        self._take_totals(self._container.totals)
        entries, entries_size = self._write_entries()
        self._lines.flush()
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
        return FinishedRun(summary, body, put_pack_list(self._material, self._packs, self._clock))

    def decide(self, finished: FinishedRun, require_wanted: Callable[[], None] = lambda: None) -> CommittedSnapshot:
        """Make the snapshot exist in every store that is still in use; raises ``StoreError`` or ``RunVoided`` when there is none.

        Few and small requests. ``require_wanted`` raises when it is no longer wanted, and is asked before the first of them.
        """
        material = self._material
        summary, body, pack_list = finished.summary, finished.body, finished.pack_list
        sealed = body.seal(material.run_keys.run_key, self._random_bytes(SALT_BYTES), material.context)
        totals = self._shipper.totals
        manifest = manifest_of(material, summary, self._needs, totals.bytes)
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
        line = self._twin_lines if stream.kind in DEFINING_KINDS else self._lines.take()
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

    # -- packs

    def _give_back(self, tree: TreeWriter) -> None:
        self._take_totals(tree.totals)
        if tree.delta_line is not None:
            self._lines.give_back_for_deltas(tree.delta_line)
        if isinstance(tree.line, PackLine):
            self._lines.give_back(tree.line)

    def _take_totals(self, totals: StreamTotals) -> None:
        with self._lock:
            self._totals.add(totals)

    def _on_shipped(self, shipped: ShippedPack) -> None:
        with self._lock:
            self._packs[shipped.pack.ordinal] = ListedPack(shipped.pack.digest, shipped.pack.size_bytes)
        self._segments.add(shipped)

    # -- parts

    def _level(self) -> int:
        """Return how hard the next chunk is compressed: where the network is the limit there is time for more."""
        is_higher = not self._is_level_fixed and self._shipper.is_behind
        return SLOW_NETWORK_LEVEL if is_higher else self._compression_level

    def _stage_times(self) -> Iterator[StageTime]:
        """Yield the times of the stages here; of those of streams for one thread, since who calls knows how many there are."""
        for stage in Stage:
            threads = self._seal_threads if stage in IN_POOL else UPLOADS if stage is Stage.UPLOAD else 1
            yield StageTime(stage, self._busy.seconds(stage), threads)

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
            take_line=self._lines.take_for_deltas,
            chunker_seed=material.lane_keys.chunker_seed,
        )

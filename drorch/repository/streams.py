"""Store one stream: count it, cut it, keep the chunks that are new, grow its tree.

The calling thread reads, digests and cuts; sealing runs in a shared pool; records are placed in stream order by the
calling thread, so that a restore finds neighbours side by side. At most ``WINDOW_CHUNKS`` chunks are in memory per stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial

from drorch.format.chunking import Chunker, ChunkerParameters
from drorch.format.index import IndexEntry
from drorch.format.record import KIND_CHUNK, chunk_id
from drorch.format.tree import ChunkPlace, LeafEntry, Reference
from drorch.ids import ChunkId, RunId
from drorch.repository.index import Known, LaneIndex
from drorch.repository.needs import NeedsCollector
from drorch.repository.sealing import Sealer
from drorch.repository.trees import NodeStore, StreamTree
from drorch.repository.twins import Line
from drorch.storage.interface import Bytes

WINDOW_CHUNKS = 6
CHUNKER_PARAMETERS = ChunkerParameters()

SMALL_CHUNKS = ChunkerParameters(min=16 * 2**10, average=64 * 2**10, max=256 * 2**10)

@dataclass(slots=True, kw_only=True)
class StreamTotals:
    """What became of the chunks of a run, in plain bytes and chunks."""

    new_chunks: int = 0
    new_bytes: int = 0
    known_chunks: int = 0
    known_bytes: int = 0

    def add(self, other: StreamTotals) -> None:
        """Add what another stream counted."""
        self.new_chunks += other.new_chunks
        self.new_bytes += other.new_bytes
        self.known_chunks += other.known_chunks
        self.known_bytes += other.known_bytes


@dataclass(slots=True)
class _Slot:
    """A chunk on its way: known already, or being sealed, or a repetition of one that is (``same_as``)."""

    identity: ChunkId
    plain_length: int
    known: Known | None = None
    sealed: Future[tuple[bytes, ...]] | None = None
    same_as: _Slot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSink:
    """What all streams of a run share."""

    run: RunId
    sealer: Sealer
    index: LaneIndex
    needs: NeedsCollector
    nodes: NodeStore
    pool: Executor
    chunker_seed: int = field(repr=False)


class TreeWriter:
    """Writes one stream that lies in a tree of its own. Used by one thread.

    ``noted``, if given, is told of every pack that this stream needs.
    """

    def __init__(
        self,
        sink: StreamSink,
        line: Line,
        ordinal: int,
        noted: NeedsCollector | None = None,
        parameters: ChunkerParameters = CHUNKER_PARAMETERS,
    ) -> None:
        self.totals = StreamTotals()
        self.noted = noted
        self._sink = sink
        self.line = line
        self._ordinal = ordinal
        self._offset = 0
        self._chunker = Chunker(sink.chunker_seed, parameters)
        self._tree = StreamTree(sink.nodes, noted)
        self._window: deque[_Slot] = deque()
        self._sealing: dict[bytes, _Slot] = {}

    def write(self, piece: Bytes) -> None:
        """Take the next bytes of the stream; ``piece`` may be reused by the caller afterwards."""
        self._take(self._chunker.feed(piece))

    def finish(self) -> Reference:
        """Store what is left and return the reference to the tree; the stream had at least one byte."""
        self._take(self._chunker.finish())
        while self._window:
            self._settle(self._window.popleft())
        return self._tree.finish()

    def _take(self, chunks: Iterable[Bytes]) -> None:
        for chunk in chunks:
            self._window.append(self._begin(chunk))
            while len(self._window) > WINDOW_CHUNKS:
                self._settle(self._window.popleft())

    def _begin(self, plain: Bytes) -> _Slot:
        sink = self._sink
        identity = chunk_id(sink.sealer.chunk_id_key, KIND_CHUNK, plain)
        known = sink.index.find(identity)
        if known is not None and not self._may_reuse(known):
            known = None
        slot = _Slot(identity, len(plain), known=known)
        if slot.known is None:
            slot.same_as = self._sealing.get(identity.raw)
            if slot.same_as is None:
                self._sealing[identity.raw] = slot
                slot.sealed = sink.pool.submit(self._seal, identity, plain, self._offset)
        self._offset += len(plain)
        return slot

    def _may_reuse(self, known: Known) -> bool:
        """A chunk that must stand twice and stands once is stored afresh, like one whose run is one too many."""
        return (known.twin is not None or self.line.copies == 1) and self._sink.needs.admits(known.run)

    def _seal(self, identity: ChunkId, plain: Bytes, offset: int) -> tuple[bytes, ...]:
        seal = self._sink.sealer.seal
        return tuple(seal(KIND_CHUNK, identity, plain, self._ordinal, offset) for _ in range(self.line.copies))

    def _settle(self, slot: _Slot) -> None:
        """Place the chunk if it is new, and append it to the tree."""
        if slot.sealed is not None:
            slot.known = self._place(slot, slot.sealed.result())
            self.totals.new_chunks += 1
            self.totals.new_bytes += slot.plain_length
        else:
            self.totals.known_chunks += 1
            self.totals.known_bytes += slot.plain_length
        known = slot.same_as.known if slot.same_as is not None else slot.known
        assert known is not None
        self._sink.needs.add(known.run, known.place, known.twin)
        if self.noted is not None:
            self.noted.add(known.run, known.place, known.twin)
        self._tree.add(LeafEntry(ChunkPlace(slot.identity, known.run, known.place, known.twin), slot.plain_length))

    def _place(self, slot: _Slot, records: tuple[bytes, ...]) -> Known:
        entry = self.line.keep(records, partial(IndexEntry, slot.identity, KIND_CHUNK, slot.plain_length))
        self._sink.index.add_fresh(entry, self._sink.run)
        del self._sealing[slot.identity.raw]
        return Known(self._sink.run, entry.place, entry.twin)

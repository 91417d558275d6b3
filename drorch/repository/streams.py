"""Store one stream: count it, cut it, keep the chunks that are new, grow its tree.

The calling thread reads, digests and cuts; sealing runs in a shared pool; records are placed in stream order by the
calling thread, so that a restore finds neighbours side by side. At most ``WINDOW_CHUNKS`` chunks are in memory per stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, fields
from functools import partial

from drorch.format.chunking import Chunker, ChunkerParameters
from drorch.format.index import IndexEntry
from drorch.format.record import KIND_CHUNK, RecordHeader, chunk_id
from drorch.format.tree import ChunkPlace, LeafEntry, Reference
from drorch.ids import ChunkId, RunId
from drorch.repository.busy import BusyTimes, Stage
from drorch.repository.deltas import Deltas, Plan
from drorch.repository.index import Known, LaneIndex
from drorch.repository.needs import NeedsCollector
from drorch.repository.packing import PackLine
from drorch.repository.sealing import Sealer
from drorch.repository.trees import NodeStore, StreamTree
from drorch.repository.twins import Line
from drorch.storage.interface import Bytes

WINDOW_CHUNKS = 6
SMALL_CHUNKS = ChunkerParameters(min=16 * 2**10, average=64 * 2**10, max=256 * 2**10)
CHUNKER_PARAMETERS = ChunkerParameters()
NO_PLAN = Plan()


@dataclass(slots=True, kw_only=True)
class StreamTotals:
    """What became of the chunks of a run, in plain bytes and chunks; ``delta_stored_bytes`` are those of the deltas.

    ``missed_bytes`` are the part of ``new_bytes`` that a larger base cache would have made deltas.
    """

    new_chunks: int = 0
    new_bytes: int = 0
    known_chunks: int = 0
    known_bytes: int = 0
    delta_chunks: int = 0
    delta_bytes: int = 0
    delta_stored_bytes: int = 0
    missed_bytes: int = 0

    def add(self, other: StreamTotals) -> None:
        """Add what another stream counted."""
        for counted in fields(self):
            setattr(self, counted.name, getattr(self, counted.name) + getattr(other, counted.name))


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A chunk ready to be placed, once or twice, and by which plan it was made."""

    records: tuple[Bytes, ...]
    header: RecordHeader
    content: Bytes = field(repr=False)
    plan: Plan
    cached_bytes: int


@dataclass(slots=True)
class _Slot:
    """A chunk on its way: known already, or being sealed, or a repetition of one that is (``same_as``)."""

    identity: ChunkId
    plain_length: int
    known: Known | None = None
    sealed: Future[_Sealed] | None = None
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
    deltas: Deltas | None
    busy: BusyTimes
    take_line: Callable[[], PackLine]
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
        self.delta_line: PackLine | None = None
        self._ordinal = ordinal
        self._offset = 0
        self._chunker = Chunker(sink.chunker_seed, parameters)
        self._tree = StreamTree(sink.nodes, noted)
        self._window: deque[_Slot] = deque()
        self._sealing: dict[bytes, _Slot] = {}

    def write(self, piece: Bytes) -> None:
        """Take the next bytes of the stream; ``piece`` may be reused by the caller afterwards."""
        with self._sink.busy.at(Stage.CUT):
            chunks = self._chunker.feed(piece)
        self._take(chunks)

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
        with sink.busy.at(Stage.CUT):
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
        if known.twin is None and self.line.copies > 1:
            return False
        return all(map(self._sink.needs.admits, (known.run, *(base.run for base in known.bases))))

    def _seal(self, identity: ChunkId, plain: Bytes, offset: int) -> _Sealed:
        """Encode and seal a chunk: in full, or as a delta where that takes less than half as much."""
        sealer, deltas, busy = self._sink.sealer, self._sink.deltas, self._sink.busy
        with busy.at(Stage.LIKENESS):
            plan = NO_PLAN if deltas is None or self.line.copies > 1 else deltas.plan(identity, plain)
        with busy.at(Stage.COMPRESS):
            plan, header, content = self._encode(plan, identity, plain, offset)
        with busy.at(Stage.SEAL):
            records = tuple(sealer.seal_encoded(header, content) for _ in range(self.line.copies))
        with busy.at(Stage.KEEP):
            cached = 0 if deltas is None else deltas.keep(plan, header, content)
        return _Sealed(records, header, content, plan, cached)

    def _encode(self, plan: Plan, identity: ChunkId, plain: Bytes, offset: int) -> tuple[Plan, RecordHeader, Bytes]:
        encode = partial(self._sink.sealer.encode, KIND_CHUNK, identity, plain, self._ordinal, offset)
        if plan.base is None:
            header, content = encode()
        else:
            header, content = encode((plan.base.anchor.identity, plan.base.plain))
            if len(content) > plan.base.most_bytes:
                plan = plan.without_base()
                header, content = encode()
        return plan, header, content

    def _settle(self, slot: _Slot) -> None:
        """Place the chunk if it is new, and append it to the tree."""
        known = slot.same_as.known if slot.same_as is not None else slot.known
        if slot.sealed is not None:
            with self._sink.busy.at(Stage.AWAIT_CHUNK):
                sealed = slot.sealed.result()
            known = slot.known = self._place(slot, sealed)
        else:
            self.totals.known_chunks += 1
            self.totals.known_bytes += slot.plain_length
        assert known is not None
        chunk = ChunkPlace(slot.identity, known.run, known.place, known.twin)
        for place in (chunk, *known.bases):
            self._sink.needs.add(place.run, place.place, place.twin)
            if self.noted is not None:
                self.noted.add(place.run, place.place, place.twin)
        if slot.known is known and slot.sealed is None and self._sink.deltas is not None:
            self._sink.deltas.seen(slot.identity, known)
        self._tree.add(LeafEntry(chunk, slot.plain_length, known.bases))

    def _place(self, slot: _Slot, sealed: _Sealed) -> Known:
        base = sealed.plan.base
        base_id = None if base is None else base.anchor.identity
        line = self.line if base is None else self._line_of_deltas()
        entry = line.keep(
            sealed.records, partial(IndexEntry, slot.identity, KIND_CHUNK, slot.plain_length, base=base_id)
        )
        with self._sink.busy.at(Stage.PLACE):
            self._sink.index.add_fresh(entry, self._sink.run)
            del self._sealing[slot.identity.raw]
            if self._sink.deltas is not None:
                self._sink.deltas.stored(sealed.plan, sealed.header, sealed.content, sealed.cached_bytes)
        self._count(slot, sealed)
        return Known(self._sink.run, entry.place, entry.twin, () if base is None else base.places)

    def _line_of_deltas(self) -> PackLine:
        """Deltas go into packs of their own: they are gone before their bases are."""
        if self.delta_line is None:
            self.delta_line = self._sink.take_line()
        return self.delta_line

    def _count(self, slot: _Slot, sealed: _Sealed) -> None:
        totals = self.totals
        if sealed.plan.base is not None:
            totals.delta_chunks += 1
            totals.delta_bytes += slot.plain_length
            totals.delta_stored_bytes += len(sealed.content)
            return
        totals.new_chunks += 1
        totals.new_bytes += slot.plain_length
        if sealed.plan.is_missed:
            totals.missed_bytes += slot.plain_length

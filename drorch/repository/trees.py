"""Write the tree of a stream: nodes are deduplicated like chunks, and every new node is kept in two packs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from drorch.errors import Bug
from drorch.format.index import IndexEntry
from drorch.format.record import KIND_NODE, chunk_id
from drorch.format.tree import LeafEntry, Place, Reference, TreeBuilder
from drorch.ids import ChunkId, RunId
from drorch.repository.index import Known, LaneIndex
from drorch.repository.needs import NeedsCollector
from drorch.repository.packing import PackLine
from drorch.repository.sealing import Sealer


@dataclass(slots=True, kw_only=True)
class NodeStore:
    """Where tree nodes go: two lines of packs of their own, shared by all streams of a run."""

    run: RunId
    sealer: Sealer
    index: LaneIndex
    needs: NeedsCollector
    first: PackLine
    second: PackLine
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, level: int, node: bytes) -> tuple[RunId, Place, Place | None, ChunkId]:
        """Return where the node lies: an equal one that is known, or the two new records."""
        del level
        identity = chunk_id(self.sealer.chunk_id_key, KIND_NODE, node)
        with self._lock:
            known = self.index.find(identity)
            if known is None or known.twin is None or not self.needs.admits(known.run):
                known = self._store(identity, node)
        self.needs.add(known.run, known.place.ordinal)
        if known.twin is not None:
            self.needs.add(known.run, known.twin.ordinal)
        return known.run, known.place, known.twin, identity

    def flush(self) -> None:
        """Ship what is left in the two lines."""
        with self._lock:
            self.first.flush()
            self.second.flush()

    def _store(self, identity: ChunkId, node: bytes) -> Known:
        places = [line.place(self.sealer.seal(KIND_NODE, identity, node, 0, 0)) for line in (self.first, self.second)]
        entry = IndexEntry(chunk_id=identity, kind=KIND_NODE, plain_length=len(node), place=places[0], twin=places[1])
        self.index.add_fresh(entry, self.run)
        self.first.describe(entry)
        self.second.ship_when_full()
        return Known(self.run, places[0], places[1])


class StreamTree:
    """The tree of one stream, grown leaf entry by leaf entry."""

    def __init__(self, nodes: NodeStore) -> None:
        self._builder = TreeBuilder(nodes.put)

    def add(self, entry: LeafEntry) -> None:
        """Append the next chunk of the stream."""
        self._builder.add(entry)

    def finish(self) -> Reference:
        """Write what is open and return the reference to the top node; the stream must have at least one chunk."""
        reference = self._builder.finish()
        if reference is None:
            raise Bug("a tree without chunks")
        return reference

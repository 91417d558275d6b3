"""Write the tree of a stream: nodes are deduplicated like chunks, and every new node is kept in two packs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial

from drorch.errors import Bug
from drorch.format.index import IndexEntry
from drorch.format.record import KIND_NODE, chunk_id
from drorch.format.tree import LeafEntry, Place, Reference, TreeBuilder
from drorch.ids import ChunkId, RunId
from drorch.repository.index import Known, LaneIndex
from drorch.repository.needs import NeedsCollector
from drorch.repository.sealing import Sealer
from drorch.repository.twins import TwinLines


@dataclass(slots=True, kw_only=True)
class NodeStore:
    """Where tree nodes go: two lines of packs, shared by all streams of a run."""

    run: RunId
    sealer: Sealer
    index: LaneIndex
    needs: NeedsCollector
    lines: TwinLines
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, level: int, node: bytes) -> tuple[RunId, Place, Place | None, ChunkId]:
        """Return where the node lies: an equal one that is known, or the two new records."""
        del level
        identity = chunk_id(self.sealer.chunk_id_key, KIND_NODE, node)
        with self._lock:
            known = self.index.find(identity)
            if known is None or known.twin is None or not self.needs.admits(known.run):
                known = self._store(identity, node)
        self.needs.add(known.run, known.place, known.twin)
        return known.run, known.place, known.twin, identity

    def _store(self, identity: ChunkId, node: bytes) -> Known:
        records = [self.sealer.seal(KIND_NODE, identity, node, 0, 0) for _ in range(self.lines.copies)]
        entry = self.lines.keep(records, partial(IndexEntry, identity, KIND_NODE, len(node)))
        self.index.add_fresh(entry, self.run)
        return Known(self.run, entry.place, entry.twin)


class StreamTree:
    """The tree of one stream, grown leaf entry by leaf entry; ``noted`` is told of the packs in which its nodes lie."""

    def __init__(self, nodes: NodeStore, noted: NeedsCollector | None = None) -> None:
        self._nodes = nodes
        self._noted = noted
        self._builder = TreeBuilder(self._put)

    def _put(self, level: int, node: bytes) -> tuple[RunId, Place, Place | None, ChunkId]:
        run, place, twin, identity = self._nodes.put(level, node)
        if self._noted is not None:
            self._noted.add(run, place, twin)
        return run, place, twin, identity

    def add(self, entry: LeafEntry) -> None:
        """Append the next chunk of the stream."""
        self._builder.add(entry)

    def finish(self) -> Reference:
        """Write what is open and return the reference to the top node; the stream must have at least one chunk."""
        reference = self._builder.finish()
        if reference is None:
            raise Bug("a tree without chunks")
        return reference

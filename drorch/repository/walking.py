"""Walk a stream's tree and hand out its bytes in order, reading ahead; memory stays flat however long the stream."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future

from drorch.errors import ObjectCorrupt
from drorch.format.tree import InnerEntry, LeafEntry, LeafNode, Reference, decode_node
from drorch.repository.fetching import LaneFetcher, Span, spans

READ_AHEAD_SPANS = 3


def leaf_entries(fetcher: LaneFetcher, reference: Reference) -> Iterator[LeafEntry]:
    """Yield the leaf entries of a tree in stream order; raises ``ObjectCorrupt`` when the tree is not what it says."""
    for leaf in leaves(fetcher, reference):
        yield from leaf.entries


def leaves(fetcher: LaneFetcher, reference: Reference) -> Iterator[LeafNode]:
    """Yield the leaf nodes of a tree in stream order."""
    top = InnerEntry(reference.plain_bytes, reference.chunk_id, reference.run, reference.place, reference.twin)
    yield from _leaves_below(fetcher, top, reference.level)


def _leaves_below(fetcher: LaneFetcher, child: InnerEntry, level: int) -> Iterator[LeafNode]:
    node = decode_node(fetcher.node(child.run, child.place, child.twin, child.chunk_id))
    below = sum(entry.plain_bytes for entry in node.entries)
    if (node.level, below) != (level, child.plain_bytes):
        raise ObjectCorrupt(
            "a tree node is not what its parent says",
            expected=f"level {level}, {child.plain_bytes} bytes",
            found=f"level {node.level}, {below} bytes",
        )
    if isinstance(node, LeafNode):
        yield node
        return
    for entry in node.entries:
        yield from _leaves_below(fetcher, entry, level - 1)


def plain_chunks(fetcher: LaneFetcher, reference: Reference, pool: Executor) -> Iterator[bytes]:
    """Yield the stream's chunks in order, every one verified; up to ``READ_AHEAD_SPANS`` reads run ahead in ``pool``."""
    ahead: deque[Future[list[bytes]]] = deque()
    upcoming = _all_spans(fetcher, reference)
    try:
        for span in itertools.islice(upcoming, READ_AHEAD_SPANS):
            ahead.append(pool.submit(fetcher.span, span))
        while ahead:
            ready = ahead.popleft().result()
            for span in itertools.islice(upcoming, 1):
                ahead.append(pool.submit(fetcher.span, span))
            yield from ready
    finally:
        for future in ahead:
            future.cancel()


def _all_spans(fetcher: LaneFetcher, reference: Reference) -> Iterator[Span]:
    for leaf in leaves(fetcher, reference):
        yield from spans(leaf.entries)

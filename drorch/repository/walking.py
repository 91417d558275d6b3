"""Walk a stream's tree and hand out its bytes in order, reading ahead; memory stays flat however long the stream."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future

from drorch.errors import ObjectCorrupt
from drorch.format.tree import InnerEntry, InnerNode, LeafEntry, LeafNode, Reference, decode_node
from drorch.repository.fetching import LaneFetcher, Span, spans

READ_AHEAD_SPANS = 3
ENTRIES_AT_ONCE = 256


def leaf_entries(fetcher: LaneFetcher, reference: Reference) -> Iterator[LeafEntry]:
    """Yield the leaf entries of a tree in stream order; raises ``ObjectCorrupt`` when the tree is not what it says."""
    for leaf in leaves(fetcher, reference):
        yield from leaf.entries


def leaves(fetcher: LaneFetcher, reference: Reference) -> Iterator[LeafNode]:
    """Yield the leaf nodes of a tree in stream order."""
    yield from _leaves_below(fetcher, _top(reference), reference.level)


def _top(reference: Reference) -> InnerEntry:
    return InnerEntry(reference.plain_bytes, reference.chunk_id, reference.run, reference.place, reference.twin)


def _leaves_below(fetcher: LaneFetcher, child: InnerEntry, level: int) -> Iterator[LeafNode]:
    node = _node(fetcher, child, level)
    if isinstance(node, LeafNode):
        yield node
        return
    for entry in node.entries:
        yield from _leaves_below(fetcher, entry, level - 1)


def _node(fetcher: LaneFetcher, child: InnerEntry, level: int) -> LeafNode | InnerNode:
    node = decode_node(fetcher.node(child.run, child.place, child.twin, child.chunk_id))
    below = sum(entry.plain_bytes for entry in node.entries)
    if (node.level, below) != (level, child.plain_bytes):
        raise ObjectCorrupt(
            "a tree node is not what its parent says",
            expected=f"level {level}, {child.plain_bytes} bytes",
            found=f"level {node.level}, {below} bytes",
        )
    return node


def plain_chunks(fetcher: LaneFetcher, reference: Reference, pool: Executor) -> Iterator[bytes]:
    """Yield the stream's chunks in order, every one verified; up to ``READ_AHEAD_SPANS`` reads run ahead in ``pool``."""
    yield from _read_ahead(fetcher, _all_spans(fetcher, reference), pool)


def plain_range(fetcher: LaneFetcher, reference: Reference, start: int, length: int, pool: Executor) -> Iterator[bytes]:
    """Yield ``length`` bytes from ``start`` on, fetching only the chunks that they lie in; raises ``ObjectCorrupt``."""
    if start + length > reference.plain_bytes:
        raise ObjectCorrupt(
            "a place lies outside of its stream",
            expected=f"at most {reference.plain_bytes} bytes",
            found=f"{length} bytes from byte {start}",
        )
    entries = _entries_between(fetcher, _top(reference), reference.level, start, start + length)
    first = next(entries, None)
    if first is None:
        return
    position, leaf = first
    wanted = itertools.chain([leaf], (entry for _, entry in entries))
    skip, left = start - position, length
    for plain in _read_ahead(fetcher, _spans_of(wanted), pool):
        piece = plain[skip : skip + left]
        skip, left = 0, left - len(piece)
        yield piece


def _entries_between(
    fetcher: LaneFetcher, child: InnerEntry, level: int, start: int, end: int, at: int = 0
) -> Iterator[tuple[int, LeafEntry]]:
    """Yield the leaf entries, with their positions, that hold something of the bytes ``start`` to ``end``; ``at`` is the child's."""
    node = _node(fetcher, child, level)
    for entry in node.entries:
        size = entry.plain_bytes
        if at < end and start < at + size:
            if isinstance(entry, LeafEntry):
                yield at, entry
            else:
                yield from _entries_between(fetcher, entry, level - 1, start, end, at)
        at += size


def _spans_of(entries: Iterator[LeafEntry]) -> Iterator[Span]:
    while batch := list(itertools.islice(entries, ENTRIES_AT_ONCE)):
        yield from spans(batch)


def _read_ahead(fetcher: LaneFetcher, upcoming: Iterator[Span], pool: Executor) -> Iterator[bytes]:
    ahead: deque[Future[list[bytes]]] = deque()
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

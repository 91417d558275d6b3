import struct

import pytest

from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt
from drorch.format.tree import (
    LEAST_ENTRIES,
    MOST_ENTRIES,
    NODE_LIMIT_BYTES,
    ChunkPlace,
    InnerEntry,
    InnerNode,
    LeafEntry,
    LeafNode,
    Place,
    Reference,
    TreeBuilder,
    decode_node,
    decode_twin,
    encode_node,
    encode_twin,
)
from drorch.ids import ChunkId, RunId
from tests.support.format_values import OTHER_RUN, RUN, fixed, reference


def chunk(number: int, run: RunId = RUN) -> ChunkPlace:
    return ChunkPlace(ChunkId(b"\xff" + fixed(f"chunk {number}", 31)), run, Place(number % 7, number, 300 + number))


def leaf(number: int, bases: int = 0, run: RunId = RUN) -> LeafEntry:
    return LeafEntry(chunk(number, run), 1_000 + number, tuple(chunk(10**6 + number + k) for k in range(bases)))


def cutting(number: int) -> LeafEntry:
    """An entry whose chunk id begins with ten zero bits."""
    return LeafEntry(ChunkPlace(ChunkId(b"\x00\x3f" + fixed(f"cut {number}", 30)), RUN, Place(0, number, 300)), 500)


class Nodes:
    """Where a builder's nodes go, in memory."""

    def __init__(self) -> None:
        self.stored: list[tuple[int, bytes]] = []

    def emit(self, level: int, node: bytes):
        self.stored.append((level, node))
        number = len(self.stored)
        return RUN, Place(1, number, len(node)), Place(2, number, len(node)), ChunkId(fixed(f"node {number}"))

    def node(self, place: Place) -> LeafNode | InnerNode:
        return decode_node(self.stored[place.offset - 1][1])

    def leaves(self, place: Place) -> list[LeafEntry]:
        node = self.node(place)
        if isinstance(node, LeafNode):
            return list(node.entries)
        return [entry for child in node.entries for entry in self.leaves(child.place)]


def build(entries) -> tuple[Nodes, Reference | None]:
    nodes = Nodes()
    builder = TreeBuilder(nodes.emit)
    for entry in entries:
        builder.add(entry)
    return nodes, builder.finish()


def test_places_and_references_have_their_sizes():
    one = reference()
    assert (len(one.place.encode()), len(one.encode())) == (12, 81)
    assert Reference.decode(one.encode()) == one
    without = Reference(RUN, one.place, None, one.chunk_id, 0, 1)
    assert Reference.decode(without.encode()) == without
    assert encode_twin(None) == b"\xff" * 12
    assert decode_twin(encode_twin(one.twin)) == one.twin


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        reference().encode()[:-1],
        reference(level=9).encode(),
        reference(plain_bytes=0).encode(),
        reference(plain_bytes=2**62 + 1).encode(),
    ],
)
def test_a_reference_out_of_bounds_is_refused(raw):
    with pytest.raises(ObjectCorrupt):
        Reference.decode(raw)


def test_a_leaf_comes_back_with_its_runs_in_the_order_of_first_use():
    entries = (leaf(1, run=OTHER_RUN), leaf(2, bases=4), leaf(3))
    raw = encode_node(0, entries)
    assert decode_node(raw) == LeafNode(entries)
    assert raw[:4] == b"\x01\x00\x00\x02"
    assert raw[4:36] == OTHER_RUN.raw + RUN.raw
    assert raw[36:40] == b"\x00\x00\x00\x03"


def test_an_inner_node_comes_back():
    entries = (
        InnerEntry(10, ChunkId(fixed("a")), RUN, Place(1, 2, 3), None),
        InnerEntry(20, ChunkId(fixed("b")), OTHER_RUN, Place(4, 5, 6), Place(7, 8, 9)),
    )
    assert decode_node(encode_node(3, entries)) == InnerNode(3, entries)


def damaged(raw: bytes, at: int, new: bytes) -> bytes:
    return raw[:at] + new + raw[at + len(new) :]


LEAF = encode_node(0, (leaf(1),))


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", ObjectCorrupt),
        (LEAF[:-1], ObjectCorrupt),
        (LEAF + b"x", ObjectCorrupt),
        (damaged(LEAF, 0, b"\x02"), FormatUnsupported),
        (damaged(LEAF, 1, b"\x09"), ObjectCorrupt),  # level
        (damaged(LEAF, 1, b"\x01"), ObjectCorrupt),  # a leaf that says it is none
        (damaged(LEAF, 2, b"\xff\xff"), ObjectCorrupt),  # runs
        (damaged(LEAF, 20, struct.pack(">I", 0)), ObjectCorrupt),  # entries
        (damaged(LEAF, 20, struct.pack(">I", 2)), ObjectCorrupt),
        (damaged(LEAF, 20, struct.pack(">I", MOST_ENTRIES + 1)), ObjectCorrupt),
        (damaged(LEAF, 24, b"\x05"), ObjectCorrupt),  # bases
        (damaged(LEAF, 25, struct.pack(">I", 2**24 + 1)), ObjectCorrupt),  # plain length
        (damaged(LEAF, 25, struct.pack(">I", 0)), ObjectCorrupt),
        (damaged(LEAF, 61, b"\x00\x01"), ObjectCorrupt),  # run index
        (LEAF + bytes(NODE_LIMIT_BYTES), ObjectCorrupt),
    ],
)
def test_what_is_no_node_is_refused(raw, error):
    with pytest.raises(error):
        decode_node(raw)


def test_an_empty_stream_has_no_tree():
    nodes, top = build([])
    assert (nodes.stored, top) == ([], None)


def test_one_chunk_is_a_tree_of_one_leaf():
    nodes, top = build([leaf(1)])
    assert top is not None
    assert (top.level, top.plain_bytes, len(nodes.stored)) == (0, 1_001, 1)
    assert nodes.leaves(top.place) == [leaf(1)]


@pytest.mark.parametrize("count", [2, LEAST_ENTRIES, 100, MOST_ENTRIES, MOST_ENTRIES + 1, 3 * MOST_ENTRIES + 5])
def test_every_tree_gives_its_chunks_back_in_order(count):
    entries = [leaf(number) for number in range(count)]
    nodes, top = build(entries)
    assert top is not None
    assert nodes.leaves(top.place) == entries
    assert top.plain_bytes == sum(entry.plain_length for entry in entries)
    assert top.level == (0 if count <= MOST_ENTRIES else 1)


def test_a_node_ends_after_an_entry_with_ten_zero_bits_once_it_has_sixteen():
    early = [*(leaf(number) for number in range(LEAST_ENTRIES - 2)), cutting(0), leaf(99), leaf(100)]
    assert len(build(early)[0].stored) == 1
    late = [*(leaf(number) for number in range(LEAST_ENTRIES - 1)), cutting(0), leaf(99), leaf(100)]
    nodes, top = build(late)
    assert [level for level, _ in nodes.stored] == [0, 0, 1]
    assert len(decode_node(nodes.stored[0][1]).entries) == LEAST_ENTRIES
    assert top is not None
    assert nodes.leaves(top.place) == late


def test_eleven_bits_are_not_asked_for_and_nine_not_enough():
    nine = LeafEntry(ChunkPlace(ChunkId(b"\x00\x40" + bytes(30)), RUN, Place(0, 0, 300)), 500)
    assert len(build([*(leaf(number) for number in range(20)), nine, leaf(99)])[0].stored) == 1


def test_a_node_that_a_cut_ends_exactly_leaves_no_empty_one():
    entries = [*(leaf(number) for number in range(20)), cutting(0)]
    nodes, top = build(entries)
    assert [level for level, _ in nodes.stored] == [0]
    assert top is not None
    assert nodes.leaves(top.place) == entries


def test_equal_stretches_make_equal_nodes():
    tail = [cutting(0), *(leaf(number) for number in range(1_000, 1_040)), cutting(1), leaf(5)]
    one = {node for _, node in build([leaf(number) for number in range(50)] + tail)[0].stored}
    other = {node for _, node in build([leaf(number) for number in range(77)] + tail)[0].stored}
    assert len(one & other) >= 2


def test_a_node_never_grows_beyond_its_limit():
    runs = [RunId(number.to_bytes(16, "big")) for number in range(2 * MOST_ENTRIES + 20)]
    entries = [
        LeafEntry(chunk(number, runs[2 * number]), 500, (chunk(number, runs[2 * number + 1]),) * 4)
        for number in range(MOST_ENTRIES + 10)
    ]
    nodes, top = build(entries)
    assert max(len(node) for _, node in nodes.stored) <= NODE_LIMIT_BYTES
    assert len(decode_node(nodes.stored[0][1]).entries) < MOST_ENTRIES
    assert top is not None
    assert nodes.leaves(top.place) == entries


def test_three_levels_hold():
    entries = [cutting(number) for number in range(LEAST_ENTRIES * 40)]

    class CuttingNodes(Nodes):
        def emit(self, level, node):
            run, place, twin, identity = super().emit(level, node)
            return run, place, twin, ChunkId(b"\x00\x00" + identity.raw[2:])

    nodes = CuttingNodes()
    builder = TreeBuilder(nodes.emit)
    for entry in entries:
        builder.add(entry)
    top = builder.finish()
    assert top is not None
    assert top.level == 2
    assert nodes.leaves(top.place) == entries


def test_entries_of_the_wrong_kind_are_a_bug():
    with pytest.raises(Bug):
        encode_node(1, (leaf(1),))
    with pytest.raises(Bug):
        encode_node(0, ())
    with pytest.raises(Bug):
        encode_node(0, (leaf(1, bases=5),))

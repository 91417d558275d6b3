"""Round trips and laws of the parts of ``drorch.format`` that take streams."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.format.chunking import Chunker, ChunkerParameters
from drorch.format.compression import compress, decompress, encode_chunk
from drorch.format.digests import StreamDigest, canonical_float4, canonical_float8, merge
from drorch.format.fields import Fields, encode_fields
from drorch.format.manifest import bitmap_of, ordinals_of
from drorch.format.pack import padded_size
from drorch.format.record import decode_content, open_record, seal_record
from drorch.format.tree import ChunkPlace, LeafEntry, LeafNode, Place, TreeBuilder, decode_node
from drorch.ids import ChunkId, RunId
from tests.support import format_values as values
from tests.support.format_values import fixed

SMALL = ChunkerParameters(min=64, average=256, max=1024)
CONTENT = fixed("content", 60_000)
CUTS = st.lists(st.integers(0, 60_000), max_size=30).map(sorted)


def pieces(content: bytes, cuts: list[int]) -> list[bytes]:
    ends = [*(min(cut, len(content)) for cut in cuts), len(content)]
    return [content[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def chunks(fed: list[bytes]) -> list[bytes]:
    chunker = Chunker(99, SMALL)
    return [bytes(chunk) for piece in fed for chunk in chunker.feed(piece)] + [
        bytes(chunk) for chunk in chunker.finish()
    ]


@given(cuts=CUTS, length=st.integers(0, 60_000))
def test_cut_points_do_not_depend_on_slices(cuts, length):
    content = CONTENT[:length]
    found = chunks(pieces(content, cuts))
    assert found == chunks([content])
    assert b"".join(found) == content


def test_cut_points_do_not_depend_on_slices_bytewise():
    assert chunks([CONTENT[at : at + 1] for at in range(20_000)]) == chunks([CONTENT[:20_000]])


@given(at=st.integers(0, 50_000), inserted=st.binary(max_size=50))
@settings(max_examples=40)
def test_a_change_moves_cuts_near_it_only(at, inserted):
    before, after = chunks([CONTENT]), chunks([CONTENT[:at] + inserted + CONTENT[at:]])
    assert len(set(after) - set(before)) <= 12


@given(
    plain=st.binary(min_size=1, max_size=3_000),
    level=st.integers(1, 4),
    base=st.none() | st.binary(min_size=1, max_size=500),
)
def test_frames_come_back(plain, level, base):
    assert decompress(compress(plain, level, base), len(plain), base) == plain


@given(plain=st.binary(max_size=2_000), salt=st.binary(min_size=32, max_size=32), kind=st.sampled_from([1, 2]))
def test_records_come_back(plain, salt, kind):
    codec, content = encode_chunk(plain, 1)
    header = values.header_of(plain, codec=codec, kind=kind)
    raw = seal_record(values.RUN_KEYS.run_key, salt, values.CONTEXT, header, content)
    opened, sealed = open_record(values.RUN_KEYS.run_key, values.CONTEXT, raw)
    assert opened == header
    assert decode_content(opened, sealed, None, values.LANE_KEYS.chunk_id_key) == plain


@given(found=st.lists(st.tuples(st.integers(1, 9), st.binary(max_size=20)), max_size=12))
def test_fields_come_back(found):
    ordered = sorted(found, key=lambda field: field[0])
    fields = Fields.parse(encode_fields(ordered), what="it", known=range(10), repeated=range(10))
    assert [(number, value) for number in range(10) for value in fields.many(number)] == ordered


@given(count=st.integers(0, 300), data=st.data())
def test_bitmaps_come_back(count, data):
    ordinals = data.draw(st.sets(st.integers(0, max(0, count - 1)), max_size=count))
    assert list(ordinals_of(bitmap_of(ordinals, count))) == sorted(ordinals)


@given(size=st.integers(0, 2**26))
def test_padding_never_shrinks_and_costs_at_most_an_eighth(size):
    assert size <= padded_size(size) <= size * 1.125


ROWS = st.lists(st.binary(max_size=30).map(lambda row: row.replace(b"\n", b"")), max_size=60)


@pytest.mark.parametrize("row_format", [1, 2])
@given(rows=ROWS, cuts=CUTS, shuffle=st.randoms(use_true_random=False), part=st.integers(0, 60))
def test_row_digests_do_not_depend_on_slices_order_or_parts(row_format, rows, cuts, shuffle, part):
    def stream(some: list[bytes]) -> bytes:
        if row_format == 1:
            return b"".join(row + b"\n" for row in some)
        return b"".join(struct.pack(">I", len(row)) + row for row in some)

    def count(some: list[bytes], at: list[int]):
        digest = StreamDigest(row_format, {}, fixed("rows"))
        for piece in pieces(stream(some), at):
            digest.feed(piece)
        return digest.finish()

    whole = count(rows, [])
    shuffled = rows[:]
    shuffle.shuffle(shuffled)
    assert count(rows, cuts) == whole
    assert (count(shuffled, cuts).rows, count(shuffled, []).buckets) == (len(rows), whole.buckets)
    merged = merge([count(rows[:part], []), count(rows[part:], [])])
    assert (merged.rows, merged.buckets) == (whole.rows, whole.buckets)


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_float8_text_of_every_server_has_one_form(number):
    seventeen = f"{number:.17g}".encode()
    assert canonical_float8(seventeen) == repr(number).encode()
    assert canonical_float8(canonical_float8(seventeen)) == canonical_float8(seventeen)


@given(number=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float4_text_of_every_server_has_one_form(number):
    canonical = canonical_float4(f"{number:.9g}".encode())
    assert struct.pack(">f", float(canonical)) == struct.pack(">f", number)
    assert canonical_float4(canonical) == canonical
    assert len(canonical) <= len(repr(number))


@given(cuts=st.lists(st.booleans(), min_size=1, max_size=200), runs=st.integers(1, 5))
@settings(max_examples=60)
def test_trees_give_their_chunks_back(cuts, runs):
    entries = [
        LeafEntry(
            ChunkPlace(
                ChunkId((b"\x00\x01" if cut else b"\xff\xff") + fixed(f"{number}", 30)),
                RunId(bytes([number % runs] * 16)),
                Place(number % 3, number, 200),
            ),
            number + 1,
        )
        for number, cut in enumerate(cuts)
    ]
    stored: list[bytes] = []

    def emit(_level: int, node: bytes):
        stored.append(node)
        return values.RUN, Place(0, len(stored) - 1, len(node)), None, ChunkId(fixed(f"node {node.hex()}"))

    builder = TreeBuilder(emit)
    for entry in entries:
        builder.add(entry)
    top = builder.finish()
    assert top is not None
    assert top.plain_bytes == sum(entry.plain_length for entry in entries)

    def leaves(place: Place, level: int) -> list[LeafEntry]:
        node = decode_node(stored[place.offset])
        assert node.level == level
        if isinstance(node, LeafNode):
            return list(node.entries)
        return [entry for child in node.entries for entry in leaves(child.place, level - 1)]

    assert leaves(top.place, top.level) == entries

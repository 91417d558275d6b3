import pytest

from drorch.errors import FormatUnsupported, ObjectCorrupt, SignatureInvalid
from drorch.format.index import IndexEntry, IndexPack, IndexSegment
from drorch.format.record import RecordContext
from drorch.format.tree import Place
from drorch.ids import ChunkId, Digest
from tests.support.format_values import CONTEXT, LANE, LANE_KEYS, OTHER_RUN, REPOSITORY, fixed

KEY = LANE_KEYS.index_key
SEGMENT = IndexSegment(
    context=CONTEXT,
    number=3,
    packs=(
        IndexPack(ordinal=0, digest=Digest(fixed("pack 0")), size_bytes=2**24),
        IndexPack(ordinal=5, digest=Digest(fixed("pack 5")), size_bytes=300),
    ),
    entries=(
        IndexEntry(chunk_id=ChunkId(fixed("a")), kind=1, plain_length=2**20, place=Place(0, 200, 300), twin=None),
        IndexEntry(
            chunk_id=ChunkId(fixed("b")), kind=2, plain_length=99, place=Place(0, 500, 400), twin=Place(5, 1, 2)
        ),
    ),
)


def sealed(segment: IndexSegment = SEGMENT) -> bytes:
    return segment.seal(KEY, fixed("salt"))


def opened(raw: bytes, *, context=CONTEXT, number=3, key=KEY) -> IndexSegment:
    return IndexSegment.open(key, raw, context=context, number=number)


def test_a_segment_comes_back():
    assert opened(sealed()) == SEGMENT
    empty = IndexSegment(context=CONTEXT, number=3, packs=(), entries=())
    assert opened(sealed(empty)) == empty


def test_a_segment_from_elsewhere_is_refused():
    with pytest.raises(SignatureInvalid):
        opened(sealed(), number=4)
    with pytest.raises(SignatureInvalid):
        opened(sealed(), context=RecordContext(REPOSITORY, LANE, OTHER_RUN))
    with pytest.raises(ObjectCorrupt):
        opened(sealed(), key=fixed("another lane"))


def test_every_byte_counts():
    raw = sealed()
    for position in range(0, len(raw), 3):
        damaged = bytearray(raw)
        damaged[position] ^= 4
        if position == 8:
            continue  # the minor version, which readers ignore
        with pytest.raises((ObjectCorrupt, SignatureInvalid, FormatUnsupported)):
            opened(bytes(damaged))
    for length in range(0, len(raw), 7):
        with pytest.raises(ObjectCorrupt):
            opened(raw[:length])

import pytest

from drorch.errors import Bug, ObjectCorrupt, SignatureInvalid
from drorch.format.objects import ObjectType, frame
from drorch.format.pack import (
    MOST_RECORDS,
    ListedPack,
    PackBuilder,
    PackHeader,
    PackList,
    pack_header_length,
    padded_size,
    parse_pack,
)
from drorch.format.record import OVERHEAD_BYTES, RecordHeader, open_record, seal_record
from drorch.ids import Digest
from tests.support.format_values import (
    AT,
    CONTEXT,
    LANE,
    MAINTAINERS,
    OTHER_RUN,
    REPOSITORY,
    RUN,
    RUN_KEYS,
    WRITER,
    WRITERS,
    fixed,
    header_of,
)

RUN_RECORD = b"a whole run record"


def record(number: int, size: int = 100) -> bytes:
    plain = fixed(f"record {number}", size)
    return bytes(seal_record(RUN_KEYS.run_key, fixed(f"salt {number}"), CONTEXT, header_of(plain), plain))


def padding(length: int) -> bytes:
    header = RecordHeader(kind=3, codec=0, plain_length=length, chunk_id=header_of(b"").base_id)
    return bytes(seal_record(RUN_KEYS.run_key, fixed(f"padding {length}"), CONTEXT, header, bytes(length)))


def builder() -> PackBuilder:
    return PackBuilder(REPOSITORY, LANE, RUN, RUN_RECORD, 1)


def test_records_lie_where_add_said():
    pack = builder()
    records = [record(number) for number in range(5)]
    offsets = [pack.add(one) for one in records]
    assert (pack.count, pack.size) == (5, offsets[-1] + len(records[-1]))
    content = pack.finish()
    header, found = parse_pack(content)
    assert header == PackHeader(repository=REPOSITORY, lane=LANE, run=RUN, run_record=RUN_RECORD, copy=1)
    assert list(found) == [(offset, len(one)) for offset, one in zip(offsets, records, strict=True)]
    assert pack_header_length(content[:13]) == offsets[0]
    assert content[offsets[2] : offsets[2] + len(records[2])] == records[2]


def test_the_last_pack_is_padded_to_a_size_that_tells_little():
    pack = builder()
    pack.add(record(0, 5_000))
    content = pack.finish(padding)
    assert len(content) == padded_size(len(content))
    *_, (offset, length) = parse_pack(content)[1]
    header, filler = open_record(RUN_KEYS.run_key, CONTEXT, content[offset : offset + length])
    assert (header.kind, header.plain_length) == (3, len(filler))


@pytest.mark.parametrize("size", range(20_000, 20_000 + 700, 23))
def test_a_gap_too_small_for_a_record_is_widened(size):
    pack = builder()
    pack.add(record(0, size - pack.size - OVERHEAD_BYTES))
    assert pack.size == size
    assert len(pack.finish(padding)) == padded_size(len(pack.finish()))


def test_padded_sizes():
    assert [padded_size(size) for size in (0, 1, 9, 1_000, 1_025, 2**24, 2**24 + 1)] == [
        0,
        1,
        10,
        1_024,
        1_088,
        2**24,
        2**24 + 2**19,
    ]
    for size in range(200, 100_000, 77):
        assert size <= padded_size(size) <= size * 1.12
        assert padded_size(padded_size(size)) == padded_size(size)


def test_a_pack_is_records_to_its_last_byte():
    pack = builder()
    pack.add(record(0))
    last = pack.add(record(1))
    content = bytes(pack.finish())
    for wrong in (content + b"\0", content + bytes(200), content[:-1], content[: last + 3]):
        with pytest.raises(ObjectCorrupt, match="a pack is damaged"):
            list(parse_pack(wrong)[1])
    assert list(parse_pack(content[:last])[1])  # records are whole, the digest in the name tells


def test_a_record_too_short_to_be_one_is_refused():
    head = PackHeader(repository=REPOSITORY, lane=LANE, run=RUN, run_record=b"").encode()
    short = frame(ObjectType.PACK, (OVERHEAD_BYTES - 5).to_bytes(4, "big") + bytes(OVERHEAD_BYTES - 5), head)
    with pytest.raises(ObjectCorrupt):
        list(parse_pack(short)[1])


def test_a_full_pack_takes_no_more():
    pack = builder()
    pack.count = MOST_RECORDS
    with pytest.raises(Bug):
        pack.add(record(0))


def test_a_header_that_does_not_fit_is_refused():
    for front in (b"", b"DRORCH\x04\x01\x00\xff\xff\xff\xff"):
        with pytest.raises(ObjectCorrupt):
            pack_header_length(front)


def pack_list() -> PackList:
    return PackList(run=RUN, packs=(ListedPack(Digest(fixed("a")), 100), ListedPack(Digest(fixed("b")), 2**26)))


def test_a_pack_list_comes_back():
    raw = pack_list().sign(repository=REPOSITORY, lane=LANE, made_at=AT, key=WRITER)
    found = PackList.verify(raw, repository=REPOSITORY, lane=LANE, run=RUN, allowed=WRITERS)
    assert (found.run, found.packs, found.signers) == (RUN, pack_list().packs, frozenset({WRITER.key_id}))
    with pytest.raises(SignatureInvalid):
        PackList.verify(raw, repository=REPOSITORY, lane=LANE, run=OTHER_RUN, allowed=WRITERS)
    with pytest.raises(SignatureInvalid):
        PackList.verify(raw, repository=REPOSITORY, lane=LANE, run=RUN, allowed=MAINTAINERS)


def test_a_run_without_packs_has_no_pack_list():
    with pytest.raises(Bug):
        PackList(run=RUN, packs=()).sign(repository=REPOSITORY, lane=LANE, made_at=AT, key=WRITER)

from dataclasses import replace

import pytest
from blake3 import blake3

from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt
from drorch.format.compression import compress
from drorch.format.record import (
    HEADER_BYTES,
    OVERHEAD_BYTES,
    RecordContext,
    chunk_id,
    decode_content,
    open_record,
    seal_record,
)
from drorch.ids import ChunkId, LaneId, RepositoryId
from tests.support.format_values import CONTEXT, LANE, LANE_KEYS, OTHER_RUN, REPOSITORY, RUN, RUN_KEYS, fixed, header_of

PLAIN = b"one chunk of a stream " * 50
SALT = fixed("salt")
KEY = LANE_KEYS.chunk_id_key


def sealed(header=None, content=PLAIN, salt=SALT) -> bytes:
    return bytes(seal_record(RUN_KEYS.run_key, salt, CONTEXT, header or header_of(PLAIN), content))


def test_the_header_has_84_bytes():
    assert HEADER_BYTES == 84
    assert len(sealed()) == OVERHEAD_BYTES + len(PLAIN)


def test_a_record_comes_back():
    header, content = open_record(RUN_KEYS.run_key, CONTEXT, sealed())
    assert header == header_of(PLAIN)
    assert decode_content(header, content, None, KEY) == PLAIN


def test_ids_cover_kind_and_content_under_the_key():
    assert chunk_id(KEY, 2, PLAIN).raw == blake3(b"\x02" + PLAIN, key=KEY).digest()
    assert len({chunk_id(KEY, 1, PLAIN), chunk_id(KEY, 2, PLAIN), chunk_id(fixed("other key"), 1, PLAIN)}) == 3


def test_a_compressed_record_comes_back():
    frame = compress(PLAIN, 3)
    header = header_of(PLAIN, codec=1)
    opened, content = open_record(RUN_KEYS.run_key, CONTEXT, sealed(header, frame))
    assert decode_content(opened, content, None, KEY) == PLAIN


def test_a_delta_needs_its_base_and_nothing_else_takes_one():
    base = PLAIN[:-5]
    header = header_of(PLAIN, codec=2, base=chunk_id(KEY, 1, base).raw)
    opened, content = open_record(RUN_KEYS.run_key, CONTEXT, sealed(header, compress(PLAIN, 3, base)))
    assert opened.base_id == chunk_id(KEY, 1, base)
    assert decode_content(opened, content, base, KEY) == PLAIN
    with pytest.raises(Bug):
        decode_content(opened, content, None, KEY)
    with pytest.raises(Bug):
        decode_content(header_of(PLAIN), PLAIN, base, KEY)


@pytest.mark.parametrize(
    "context",
    [
        RecordContext(RepositoryId(bytes(16)), LANE, RUN),
        RecordContext(REPOSITORY, LaneId(bytes(16)), RUN),
        RecordContext(REPOSITORY, LANE, OTHER_RUN),
    ],
    ids=["repository", "lane", "run"],
)
def test_a_record_opens_in_its_own_run_only(context):
    with pytest.raises(ObjectCorrupt, match="fails its tag"):
        open_record(RUN_KEYS.run_key, context, sealed())


def test_a_record_opens_with_its_own_key_only():
    with pytest.raises(ObjectCorrupt):
        open_record(fixed("another run key"), CONTEXT, sealed())


def test_every_byte_counts():
    raw = sealed()
    for position in range(len(raw)):
        damaged = bytearray(raw)
        damaged[position] ^= 0x40
        with pytest.raises(ObjectCorrupt):
            open_record(RUN_KEYS.run_key, CONTEXT, damaged)


@pytest.mark.parametrize("length", [0, 3, 4, 100, OVERHEAD_BYTES - 1, OVERHEAD_BYTES + 5])
def test_a_record_cut_short_is_refused(length):
    with pytest.raises(ObjectCorrupt):
        open_record(RUN_KEYS.run_key, CONTEXT, sealed()[:length])


@pytest.mark.parametrize("changes", [{"kind": 0}, {"kind": 4}, {"codec": 3}], ids=str)
def test_kinds_and_codecs_of_a_newer_drorch_are_refused(changes):
    with pytest.raises(FormatUnsupported):
        open_record(RUN_KEYS.run_key, CONTEXT, sealed(replace(header_of(PLAIN), **changes)))


def test_a_base_stands_with_deltas_only():
    for header in (replace(header_of(PLAIN), base_id=ChunkId(fixed("base"))), header_of(PLAIN, codec=2)):
        with pytest.raises(ObjectCorrupt):
            open_record(RUN_KEYS.run_key, CONTEXT, sealed(header))


def test_a_chunk_that_is_not_what_its_id_says_is_refused():
    header = replace(header_of(PLAIN), chunk_id=ChunkId(fixed("another")))
    with pytest.raises(ObjectCorrupt, match="not what its id says"):
        decode_content(header, PLAIN, None, KEY)
    with pytest.raises(ObjectCorrupt, match="another length"):
        decode_content(header_of(PLAIN), PLAIN + b"x", None, KEY)
    with pytest.raises(ObjectCorrupt):
        decode_content(replace(header_of(PLAIN), kind=2), PLAIN, None, KEY)


def test_limits_and_salts_are_ours_to_keep():
    with pytest.raises(Bug):
        sealed(salt=b"short")
    with pytest.raises(Bug):
        sealed(replace(header_of(PLAIN), plain_length=2**24 + 1))


def test_a_chunk_too_long_for_memory_is_refused_before_it_is_decoded(monkeypatch):
    with monkeypatch.context() as careless:
        careless.setattr("drorch.format.record.CHUNK_LIMIT_BYTES", 2**32)
        raw = sealed(replace(header_of(PLAIN), plain_length=2**24 + 1))
    with pytest.raises(ObjectCorrupt, match="too long"):
        open_record(RUN_KEYS.run_key, CONTEXT, raw)


def test_another_salt_gives_other_bytes():
    assert sealed()[36:] != sealed(salt=fixed("another salt"))[36:]

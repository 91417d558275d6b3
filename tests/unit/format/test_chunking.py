import itertools

import pytest

from drorch.format.chunking import Chunker, ChunkerParameters
from tests.support.format_values import fixed

SMALL = ChunkerParameters(min=256, average=1024, max=4096)
DATA = fixed("chunker", 100_000)


def cut(pieces, parameters=SMALL, seed=7) -> list[bytes]:
    chunker = Chunker(seed, parameters)
    chunks = [bytes(chunk) for piece in pieces for chunk in chunker.feed(piece)]
    return chunks + [bytes(chunk) for chunk in chunker.finish()]


def slices(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def test_chunks_make_up_the_stream():
    chunks = cut([DATA])
    assert b"".join(chunks) == DATA
    assert all(len(chunk) <= SMALL.max for chunk in chunks)
    assert all(len(chunk) >= SMALL.min for chunk in chunks[:-1])


@pytest.mark.parametrize("size", [1, 255, 4096, 8192, 8193, 99_999])
def test_cut_points_do_not_depend_on_how_the_stream_is_fed(size):
    assert cut(slices(DATA, size)) == cut([DATA])


def test_an_insertion_moves_few_cuts():
    changed = cut([DATA[:500] + b"inserted" + DATA[500:]])
    before = set(cut([DATA]))
    assert len([chunk for chunk in changed if chunk not in before]) <= 3


def test_other_seeds_cut_elsewhere():
    assert cut([DATA], seed=1) != cut([DATA], seed=2**63 - 1)


def test_bytes_that_never_cut_end_at_the_maximum():
    chunks = cut([bytes(20_000)])
    assert set(map(len, chunks[:-1])) == {SMALL.max}


def test_an_empty_stream_has_no_chunk():
    assert cut([]) == cut([b"", b""]) == []


def test_chunks_stay_what_they_were():
    chunker = Chunker(7, SMALL)
    piece = bytearray(DATA[:50_000])
    chunks = chunker.feed(piece)
    seen = [bytes(chunk) for chunk in chunks]
    piece[:] = bytes(len(piece))  # the caller reuses its buffer
    list(itertools.chain(chunker.feed(DATA[50_000:]), chunker.finish()))
    assert [bytes(chunk) for chunk in chunks] == seen
    assert len(seen) > 10

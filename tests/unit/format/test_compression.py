import threading

import pytest
import zstandard

from drorch.errors import Bug, ObjectCorrupt
from drorch.format import compression
from drorch.format.compression import compress, declared_length, decompress, encode_chunk
from tests.support.format_values import fixed

TEXT = b"".join(b"%d\tThua dat so %d\tHa Noi\n" % (number, number % 97) for number in range(20_000))
NOISE = fixed("noise", 300_000)


@pytest.mark.parametrize("level", [1, 3, 6, 19])
def test_a_frame_comes_back(level):
    assert decompress(compress(TEXT, level), len(TEXT)) == TEXT


def test_levels_that_need_too_much_memory_are_refused():
    for level in (-1, 0, 20, 22):
        with pytest.raises(Bug):
            compress(TEXT, level)


def test_a_delta_is_small_and_needs_its_base():
    changed = TEXT[:1000] + b"changed" + TEXT[1000:]
    delta = compress(changed, 1, TEXT)
    assert len(delta) < len(compress(changed, 1)) / 5
    assert decompress(delta, len(changed), TEXT) == changed
    with pytest.raises(ObjectCorrupt):
        decompress(delta, len(changed))
    with pytest.raises(ObjectCorrupt):
        decompress(delta, len(changed), TEXT[:5000])


def test_deltas_reach_over_a_whole_base():
    base = fixed("base", 3_000_000)
    plain = base[2_900_000:] + base[:2_900_000]
    assert len(compress(plain, 1, base)) < 2_000


@pytest.mark.parametrize("length", [0, 1, len(TEXT) - 1, len(TEXT) + 1, 2**24 + 1, 2**63])
def test_the_declared_size_must_be_the_one_expected(length):
    with pytest.raises(ObjectCorrupt):
        decompress(compress(TEXT, 1), length)


def test_a_frame_that_states_no_size_is_refused():
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(TEXT)
    with pytest.raises(ObjectCorrupt):
        decompress(frame, len(TEXT))
    with pytest.raises(ObjectCorrupt):
        declared_length(frame, 2**26)


def test_a_frame_that_lies_about_its_size_is_refused():
    frame = bytearray(compress(TEXT, 1))
    size = len(TEXT).to_bytes(4, "little")
    at = bytes(frame).index(size)
    frame[at : at + 4] = (len(TEXT) + 100).to_bytes(4, "little")
    with pytest.raises(ObjectCorrupt):
        decompress(bytes(frame), len(TEXT) + 100)
    frame[at : at + 4] = (len(TEXT) - 100).to_bytes(4, "little")
    with pytest.raises(ObjectCorrupt):
        decompress(bytes(frame), len(TEXT) - 100)


def test_a_bomb_is_refused_before_anything_is_allocated(monkeypatch):
    monkeypatch.setattr(compression, "_decompressor", lambda _: pytest.fail("decompressing began"))
    bomb = compress(bytes(2**24), 1)
    with pytest.raises(ObjectCorrupt):
        decompress(bomb, 1000)
    with pytest.raises(ObjectCorrupt, match="too long"):
        declared_length(bomb, 2**20)


def test_a_window_that_is_too_large_is_refused():
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=26)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj(size=len(TEXT))
    frame = compressor.compress(TEXT) + compressor.flush()
    if zstandard.get_frame_parameters(frame).window_size <= 2**25:  # a single segment: the window is the size
        frame = frame[:4] + bytes([frame[4] & ~0x20]) + bytes([(26 - 10) << 3]) + frame[5:]
    with pytest.raises(ObjectCorrupt, match="wants what the format does not allow"):
        decompress(frame, len(TEXT))


@pytest.mark.parametrize("extra", [b"x", b"\0" * 40])
def test_bytes_after_the_frame_are_refused(extra):
    with pytest.raises(ObjectCorrupt):
        decompress(compress(TEXT, 1) + extra, len(TEXT))


def test_a_frame_cut_short_is_refused():
    frame = compress(TEXT, 1)
    for length in (0, 3, 10, len(frame) - 1):
        with pytest.raises(ObjectCorrupt):
            decompress(frame[:length], len(TEXT))


def test_what_compresses_is_compressed():
    codec, content = encode_chunk(TEXT, 1)
    assert codec == compression.CODEC_ZSTD
    assert decompress(content, len(TEXT)) == TEXT


@pytest.mark.parametrize("plain", [NOISE, NOISE[:1000], b"x", b""])
def test_what_does_not_compress_is_kept_as_it_is(plain):
    assert encode_chunk(plain, 1) == (compression.CODEC_PLAIN, plain)


def test_noise_costs_no_full_attempt(monkeypatch):
    monkeypatch.setattr(compression, "compress", lambda *_: pytest.fail("noise was compressed"))
    encode_chunk(NOISE, 19)


def test_text_between_noise_is_found():
    mixed = NOISE[:100_000] + TEXT + NOISE[100_000:200_000]
    assert encode_chunk(mixed, 1)[0] == compression.CODEC_ZSTD


def test_two_threads_do_not_disturb_each_other():
    wrong: list[int] = []

    def work(number: int) -> None:
        plain = TEXT[number * 1000 :]
        wrong.extend(1 for _ in range(20) if decompress(compress(plain, 1), len(plain)) != plain)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []

"""zstd frames in and out, with limits (FORMAT 6, 11). The only importer of zstandard.

Contexts are kept per thread: zstandard's are not to be shared, and making one costs more than a small chunk. The
interpreter lock is released while zstd works.
"""

from __future__ import annotations

import threading

import zstandard

from drorch.errors import Bug, ObjectCorrupt
from drorch.format.fields import Bytes

CODEC_PLAIN = 0
CODEC_ZSTD = 1
CODEC_DELTA = 2
CHUNK_LIMIT_BYTES = 16 * 2**20
WINDOW_LIMIT_BYTES = 2**25
LEVELS = range(1, 20)  # beyond, zstd's window grows with the level and memory with it
WORTH_SAVING = 0.03  # below this share a frame is not worth its decompression

_SAMPLE_BYTES = 4_096
_SAMPLES = 8
_DELTA_HASH_LOG = 20  # measured: smaller tables do not see a base of 1-4 MiB (design: 5.6 MB against 23 and 139)
_UNKNOWN_SIZE = 2**64 - 1


class _Contexts(threading.local):
    def __init__(self) -> None:
        self.compressors: dict[int, zstandard.ZstdCompressor] = {}
        self.decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT_BYTES)


_contexts = _Contexts()


def compress(plain: Bytes, level: int, base: Bytes | None = None) -> bytes:
    """Return one zstd frame that states its size; with ``base``, a delta that needs the same ``base`` to decode."""
    if level not in LEVELS:
        raise Bug(f"zstd level {level}")
    compressor = _compressor(level) if base is None else _delta_compressor(plain, level, base)
    return compressor.compress(plain)


def decompress(frame: Bytes, plain_length: int, base: Bytes | None = None, *, limit: int = CHUNK_LIMIT_BYTES) -> bytes:
    """Return the plain bytes of one frame, exactly ``plain_length`` of them, at most ``limit``; raise ``ObjectCorrupt``.

    What the frame declares is compared before anything is allocated.
    """
    if plain_length > limit:
        raise ObjectCorrupt("a chunk is too long", expected=f"at most {limit} bytes", found=f"{plain_length}")
    if plain_length == 0:
        raise ObjectCorrupt("a compressed chunk is empty", expected="at least one byte", found="none")
    try:
        _check_frame(zstandard.get_frame_parameters(frame), plain_length)
        plain = _decompressor(base).decompress(frame, max_output_size=plain_length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ObjectCorrupt("compressed bytes are damaged", expected=f"a zstd frame of {plain_length} bytes") from error
    if len(plain) != plain_length:
        raise ObjectCorrupt("compressed bytes are damaged", expected=f"{plain_length} bytes", found=f"{len(plain)}")
    return plain


def declared_length(frame: Bytes, limit: int) -> int:
    """Return the plain length that a frame declares, at most ``limit``; raise ``ObjectCorrupt``."""
    try:
        length = zstandard.get_frame_parameters(frame).content_size
    except zstandard.ZstdError as error:
        raise ObjectCorrupt("compressed bytes are damaged", expected="a zstd frame") from error
    if length > limit:
        raise ObjectCorrupt("compressed bytes are too long", expected=f"at most {limit} bytes", found=f"{length}")
    return int(length)


def encode_chunk(plain: Bytes, level: int) -> tuple[int, Bytes]:
    """Return codec and content of a chunk: a zstd frame, or ``plain`` itself where compressing does not pay."""
    if _looks_incompressible(plain):
        return CODEC_PLAIN, plain
    frame = compress(plain, level)
    if len(frame) > len(plain) * (1 - WORTH_SAVING):
        return CODEC_PLAIN, plain
    return CODEC_ZSTD, frame


def _looks_incompressible(plain: Bytes) -> bool:
    """Say whether samples spread over a big chunk do not compress: pictures and archives cost no full attempt then."""
    if len(plain) < 4 * _SAMPLES * _SAMPLE_BYTES:
        return False
    view = memoryview(plain)
    step = (len(view) - _SAMPLE_BYTES) // (_SAMPLES - 1)
    sample = b"".join(view[start : start + _SAMPLE_BYTES] for start in range(0, step * _SAMPLES, step))
    return len(_compressor(1).compress(sample)) > len(sample) * (1 - WORTH_SAVING / 3)


def _compressor(level: int) -> zstandard.ZstdCompressor:
    found = _contexts.compressors.get(level)
    if found is None:
        found = zstandard.ZstdCompressor(level=level, write_checksum=False, write_content_size=True)
        _contexts.compressors[level] = found
    return found


def _delta_compressor(plain: Bytes, level: int, base: Bytes) -> zstandard.ZstdCompressor:
    window_log = max(10, (len(plain) + len(base) - 1).bit_length())
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, window_log=window_log, hash_log=max(_DELTA_HASH_LOG, window_log - 3), write_content_size=True
    )
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=_dictionary(base))


def _decompressor(base: Bytes | None) -> zstandard.ZstdDecompressor:
    if base is None:
        return _contexts.decompressor
    return zstandard.ZstdDecompressor(dict_data=_dictionary(base), max_window_size=WINDOW_LIMIT_BYTES)


def _dictionary(base: Bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _check_frame(parameters: zstandard.FrameParameters, plain_length: int) -> None:
    if parameters.content_size != plain_length:
        declared = "no size" if parameters.content_size == _UNKNOWN_SIZE else f"{parameters.content_size} bytes"
        raise ObjectCorrupt("compressed bytes are damaged", expected=f"a frame of {plain_length} bytes", found=declared)
    if parameters.window_size > WINDOW_LIMIT_BYTES or parameters.dict_id:
        raise ObjectCorrupt(
            "a zstd frame wants what the format does not allow",
            expected=f"a window of at most {WINDOW_LIMIT_BYTES} bytes and no dictionary id",
            found=f"a window of {parameters.window_size}, dictionary {parameters.dict_id}",
        )

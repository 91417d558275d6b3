"""Records (FORMAT 6): sealed chunks, self-describing but for the run's keys."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt
from drorch.format.compression import CHUNK_LIMIT_BYTES, CODEC_DELTA, CODEC_PLAIN, CODEC_ZSTD, decompress
from drorch.format.derivation import SALT_BYTES, TAG_BYTES, derive_key_and_nonce
from drorch.format.fields import Bytes, u8
from drorch.ids import ChunkId, LaneId, RepositoryId, RunId

KIND_CHUNK = 1
KIND_NODE = 2
KIND_PADDING = 3
NO_CHUNK = ChunkId(bytes(32))
LENGTH_BYTES = 4
RECORD_LIMIT_BYTES = 17 * 2**20
_HEADER = struct.Struct(">BBHI32s32sIQ")
HEADER_BYTES = _HEADER.size
OVERHEAD_BYTES = LENGTH_BYTES + SALT_BYTES + HEADER_BYTES + TAG_BYTES
_CIPHER_AT = LENGTH_BYTES + SALT_BYTES
_INFO = b"drorch/1 record"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordHeader:
    """What stands in front of a record's content, sealed with it. ``base_id`` is ``NO_CHUNK`` unless the codec is delta."""

    kind: int
    codec: int
    plain_length: int
    chunk_id: ChunkId
    base_id: ChunkId = NO_CHUNK
    ordinal: int = 0
    offset: int = 0

    def encode(self) -> bytes:
        """Return the 84 bytes."""
        return _HEADER.pack(
            self.kind,
            self.codec,
            0,
            self.plain_length,
            self.chunk_id.raw,
            self.base_id.raw,
            self.ordinal,
            self.offset,
        )


@dataclass(frozen=True, slots=True)
class RecordContext:
    """The run that a record belongs to; bound into every tag, so that a record opens nowhere else."""

    repository: RepositoryId
    lane: LaneId
    run: RunId

    def associated(self, label: bytes) -> bytes:
        """Return associated data that bind ``label`` and the run."""
        return label + self.repository.raw + self.lane.raw + self.run.raw


def chunk_id(key: bytes, kind: int, plain: Bytes) -> ChunkId:
    """Return the keyed BLAKE3 of a chunk's kind and plain bytes."""
    return ChunkId(blake3(u8(kind), key=key).update(plain).digest())


def seal_record(run_key: bytes, salt: bytes, context: RecordContext, header: RecordHeader, content: Bytes) -> bytearray:
    """Return the sealed record. ``salt`` is 32 fresh random bytes: one that is used twice under a run key breaks both."""
    if len(salt) != SALT_BYTES or header.plain_length > CHUNK_LIMIT_BYTES:
        raise Bug("a record with a wrong salt or too long")
    key, nonce = derive_key_and_nonce(run_key, _INFO, salt)
    plaintext = b"".join((header.encode(), content))
    length = SALT_BYTES + len(plaintext) + TAG_BYTES
    if length > RECORD_LIMIT_BYTES:
        raise Bug(f"a record of {length} bytes")
    record = bytearray(LENGTH_BYTES + length)
    record[:_CIPHER_AT] = length.to_bytes(LENGTH_BYTES, "big") + salt
    with memoryview(record) as view, view[_CIPHER_AT:] as sealed:
        AESGCM(key).encrypt_into(nonce, plaintext, context.associated(b"DRORCH record 1"), sealed)
    return record


def open_record(run_key: bytes, context: RecordContext, raw: Bytes) -> tuple[RecordHeader, memoryview]:
    """Return header and content of a record given with its length field; raise ``ObjectCorrupt``.

    The tag is checked, the content is not decoded: see ``decode_content``.
    """
    view = memoryview(raw)
    length = len(view) - LENGTH_BYTES
    if not OVERHEAD_BYTES - LENGTH_BYTES <= length <= RECORD_LIMIT_BYTES:
        raise ObjectCorrupt("a record is damaged", expected="136 bytes to 17 MiB", found=f"{len(view)} bytes")
    if int.from_bytes(view[:LENGTH_BYTES], "big") != length:
        raise ObjectCorrupt("a record is damaged", expected=f"a length of {length}", found=view[:LENGTH_BYTES].hex())
    key, nonce = derive_key_and_nonce(run_key, _INFO, view[LENGTH_BYTES:_CIPHER_AT])
    try:
        plaintext = memoryview(AESGCM(key).decrypt(nonce, view[_CIPHER_AT:], context.associated(b"DRORCH record 1")))
    except InvalidTag as error:
        raise ObjectCorrupt(
            "a record fails its tag", expected="a record of this run", found="another, or damage"
        ) from error
    return _decode_header(plaintext[:HEADER_BYTES]), plaintext[HEADER_BYTES:]


def decode_content(header: RecordHeader, content: Bytes, base_plain: Bytes | None, chunk_id_key: bytes) -> bytes:
    """Return the plain bytes of a chunk or node, whose keyed id was compared; raise ``ObjectCorrupt``.

    ``base_plain`` is needed for codec 2 and only then. The caller still owes the comparison with the id it asked for.
    """
    if (base_plain is not None) != (header.codec == CODEC_DELTA):
        raise Bug("a base for a chunk without one, or none for a delta")
    plain = bytes(content) if header.codec == CODEC_PLAIN else decompress(content, header.plain_length, base_plain)
    if len(plain) != header.plain_length:
        raise ObjectCorrupt(
            "a chunk has another length", expected=f"{header.plain_length} bytes", found=f"{len(plain)}"
        )
    found = chunk_id(chunk_id_key, header.kind, plain)
    if found != header.chunk_id:
        raise ObjectCorrupt(
            "a chunk is not what its id says", expected=str(header.chunk_id)[:16], found=str(found)[:16]
        )
    return plain


def _decode_header(raw: memoryview) -> RecordHeader:
    kind, codec, zero, plain_length, chunk, base, ordinal, offset = _HEADER.unpack(raw)
    if kind not in {KIND_CHUNK, KIND_NODE, KIND_PADDING} or codec not in {CODEC_PLAIN, CODEC_ZSTD, CODEC_DELTA} or zero:
        raise FormatUnsupported(
            "a record of a kind that this drorch does not know",
            expected="kind 1-3, codec 0-2",
            found=f"kind {kind}, codec {codec}, {zero}",
        )
    if plain_length > CHUNK_LIMIT_BYTES:
        raise ObjectCorrupt("a chunk is too long", expected="at most 16 MiB", found=f"{plain_length} bytes")
    if (base != NO_CHUNK.raw) != (codec == CODEC_DELTA):
        raise ObjectCorrupt("a record is damaged", expected="a base with codec 2 only", found=f"codec {codec}")
    return RecordHeader(
        kind=kind,
        codec=codec,
        plain_length=plain_length,
        chunk_id=ChunkId(chunk),
        base_id=ChunkId(base),
        ordinal=ordinal,
        offset=offset,
    )

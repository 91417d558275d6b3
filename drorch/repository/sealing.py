"""Turn one plain chunk into a sealed record, and prove that it can be turned back before it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from drorch.errors import Bug
from drorch.format.compression import CODEC_DELTA, compress, encode_chunk
from drorch.format.record import KIND_PADDING, NO_CHUNK, RecordContext, RecordHeader, decode_content, seal_record
from drorch.ids import ChunkId
from drorch.storage.interface import Bytes

SALT_BYTES = 32
DELTA_LEVEL = 1  # a delta is small already


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealer:
    """Seals the records of one run. Safe to use from several threads; zstd and AES release the interpreter lock."""

    run_key: bytes = field(repr=False)
    chunk_id_key: bytes = field(repr=False)
    context: RecordContext
    compression_level: Callable[[], int]  # asked for each chunk
    random_bytes: Callable[[int], bytes]

    def seal(self, kind: int, chunk: ChunkId, plain: Bytes, ordinal: int, offset: int) -> Bytes:
        """Return the sealed record of ``plain``; see ``encode``."""
        return self.seal_encoded(*self.encode(kind, chunk, plain, ordinal, offset))

    def seal_encoded(self, header: RecordHeader, content: Bytes) -> Bytes:
        """Return the sealed record of what ``encode`` gave."""
        return seal_record(self.run_key, self.random_bytes(SALT_BYTES), self.context, header, content)

    def encode(
        self,
        kind: int,
        chunk: ChunkId,
        plain: Bytes,
        ordinal: int,
        offset: int,
        base: tuple[ChunkId, Bytes] | None = None,
    ) -> tuple[RecordHeader, Bytes]:
        """Return header and content of the record of ``plain``: a delta if there is a ``base``, given with its plain bytes.

        The content is decoded again from the very bytes that are sealed and its keyed id compared: a fault of the
        compressor or of memory is found now, while the plain bytes are at hand, and not at the restore. Raises ``Bug``.
        """
        base_id, base_plain = (NO_CHUNK, None) if base is None else base
        if base_plain is None:
            codec, content = encode_chunk(plain, self.compression_level())
        else:
            codec, content = CODEC_DELTA, compress(plain, DELTA_LEVEL, base_plain)
        header = RecordHeader(
            kind=kind,
            codec=codec,
            plain_length=len(plain),
            chunk_id=chunk,
            base_id=base_id,
            ordinal=ordinal,
            offset=offset,
        )
        decoded = decode_content(header, content, base_plain, self.chunk_id_key)
        # ``startswith`` compares in C; ``==`` with a view goes byte by byte.
        if len(decoded) != len(plain) or not decoded.startswith(plain):
            raise Bug("a compressed chunk does not decode to what was compressed", hint="check this machine's memory")
        return header, content

    def padding(self, length: int) -> Bytes:
        """Return a record of ``length`` bytes of nothing, to fill up a pack."""
        header = RecordHeader(kind=KIND_PADDING, codec=0, plain_length=0, chunk_id=NO_CHUNK)
        return seal_record(self.run_key, self.random_bytes(SALT_BYTES), self.context, header, bytes(length))

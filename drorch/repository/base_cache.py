"""Chunks that later ones may be deltas against, kept on the writer's own disk: it can read nothing of what it has stored.

A cached base is a record (FORMAT 6) sealed with a key of the host's own, whose plain bytes are checked against the chunk id when they
are read. Files may vanish or be damaged at any moment: what cannot be read is not there. A base that was stored as a delta is kept
as one and read through its own base. Which bases are kept is decided by their id (``share``), never by when they were used: a backup reads
everything once, and a cache of what was used last would hold nothing of what is used next.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from drorch.errors import IntegrityError
from drorch.format.compression import CODEC_DELTA
from drorch.format.record import RecordContext, RecordHeader, decode_content, open_record, seal_record
from drorch.format.tree import MOST_BASES
from drorch.ids import ChunkId
from drorch.repository.sealing import SALT_BYTES
from drorch.storage.interface import Bytes

SIZE_FILE = "size"
OPENED_KEPT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKeys:
    """``cache_key`` seals what lies in the cache, ``context`` binds it to the lane."""

    cache_key: bytes = field(repr=False)
    chunk_id_key: bytes = field(repr=False)
    context: RecordContext


class BaseCache:
    """The cached bases of one lane, one file each. Safe to use from several threads."""

    def __init__(self, directory: Path, keys: CacheKeys, random_bytes: Callable[[int], bytes]) -> None:
        self._directory = directory
        self._keys = keys
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._opened: OrderedDict[ChunkId, bytes] = OrderedDict()

    def put(self, header: RecordHeader, content: Bytes) -> int:
        """Keep a chunk as it was stored and return what it takes on disk; 0 when it could not be kept.

        Nothing is synchronised: after a power cut the file may be damaged, and is then not there.
        """
        keys = self._keys
        record = seal_record(keys.cache_key, self._random_bytes(SALT_BYTES), keys.context, header, content)
        path = self._path(header.chunk_id)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(record)
        except OSError:  # no room, no right: there is no such base then
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return 0
        return len(record)

    def plain(self, identity: ChunkId) -> bytes | None:
        """Return the plain bytes of a base, verified; ``None`` when the cache does not have them whole."""
        with self._lock:
            kept = self._opened.get(identity)
            if kept is not None:
                self._opened.move_to_end(identity)
                return kept
        plain = self._read(identity, MOST_BASES)
        if plain is not None:
            with self._lock:
                self._opened[identity] = plain
                while len(self._opened) > OPENED_KEPT:
                    self._opened.popitem(last=False)
        return plain

    def drop(self, identities: Iterable[ChunkId]) -> None:
        """Remove bases; those that are not there are fine."""
        for identity in identities:
            with suppress(OSError):
                self._path(identity).unlink(missing_ok=True)

    def note_size(self, size_bytes: int) -> None:
        """Let other lanes know what this one takes."""
        with suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._directory / SIZE_FILE).write_text(str(size_bytes), encoding="ascii")

    def _read(self, identity: ChunkId, most_bases: int) -> bytes | None:
        try:
            raw = self._path(identity).read_bytes()
            header, content = open_record(self._keys.cache_key, self._keys.context, raw)
            if header.chunk_id != identity:
                return None
            base = None
            if header.codec == CODEC_DELTA:
                base = self._read(header.base_id, most_bases - 1) if most_bases else None
                if base is None:
                    return None
            return decode_content(header, content, base, self._keys.chunk_id_key)
        except (OSError, IntegrityError):
            return None

    def _path(self, identity: ChunkId) -> Path:
        name = identity.raw.hex()
        return self._directory / name[:2] / name

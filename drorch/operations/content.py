"""A stored snapshot in the shape that a restore target takes: every byte verified, every stream compared at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from blake3 import blake3

from drorch.errors import ObjectCorrupt, RestoreDiffers
from drorch.format.entries import Entry
from drorch.repository.reader import SnapshotReader
from drorch.sources.interface import Bytes, Json, RowFormat, StoredStream, StreamKind, StreamSpec


class SnapshotContent:
    """The ``sources.interface.Content`` of an opened snapshot."""

    def __init__(self, reader: SnapshotReader) -> None:
        self._reader = reader
        self._entries: dict[str, Entry] = {}
        self._streams: list[StoredStream] = []
        for entry in reader.entries():
            self._entries[entry.name] = replace(entry, buckets=None)  # half of what fifty thousand entries weigh
            self._streams.append(_stored(entry))
        self._facts = MappingProxyType(dict(reader.body.facts))

    @property
    def facts(self) -> Mapping[str, Json]:
        """See ``Content``."""
        return self._facts

    @property
    def short_id(self) -> str:
        """See ``Content``."""
        return self._reader.link.manifest.run.short

    def streams(self) -> Sequence[StoredStream]:
        """See ``Content``."""
        return self._streams

    def open(self, stream: StoredStream) -> Iterator[Bytes]:
        """See ``Content``."""
        entry = self._entries[stream.spec.name]
        digest, size = blake3(), 0
        for piece in self._reader.stream(entry):
            digest.update(piece)
            size += len(piece)
            yield piece
        if size != entry.size_bytes or digest.digest() != entry.bytes_digest:
            raise RestoreDiffers(
                f"{entry.name} is not what was captured",
                expected=f"{entry.size_bytes} bytes, digest {entry.bytes_digest.hex()[:16]}",
                found=f"{size} bytes, digest {digest.hexdigest()[:16]}",
            )

    def open_range(self, stream: StoredStream, offset: int, length: int) -> Iterator[Bytes]:
        """See ``Content``."""
        yield from self._reader.stream_range(self._entries[stream.spec.name], offset, length)


def _stored(entry: Entry) -> StoredStream:
    spec = StreamSpec(
        name=entry.name,
        kind=_known(StreamKind, entry.kind, entry.name),
        estimated_bytes=entry.size_bytes,
        row_format=_known(RowFormat, entry.row_format, entry.name),
        canonical_columns=entry.canonical_columns,
        attributes=MappingProxyType(dict(entry.attributes)),
    )
    return StoredStream(spec=spec, size_bytes=entry.size_bytes, rows=entry.rows, bytes_digest=entry.bytes_digest)


def _known(kinds: Any, number: int, name: str) -> Any:
    try:
        return kinds(number)
    except ValueError as error:
        raise ObjectCorrupt(f"{name} is of a kind that this drorch does not know", found=str(number)) from error

"""A capture kept in memory, offered back as the content of a stored snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from drorch.sources.interface import Bytes, Capture, Json, RowFormat, StoredStream, StreamSpec


@dataclass(kw_only=True)
class MemoryContent:
    """Implements ``Content``; ``blobs`` may be altered by a test before they are restored."""

    facts: Mapping[str, Json]
    short_id: str
    specs: Sequence[StreamSpec]
    blobs: dict[str, bytes]
    piece_bytes: int = 100_000
    row_changes: dict[str, int] = field(default_factory=dict)

    def streams(self) -> Sequence[StoredStream]:
        """See ``Content``."""
        return [self._stored(spec) for spec in self.specs]

    def open(self, stream: StoredStream) -> Iterator[Bytes]:
        """See ``Content``."""
        blob = self.blobs[stream.spec.name]
        for start in range(0, len(blob), self.piece_bytes):
            yield memoryview(blob)[start : start + self.piece_bytes]

    def open_range(self, stream: StoredStream, offset: int, length: int) -> Iterator[Bytes]:
        """See ``Content``."""
        yield memoryview(self.blobs[stream.spec.name])[offset : offset + length]

    def _stored(self, spec: StreamSpec) -> StoredStream:
        blob = self.blobs[spec.name]
        rows = None
        if spec.row_format is RowFormat.LINES:
            rows = blob.count(b"\n") + self.row_changes.get(spec.name, 0)
        elif spec.row_format is RowFormat.PREFIXED:
            rows = _count_prefixed(blob)
        return StoredStream(spec=spec, size_bytes=len(blob), rows=rows, bytes_digest=hashlib.sha256(blob).digest())


def _count_prefixed(blob: bytes) -> int:
    rows = position = 0
    while position < len(blob):
        position += 4 + int.from_bytes(blob[position : position + 4], "big")
        rows += 1
    assert position == len(blob)
    return rows


def read_capture(capture: Capture, short_id: str = "test0001") -> MemoryContent:
    """Read every stream of ``capture``, one after the other."""
    specs = capture.streams()
    blobs = {}
    for spec in specs:
        with capture.open(spec) as pieces:
            blobs[spec.name] = b"".join(pieces)
    facts = dict(capture.facts) | dict(capture.closing_facts())
    return MemoryContent(facts=facts, short_id=short_id, specs=specs, blobs=blobs)


class SilentObserver:
    """Implements ``Observer``; remembers the labels that it heard."""

    def __init__(self) -> None:
        self.labels: list[str] = []

    def advance(self, label: str, done: int, total: int | None, unit: str) -> None:
        """See ``Observer``."""
        if not self.labels or self.labels[-1] != label:
            self.labels.append(label)

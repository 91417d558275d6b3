"""A snapshot held in memory: what a target gets when the repository is left out of the picture."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drorch.errors import RestoreDiffers
from drorch.sources.interface import Bytes, Capture, Json, RowFormat, StoredStream, StreamSpec


def rows_in(spec: StreamSpec, content: bytes) -> int | None:
    """Count rows the way the format defines them."""
    if spec.row_format is RowFormat.LINES:
        return content.count(b"\n")
    if spec.row_format is RowFormat.NONE:
        return None
    count = position = 0
    while position < len(content):
        position += 4 + int.from_bytes(content[position : position + 4], "big")
        count += 1
    assert position == len(content), f"{spec.name} ends inside a row"
    return count


@dataclass
class TakenSnapshot:
    """See ``Content``. ``piece_bytes`` cuts streams into pieces of that size, as chunks do."""

    facts: Mapping[str, Json]
    stored: dict[str, tuple[StoredStream, bytes]]
    short_id: str = "7kq2m9xd"
    piece_bytes: int = 100_000
    opened: list[str] = field(default_factory=list)

    def streams(self) -> Sequence[StoredStream]:
        return [stream for stream, _ in self.stored.values()]

    def open(self, stream: StoredStream) -> Iterator[Bytes]:
        self.opened.append(stream.spec.name)
        content = self.stored[stream.spec.name][1]
        for start in range(0, len(content), self.piece_bytes):
            yield memoryview(content)[start : start + self.piece_bytes]
        if hashlib.sha256(content).digest() != stream.bytes_digest:
            raise RestoreDiffers(f"stream {stream.spec.name} is not what was captured")

    def open_range(self, stream: StoredStream, offset: int, length: int) -> Iterator[Bytes]:
        yield self.stored[stream.spec.name][1][offset : offset + length]

    def bytes_of(self, name: str) -> bytes:
        return self.stored[name][1]


def take(capture: Capture) -> TakenSnapshot:
    """Read every stream of ``capture``."""
    stored = {}
    for spec in capture.streams():
        with capture.open(spec) as pieces:
            content = b"".join(bytes(piece) for piece in pieces)
        digest = hashlib.sha256(content).digest()
        stream = StoredStream(spec=spec, size_bytes=len(content), rows=rows_in(spec, content), bytes_digest=digest)
        stored[spec.name] = (stream, content)
    return TakenSnapshot(facts=dict(capture.facts), stored=stored)


class SilentObserver:
    """See ``Observer``."""

    def advance(self, label: str, done: int, total: int | None, unit: str) -> None:
        assert label
        assert done >= 0
        assert total is None or total >= 0
        assert unit


def names_in(directory: Path) -> list[str]:
    """Return the names in a directory, sorted."""
    return sorted(entry.name for entry in directory.iterdir())

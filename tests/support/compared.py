"""A database backed up into memory, to be compared with one that was damaged on purpose."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from drorch.clock import SystemClock
from drorch.format.digests import StreamDigest
from drorch.format.entries import Entry
from drorch.operations.drills.content import Restored
from drorch.operations.drills.traps import TrapsSeen
from drorch.sources.interface import Capture
from drorch.sources.sqlite.proof import SqliteProof
from drorch.sources.sqlite.source import SqliteSource

ROWS_KEY = bytes(range(32))


@dataclass(frozen=True)
class MemoryBackup:
    """Implements ``Backup``: what a snapshot says of its streams, and their bytes."""

    found: tuple[Entry, ...]
    blobs: dict[str, bytes]

    def entries(self) -> Iterator[Entry]:
        yield from self.found

    def stream(self, entry: Entry) -> Iterator[bytes]:
        blob = self.blobs[entry.name]
        for start in range(0, len(blob), 1_000):
            yield blob[start : start + 1_000]


def back_up(capture: Capture, *, rows_digest: bool = True) -> MemoryBackup:
    """Take everything of a capture, with the digests that a backup takes."""
    entries, blobs = [], {}
    for spec in capture.streams():
        with capture.open(spec) as pieces:
            blob = b"".join(pieces)
        digest = StreamDigest(spec.row_format.value, spec.canonical_columns, ROWS_KEY if rows_digest else None)
        digest.feed(blob)
        counts = digest.finish()
        blobs[spec.name] = blob
        entries.append(
            Entry(
                name=spec.name,
                kind=spec.kind.value,
                size_bytes=counts.size_bytes,
                bytes_digest=counts.bytes_digest,
                row_format=spec.row_format.value,
                rows=counts.rows,
                buckets=counts.buckets,
                canonical_columns=dict(spec.canonical_columns),
                attributes=dict(spec.attributes),
            )
        )
    return MemoryBackup(tuple(entries), blobs)


@contextmanager
def damaged(
    path: Path, made: str, damage: str, *, rows_digest: bool = True, only: tuple[str, ...] = ()
) -> Iterator[Restored]:
    """Make a SQLite database, back it up, damage it, and yield what a drill would compare."""
    run_sql(path, made)
    source = SqliteSource(path, clock=SystemClock())
    with source.capture() as before:
        backup, facts = back_up(before, rows_digest=rows_digest), dict(before.facts)
    run_sql(path, damage)
    proof = SqliteProof()
    with source.capture() as capture:
        yield Restored(
            backup=backup,
            rows_key=ROWS_KEY,
            facts=facts,
            capture=capture,
            proof=proof,
            traps=TrapsSeen(proof),
            only=only,
        )


def run_sql(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)

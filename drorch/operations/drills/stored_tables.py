"""The tables of a snapshot as its entries tell them: rows, sizes and digests taken at the backup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from drorch.format.digests import RowSet, StreamCounts
from drorch.format.entries import Entry
from drorch.sources.interface import StreamKind

TABLES = (StreamKind.TABLE.value, StreamKind.LARGE_OBJECTS.value)


class Backup(Protocol):
    """The snapshot that is compared with: a ``SnapshotReader``, as far as comparing needs it."""

    def entries(self) -> Iterator[Entry]:
        """Yield every entry."""
        ...

    def stream(self, entry: Entry) -> Iterator[bytes]:
        """Yield the verified bytes of a stream."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTable:
    """One table of the snapshot. ``whole`` is its entry when it was captured in one stream; of parts only the sum counts."""

    name: str
    rows: int
    size_bytes: int
    parts: int
    whole: Entry


def table_name(stream_name: str) -> str:
    """Return the table that a stream is of or a part of, as people are told of it: ``public.parcel``."""
    return stream_name.removeprefix("table/").partition("#")[0]


def stored_tables(backup: Backup) -> Mapping[str, StoredTable]:
    """Return every table by name. Row digests are left out: half of what fifty thousand entries weigh; see ``row_set``."""
    found: dict[str, StoredTable] = {}
    for entry in table_entries(backup):
        name = table_name(entry.name)
        light = replace(entry, buckets=None)
        before = found.get(name)
        found[name] = StoredTable(
            name=name,
            rows=(entry.rows or 0) + (before.rows if before else 0),
            size_bytes=entry.size_bytes + (before.size_bytes if before else 0),
            parts=1 + (before.parts if before else 0),
            whole=before.whole if before else light,
        )
    return found


def table_entries(backup: Backup, table: str | None = None) -> Iterator[Entry]:
    """Yield the entries of one table, or of all."""
    for entry in backup.entries():
        if entry.kind in TABLES and (table is None or table_name(entry.name) == table):
            yield entry


def row_set(backup: Backup, table: str) -> RowSet | None:
    """Return the row digest of a table, its parts summed; ``None`` when one was not taken at the backup."""
    entries = list(table_entries(backup, table))
    if any(entry.buckets is None or entry.rows is None for entry in entries):
        return None
    return RowSet.merge(
        StreamCounts(size_bytes=one.size_bytes, rows=one.rows, bytes_digest=one.bytes_digest, buckets=one.buckets)
        for one in entries
    )

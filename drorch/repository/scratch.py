"""What a check must remember of a lane: in a temporary database on disk, so that memory stays flat however many objects there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drorch.format.manifest import Needs
from drorch.ids import Digest, RunId
from drorch.storage.interface import ObjectStat

_SCHEMA = """
create table object (name text primary key, size integer not null, seen integer not null default 0) without rowid;
create table link (
    sequence integer primary key, digest blob not null, run blob not null, source text not null, committed integer not null,
    required integer not null);
create index link_run on link (run);
create table need (sequence integer, run blob, digest blob, bitmap blob, primary key (run, sequence)) without rowid;
create table pack (
    run blob, ordinal integer, digest blob not null, size integer not null, primary key (run, ordinal)) without rowid;
create table bad (run blob, ordinal integer, name text not null, primary key (run, ordinal)) without rowid;
create table spare (run blob primary key, run_record blob not null, pack_list blob) without rowid;
"""
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class RememberedLink:
    """One link of a lane in one store; it is required when it is a snapshot that must be restorable."""

    sequence: int
    digest: Digest
    run: RunId
    source: str
    is_committed: bool
    is_required: bool


class Scratch:
    """One lane in one store. Used by one thread."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("")  # SQLite's own temporary file, gone when it is closed
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()

    # -- objects

    def add_listing(self, listing: Iterable[ObjectStat]) -> None:
        """Remember what a store lists."""
        with self._connection:
            self._connection.executemany(
                "insert or replace into object (name, size) values (?, ?)",
                ((one.name, one.size_bytes) for one in listing),
            )

    def see(self, name: str) -> int | None:
        """Note that ``name`` has its place, and return its listed size; ``None`` when it was not listed."""
        row = self._connection.execute("select size from object where name = ?", (name,)).fetchone()
        if row is None:
            return None
        self._connection.execute("update object set seen = 1 where name = ?", (name,))
        return int(row[0])

    def names(self, prefix: str, *, unseen: bool = False) -> Iterator[tuple[str, int]]:
        """Yield name and size of what was listed below ``prefix``, ascending; only what nobody has seen when ``unseen``."""
        last = ""
        while True:
            rows = self._connection.execute(
                "select name, size from object where name > ? and name >= ? and name < ? and (seen = 0 or ?)"
                " order by name limit ?",
                (last, prefix, prefix + "\x7f", not unseen, _BATCH),
            ).fetchall()
            yield from rows
            if len(rows) < _BATCH:
                return
            last = rows[-1][0]

    def add_pack(self, run: RunId, ordinal: int, digest: Digest, size_bytes: int) -> None:
        """Remember a pack that a snapshot needs and that is there with the right size."""
        row = (run.raw, ordinal, digest.raw, size_bytes)
        self._connection.execute("insert or replace into pack values (?, ?, ?, ?)", row)

    def packs(self) -> Iterator[tuple[RunId, int, Digest, int]]:
        """Yield what ``add_pack`` was given, pack by pack of each run."""
        for row in self._connection.execute("select run, ordinal, digest, size from pack order by run, ordinal"):
            yield RunId(row[0]), row[1], Digest(row[2]), row[3]

    def add_bad_pack(self, run: RunId, ordinal: int, name: str) -> None:
        """Remember a needed pack that is absent or has a wrong size."""
        self._connection.execute("insert or replace into bad values (?, ?, ?)", (run.raw, ordinal, name))

    def bad_packs(self) -> Iterator[tuple[RunId, int, str]]:
        """Yield what ``add_bad_pack`` was given."""
        for row in self._connection.execute("select run, ordinal, name from bad"):
            yield RunId(row[0]), row[1], row[2]

    # -- the chain

    def add_link(self, link: RememberedLink, needs: Iterable[Needs]) -> None:
        """Remember a link and what it needs."""
        self._connection.execute(
            "insert into link values (?, ?, ?, ?, ?, ?)",
            (link.sequence, link.digest.raw, link.run.raw, link.source, link.is_committed, link.is_required),
        )
        self._connection.executemany(
            "insert or replace into need values (?, ?, ?, ?)",
            ((link.sequence, need.run.raw, need.pack_list_digest.raw, need.bitmap) for need in needs),
        )

    def add_spare(self, run: RunId, run_record: bytes, pack_list: bytes | None) -> None:
        """Remember the second copies that a commit holds."""
        self._connection.execute("insert or replace into spare values (?, ?, ?)", (run.raw, run_record, pack_list))

    def spare(self, run: RunId) -> tuple[bytes, bytes | None] | None:
        """Return run record and pack list out of the commit of ``run``."""
        row = self._connection.execute("select run_record, pack_list from spare where run = ?", (run.raw,)).fetchone()
        return None if row is None else (row[0], row[1])

    def links(self) -> Iterator[RememberedLink]:
        """Yield every link, by number."""
        for row in self._connection.execute(
            "select sequence, digest, run, source, committed, required from link order by sequence"
        ):
            yield RememberedLink(row[0], Digest(row[1]), RunId(row[2]), row[3], bool(row[4]), bool(row[5]))

    def link(self, sequence: int) -> RememberedLink | None:
        """Return one link."""
        row = self._connection.execute(
            "select sequence, digest, run, source, committed, required from link where sequence = ?", (sequence,)
        ).fetchone()
        return (
            None
            if row is None
            else RememberedLink(row[0], Digest(row[1]), RunId(row[2]), row[3], bool(row[4]), bool(row[5]))
        )

    def link_of(self, run: RunId) -> RememberedLink | None:
        """Return the link that ``run`` made."""
        row = self._connection.execute("select sequence from link where run = ?", (run.raw,)).fetchone()
        return None if row is None else self.link(row[0])

    def needed_runs(self) -> list[RunId]:
        """Return every run that a snapshot needs packs of."""
        rows = self._connection.execute("select distinct run from need order by run").fetchall()
        return [RunId(row[0]) for row in rows]

    def needs_of(self, run: RunId) -> Iterator[tuple[RememberedLink, Digest, bytes]]:
        """Yield, for each snapshot that needs packs of ``run``: the snapshot, the digest of the pack list, the bitmap."""
        rows = self._connection.execute(
            "select link.sequence, link.digest, link.run, source, committed, required, need.digest, bitmap"
            " from need join link using (sequence) where need.run = ? order by sequence",
            (run.raw,),
        )
        for row in rows:
            link = RememberedLink(row[0], Digest(row[1]), RunId(row[2]), row[3], bool(row[4]), bool(row[5]))
            yield link, Digest(row[6]), row[7]

"""Taking one consistent snapshot: one session, one transaction, and every table held against redefinition.

A server shows definitions as they are now and rows as they were, so the order matters: list, snapshot, take the
metadata locks that any reader takes (a table that was redefined meanwhile answers 1412), list again. When both lists and
all programs are the same, nothing was redefined in between, and nothing can be until the transaction ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from drorch.errors import SourceLocked
from drorch.sources.interface import Json
from drorch.sources.mariadb.definitions import PROGRAMS, Schema
from drorch.sources.mariadb.failures import ServerRefused
from drorch.sources.mariadb.inventory import Table, read_tables
from drorch.sources.mariadb.quoting import identifier
from drorch.sources.mariadb.reading import read_schema, settled
from drorch.sources.mariadb.session import Session

_TRIES = 4
_REDEFINED = (1412, 1146, 1932, 1360, 1305, 1539)  # changed, or gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What was true at one moment."""

    taken_at: datetime
    schema: Schema
    tables: tuple[Table, ...]
    position: dict[str, Json]


def take_snapshot(session: Session, database: str) -> Snapshot:
    """Begin the transaction and return what it shows; raise what a session raises, or ``SourceLocked`` (retriable)."""
    for _ in range(_TRIES):
        try:
            taken = _try(session, database)
        except ServerRefused as error:
            if error.number not in _REDEFINED:
                raise
            taken = None
        if taken is not None:
            return taken
        session.run("ROLLBACK")
    raise SourceLocked(
        "tables were changed while the snapshot was taken",
        found=f"definitions changed during each of {_TRIES} tries",
        hint="somebody alters, truncates or makes tables all the time; choose a quieter hour, or run again",
    )


def _try(session: Session, database: str) -> Snapshot | None:
    before = _described(session, database)
    session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    taken_at = datetime.fromisoformat(session.value("SELECT SYSDATE(6)")).replace(tzinfo=UTC)
    position = _position(session)
    _hold(session, before[1])
    after = _described(session, database)
    if settled(before[0]) != settled(after[0]) or _without_sizes(before[1]) != _without_sizes(after[1]):
        return None
    return Snapshot(taken_at=taken_at, schema=after[0], tables=tuple(after[1]), position=position)


def _described(session: Session, database: str) -> tuple[Schema, list[Table]]:
    tables = read_tables(session, database)
    return read_schema(session, database, tables), tables


def _hold(session: Session, tables: Sequence[Table]) -> None:
    for table in tables:
        if not table.is_remote:
            session.run(f"SELECT 1 FROM {identifier(table.name)} LIMIT 1")


def _without_sizes(tables: Sequence[Table]) -> list[Table]:
    return [replace(table, size_bytes=0) for table in tables]


def programs_of(schema: Schema) -> int:
    """Return how many views, routines, triggers and events there are."""
    return len(schema.of(*PROGRAMS))


def _position(session: Session) -> dict[str, Json]:
    """Return where the snapshot stands in the server's binary log, and as a replica; empty where there is none."""
    shown = dict(session.texts("SHOW STATUS LIKE 'binlog_snapshot%'"))
    file, offset = shown.get("Binlog_snapshot_file", ""), shown.get("Binlog_snapshot_position", "")
    found: dict[str, Json] = {"server_id": int(session.value("SELECT @@server_id"))}
    if file:
        found |= {"file": file, "position": int(offset or 0)}
        found["gtid"] = session.value(f"SELECT BINLOG_GTID_POS('{file}', {int(offset or 0)})")
    replayed = session.value("SELECT @@gtid_slave_pos")
    return found | ({"replayed_gtid": replayed} if replayed else {})

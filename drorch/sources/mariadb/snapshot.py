"""Taking one consistent snapshot: one session, one transaction, and every table held against redefinition.

A server shows definitions as they are now and rows as they were, so the order matters: list tables and programs, snapshot, take
the metadata locks that any reader takes (a table that was redefined meanwhile answers 1412), read all definitions. When
both are the same as before, nothing was redefined in between, and no table can be until the transaction ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from drorch.errors import SourceLocked
from drorch.sources.interface import Json
from drorch.sources.mariadb.definitions import PROGRAMS, Schema, in_order
from drorch.sources.mariadb.failures import ServerRefused
from drorch.sources.mariadb.inventory import Table, read_tables
from drorch.sources.mariadb.quoting import identifier, shown
from drorch.sources.mariadb.reading import read_programs, read_schema
from drorch.sources.mariadb.session import Session

_TRIES = 8
_AT_ONCE = 50
_LOCKED = 1205
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
    before = _listed(session, database), in_order(read_programs(session, database))
    session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    taken_at = datetime.fromisoformat(session.value("SELECT SYSDATE(6)")).replace(tzinfo=UTC)
    _hold(session, [table.name for table in before[0] if not table.is_remote])
    tables = read_tables(session, database)
    schema = read_schema(session, database, tables)
    if before != ([replace(table, size_bytes=0) for table in tables], schema.of(*PROGRAMS)):
        return None
    return Snapshot(taken_at=taken_at, schema=schema, tables=tuple(tables), position=_position(session))


def _listed(session: Session, database: str) -> list[Table]:
    return [replace(table, size_bytes=0) for table in read_tables(session, database)]


def _hold(session: Session, tables: Sequence[str]) -> None:
    """Read something of every table, many in a statement: from then on nobody can redefine it."""
    for start in range(0, len(tables), _AT_ONCE):
        some = tables[start : start + _AT_ONCE]
        try:
            session.run(" UNION ALL ".join(f"(SELECT 1 FROM {identifier(table)} LIMIT 1)" for table in some))
        except ServerRefused as error:
            if error.number != _LOCKED:
                raise
            raise ServerRefused(_LOCKED, f"{error.message}; locked: {_locked(session, some)}") from error


def _locked(session: Session, tables: Sequence[str]) -> str:
    """Return the first table that cannot be had at once; ``?`` when meanwhile all can."""
    for table in tables:
        try:
            session.run(f"SET STATEMENT lock_wait_timeout = 0 FOR SELECT 1 FROM {identifier(table)} LIMIT 1")
        except ServerRefused as error:
            if error.number == _LOCKED:
                return shown(table)
    return "?"


def _position(session: Session) -> dict[str, Json]:
    """Return where the snapshot stands in the server's binary log, and as a replica; empty where there is none."""
    shown = dict(session.texts("SHOW STATUS LIKE 'binlog_snapshot%'"))
    file, offset = shown.get("Binlog_snapshot_file", ""), shown.get("Binlog_snapshot_position", "")
    found: dict[str, Json] = {"server_id": int(session.value("SELECT @@server_id"))}
    if file:
        found |= {"file": file, "position": int(offset or 0)}
        gtid = session.value(f"SELECT BINLOG_GTID_POS('{file}', {int(offset or 0)})")
        found |= {"gtid": gtid} if gtid else {}  # a log with an event over max_allowed_packet is not read for it
    replayed = session.value("SELECT @@gtid_slave_pos")
    return found | ({"replayed_gtid": replayed} if replayed else {})

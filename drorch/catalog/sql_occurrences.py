"""Daemons, their duties and occurrences in SQL (``catalog.interface.Occurrences``)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, insert, select, tuple_, update

from drorch.catalog import tables
from drorch.catalog.contract.occurrences import DaemonRecord, DutyRecord, OccurrenceRecord
from drorch.catalog.database import Database
from drorch.catalog.rows import columns_of, put, records, values_of
from drorch.errors import Bug
from drorch.policy.occurrences.states import OccurrenceState

_FINAL = tuple(state for state in OccurrenceState if state.is_final)
_OPEN = tuple(state for state in OccurrenceState if not state.is_final)
_KEY = ("host", "kind", "subject", "epoch", "slot")
_AT_ONCE = 150  # keys in one statement: SQLite takes 32,766 parameters, and a plan of a thousand ORs is slow


class SqlOccurrences(Database):
    """See ``Occurrences``."""

    def daemons(self) -> tuple[DaemonRecord, ...]:
        """See ``Occurrences``."""
        query = select(*columns_of(DaemonRecord, tables.daemons)).order_by(tables.daemons.c.host)
        with self.reading() as connection:
            return records(connection, DaemonRecord, query)

    def put_daemon(self, record: DaemonRecord) -> None:
        """See ``Occurrences``."""
        with self.writing() as connection:
            put(connection, tables.daemons, [record])

    def duties(self, *, host: str | None = None, in_force: bool = True) -> tuple[DutyRecord, ...]:
        """See ``Occurrences``."""
        duties = tables.duties.c
        query = select(*columns_of(DutyRecord, tables.duties)).order_by(duties.number)
        if host is not None:
            query = query.where(duties.host == host)
        if in_force:
            query = query.where(duties.ended_at.is_(None))
        with self.reading() as connection:
            return records(connection, DutyRecord, query)

    def change_duties(self, host: str, *, ended: Sequence[DutyRecord], begun: Sequence[DutyRecord]) -> None:
        """See ``Occurrences``."""
        duties = tables.duties
        with self.writing() as connection:
            for record in ended:
                same = (duties.c.kind == record.kind, duties.c.subject == record.subject, duties.c.ended_at.is_(None))
                values = {"ended_at": record.ended_at, "reason": record.reason}
                connection.execute(update(duties).where(duties.c.host == host, *same).values(values))
            if begun:
                connection.execute(insert(duties), [values_of(record) for record in begun])

    def account(self, daemon: DaemonRecord, occurrences: Sequence[OccurrenceRecord]) -> None:
        """See ``Occurrences``."""
        with self.writing() as connection:
            _put(connection, occurrences)
            put(connection, tables.daemons, [daemon])

    def put_occurrences(self, occurrences: Sequence[OccurrenceRecord]) -> None:
        """See ``Occurrences``."""
        if not occurrences:
            return
        with self.writing() as connection:
            _put(connection, occurrences)

    def open_occurrences(self, host: str) -> tuple[OccurrenceRecord, ...]:
        """See ``Occurrences``."""
        found = tables.occurrences.c
        query = _occurrences().where(found.host == host, found.state.in_(_OPEN)).order_by(found.slot, found.subject)
        with self.reading() as connection:
            return records(connection, OccurrenceRecord, query)

    def occurrences(
        self,
        *,
        subject: str | None = None,
        policy: str | None = None,
        kinds: Collection[str] = (),
        states: Collection[OccurrenceState] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> tuple[OccurrenceRecord, ...]:
        """See ``Occurrences``."""
        found = tables.occurrences.c
        query = _occurrences()
        for column, wanted in ((found.subject, subject), (found.policy, policy)):
            if wanted is not None:
                query = query.where(column == wanted)
        query = query.where(found.kind.in_(kinds)) if kinds else query
        query = query.where(found.state.in_(states)) if states else query
        query = query if since is None else query.where(found.last_slot >= since)
        query = query.order_by(found.slot.desc(), found.epoch.desc(), found.host, found.kind, found.subject)
        with self.reading() as connection:
            return records(connection, OccurrenceRecord, query if limit is None else query.limit(limit))

    def occurrences_not_entered(self, host: str) -> tuple[OccurrenceRecord, ...]:
        """See ``Occurrences``."""
        found, left = tables.occurrences, tables.unentered_occurrences
        both = found.join(left, and_(*(found.c[name] == left.c[name] for name in _KEY)))
        query = _occurrences().select_from(both).where(found.c.host == host).order_by(found.c.ended_at)
        with self.reading() as connection:
            return records(connection, OccurrenceRecord, query)

    def mark_entered(self, occurrences: Sequence[OccurrenceRecord]) -> None:
        """See ``Occurrences``."""
        with self.writing() as connection:
            for these in _keys_of(tables.unentered_occurrences, occurrences):
                connection.execute(delete(tables.unentered_occurrences).where(these))


def _occurrences() -> Select[Any]:
    return select(*columns_of(OccurrenceRecord, tables.occurrences))


def _put(connection: Connection, occurrences: Sequence[OccurrenceRecord]) -> None:
    """Put occurrences, and note those that end by it: they are for the ledger."""
    _refuse_changes_of_final(connection, occurrences)
    put(connection, tables.occurrences, occurrences)
    ended = [dict(zip(_KEY, one.key, strict=True)) for one in occurrences if one.state.is_final and one.ended_at]
    if ended:
        connection.execute(insert(tables.unentered_occurrences), ended)


def _keys_of(table: Table, occurrences: Sequence[OccurrenceRecord]) -> Iterator[ColumnElement[bool]]:
    key = tuple_(*(table.c[name] for name in _KEY))
    for start in range(0, len(occurrences), _AT_ONCE):
        yield key.in_([one.key for one in occurrences[start : start + _AT_ONCE]])


def _refuse_changes_of_final(connection: Connection, occurrences: Sequence[OccurrenceRecord]) -> None:
    """Raise ``Bug`` when one of them has ended already: an occurrence ends once."""
    found = tables.occurrences.c
    for these in _keys_of(tables.occurrences, occurrences):
        query = select(found.kind, found.subject, found.state).where(these, found.state.in_(_FINAL)).limit(1)
        row = connection.execute(query).first()
        if row is not None:
            raise Bug("an occurrence ends once", found=f"{row.kind} of {row.subject} is {row.state.value}")

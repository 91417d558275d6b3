"""Restore drills and their signatures in SQL (``catalog.interface.Drills``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_

from drorch.catalog import tables
from drorch.catalog.contract.drills import SUPERSEDED, DrillRecord, DrillSignature
from drorch.catalog.database import Database
from drorch.catalog.rows import CANDIDATES_SHOWN, NoSuchId, columns_of, put, records
from drorch.errors import UsageInvalid

_AT_ONCE = 500


class SqlDrills(Database):
    """See ``Drills``."""

    def record_drill(self, record: DrillRecord) -> None:
        """See ``Drills``."""
        with self.writing() as connection:
            put(connection, tables.drills, [record])

    def drills(
        self,
        *,
        source: str | None = None,
        policy: str | None = None,
        test: str | None = None,
        verdicts: Collection[str] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> tuple[DrillRecord, ...]:
        """See ``Drills``."""
        drills = tables.drills.c
        query = _drills()
        for column, wanted in ((drills.source, source), (drills.policy, policy), (drills.test, test)):
            query = query if wanted is None else query.where(column == wanted)
        query = query.where(drills.verdict.in_(list(verdicts))) if verdicts else query
        query = query if since is None else query.where(drills.declared_at >= since)
        query = query.order_by(drills.declared_at.desc(), drills.drill.desc())
        with self.reading() as connection:
            return records(connection, DrillRecord, query if limit is None else query.limit(limit))

    def find_drill(self, prefix: str) -> DrillRecord:
        """See ``Drills``."""
        drills = tables.drills.c
        start = prefix.upper()
        if not start.isalnum() or not start.isascii():
            raise NoSuchId(()).as_error(UsageInvalid, "drill", prefix)
        query = _drills().where(drills.drill.startswith(start)).order_by(drills.drill).limit(CANDIDATES_SHOWN + 1)
        with self.reading() as connection:
            found = records(connection, DrillRecord, query)
        if len(found) != 1:
            raise NoSuchId([one.drill for one in found]).as_error(UsageInvalid, "drill", prefix)
        return found[0]

    def newest_drill_by_source(self, *, verdicts: Collection[str] = ()) -> Mapping[str, DrillRecord]:
        """See ``Drills``."""
        drills = tables.drills.c
        newest = select(drills.source, func.max(drills.declared_at)).where(_stands()).group_by(drills.source)
        newest = newest.where(drills.verdict.in_(list(verdicts))) if verdicts else newest
        query = _drills().where(_stands(), tuple_(drills.source, drills.declared_at).in_(newest)).order_by(drills.drill)
        query = query.where(drills.verdict.in_(list(verdicts))) if verdicts else query
        with self.reading() as connection:
            return {record.source: record for record in records(connection, DrillRecord, query)}

    def record_drill_signature(self, signature: DrillSignature) -> None:
        """See ``Drills``."""
        with self.writing() as connection:
            put(connection, tables.drill_signatures, [signature])

    def drill_signatures(self, of: Collection[str]) -> tuple[DrillSignature, ...]:
        """See ``Drills``."""
        table, wanted = tables.drill_signatures, sorted(of)
        found: list[DrillSignature] = []
        with self.reading() as connection:
            for start in range(0, len(wanted), _AT_ONCE):
                query = select(*columns_of(DrillSignature, table)).where(
                    table.c.drill.in_(wanted[start : start + _AT_ONCE])
                )
                order = (table.c.drill, table.c.role, table.c.person)
                found += records(connection, DrillSignature, query.order_by(*order))
        return tuple(found)


def _stands() -> ColumnElement[bool]:
    """Return the condition that nobody said of a drill that it no longer stands."""
    words = tables.drill_signatures.c
    return tables.drills.c.drill.not_in(select(words.drill).where(words.role == SUPERSEDED))


def _drills() -> Select[Any]:
    return select(*columns_of(DrillRecord, tables.drills))

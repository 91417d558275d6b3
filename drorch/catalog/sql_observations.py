"""What was seen in the stores, in SQL (``catalog.interface.Observations``)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from sqlalchemy import delete, select

from drorch.catalog import tables
from drorch.catalog.contract.observations import Observation, ObservationKind, RollingCheck, SchemaRecord
from drorch.catalog.database import Database
from drorch.catalog.rows import columns_of, put, records


class SqlObservations(Database):
    """See ``Observations``."""

    def note_observations(
        self,
        kind: ObservationKind,
        seen: Iterable[Observation],
        *,
        stores: Collection[str],
        lanes: Collection[str] | None = None,
    ) -> None:
        """See ``Observations``."""
        table = tables.observations
        looked_at = [table.c.kind == kind, table.c.store.in_(stores)]
        if lanes is not None:
            looked_at.append(table.c.lane.in_(lanes))
        query = select(*columns_of(Observation, table)).where(*looked_at).with_for_update()
        with self.writing() as connection:
            since = {(one.store, one.lane): one.seen_at for one in records(connection, Observation, query)}
            connection.execute(delete(table).where(*looked_at))
            put(
                connection,
                table,
                [replace(one, seen_at=since.get((one.store, one.lane), one.seen_at)) for one in seen],
            )

    def put_schema(self, record: SchemaRecord) -> None:
        """See ``Observations``."""
        with self.writing() as connection:
            put(connection, tables.source_schemas, [record])

    def schema(self, source: str) -> SchemaRecord | None:
        """See ``Observations``."""
        table = tables.source_schemas
        query = select(*columns_of(SchemaRecord, table)).where(table.c.source == source)
        with self.reading() as connection:
            return next(iter(records(connection, SchemaRecord, query)), None)

    def observations(self) -> tuple[Observation, ...]:
        """See ``Observations``."""
        table = tables.observations
        query = select(*columns_of(Observation, table)).order_by(table.c.kind, table.c.store, table.c.lane)
        with self.reading() as connection:
            return records(connection, Observation, query)

    def rolling_checks(self) -> tuple[RollingCheck, ...]:
        """See ``Observations``."""
        table = tables.rolling_checks
        with self.reading() as connection:
            return records(connection, RollingCheck, select(*columns_of(RollingCheck, table)).order_by(table.c.store))

    def put_rolling_check(self, record: RollingCheck) -> None:
        """See ``Observations``."""
        with self.writing() as connection:
            put(connection, tables.rolling_checks, [record])

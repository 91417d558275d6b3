"""When stores answered, in SQL (``catalog.interface.Listing``)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from drorch.catalog import tables
from drorch.catalog.contract.listing import StoreContact
from drorch.catalog.database import Database
from drorch.catalog.rows import columns_of, put, records


class SqlContacts(Database):
    """See ``Listing``."""

    def note_contact(self, store: str, *, at: datetime, failure: str | None = None) -> None:
        """See ``Listing``."""
        table = tables.store_contacts
        with self.writing() as connection:
            query = select(*columns_of(StoreContact, table)).where(table.c.store == store).with_for_update()
            known = next(iter(records(connection, StoreContact, query)), StoreContact(store=store))
            if failure is None and (known.answered_at is None or known.answered_at < at):
                known = replace(known, answered_at=at)
            elif failure is not None and (known.failed_at is None or known.failed_at < at):
                known = replace(known, failed_at=at, failure=failure)
            put(connection, table, [known])

    def contacts(self) -> tuple[StoreContact, ...]:
        """See ``Listing``."""
        table = tables.store_contacts
        with self.reading() as connection:
            return records(connection, StoreContact, select(*columns_of(StoreContact, table)).order_by(table.c.store))

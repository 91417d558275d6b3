"""Alerts and messages in SQL (``catalog.interface.Alerts``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, or_, select, update

from drorch.catalog import tables
from drorch.catalog.contract.alerts import AlertBook, AlertRecord, MessageRecord
from drorch.catalog.contract.history import EventRecord
from drorch.catalog.database import Database
from drorch.catalog.rows import add_if_absent, columns_of, put, records, values_of

_THE_BOOK = "alerts"


class SqlAlerts(Database):
    """See ``Alerts``."""

    def alert_book(self) -> AlertBook:
        """See ``Alerts``."""
        alerts, editions = tables.alerts, tables.alert_editions.c
        query = select(*columns_of(AlertRecord, alerts)).order_by(alerts.c.code, alerts.c.subject)
        with self.reading() as connection:
            edition = connection.scalar(select(editions.edition).where(editions.name == _THE_BOOK)) or 0
            return AlertBook(edition=edition, alerts=records(connection, AlertRecord, query))

    def change_alerts(
        self,
        edition: int,
        alerts: Sequence[AlertRecord],
        messages: Sequence[MessageRecord],
        events: Sequence[EventRecord] = (),
    ) -> bool:
        """See ``Alerts``."""
        editions = tables.alert_editions
        this = (editions.c.name == _THE_BOOK, editions.c.edition == edition)
        with self.writing() as connection:
            if edition == 0:
                add_if_absent(connection, editions, {"name": _THE_BOOK, "edition": 0})
            if connection.execute(update(editions).where(*this).values(edition=edition + 1)).rowcount != 1:
                return False
            connection.execute(delete(tables.alerts))
            put(connection, tables.alerts, alerts)
            for message in messages:
                add_if_absent(connection, tables.messages, values_of(message))
            if events:
                connection.execute(insert(tables.events), [values_of(event) for event in events])
        return True

    def waiting_messages(self) -> tuple[MessageRecord, ...]:
        """See ``Alerts``."""
        messages = tables.messages
        query = select(*columns_of(MessageRecord, messages)).where(messages.c.ended_at.is_(None))
        with self.reading() as connection:
            return records(connection, MessageRecord, query.order_by(messages.c.created_at, messages.c.message))

    def message(self, message: str) -> MessageRecord | None:
        """See ``Alerts``."""
        query = select(*columns_of(MessageRecord, tables.messages)).where(tables.messages.c.message == message)
        with self.reading() as connection:
            return next(iter(records(connection, MessageRecord, query)), None)

    def claim_message(self, message: str, *, until: datetime, now: datetime) -> bool:
        """See ``Alerts``."""
        messages = tables.messages.c
        is_free = or_(messages.claimed_until.is_(None), messages.claimed_until <= now)
        this = (messages.message == message, messages.ended_at.is_(None), is_free)
        with self.writing() as connection:
            taken = connection.execute(update(tables.messages).where(*this).values(claimed_until=until))
        return taken.rowcount == 1

    def put_message(self, record: MessageRecord) -> None:
        """See ``Alerts``."""
        with self.writing() as connection:
            put(connection, tables.messages, [record])

    def purge_messages(self, before: datetime) -> int:
        """See ``Alerts``."""
        messages = tables.messages
        with self.writing() as connection:
            return connection.execute(delete(messages).where(messages.c.ended_at < before)).rowcount

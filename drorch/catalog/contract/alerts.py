"""What is wrong, who was told of it, and the messages that are still to be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from drorch.catalog.contract.history import EventRecord, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """Something that is wrong since ``opened_at``. ``told`` says when each notification was told of it (by name, as text)."""

    code: str
    subject: str
    policy: str
    severity: Severity
    text: str
    opened_at: datetime
    told: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others."""
        return self.code, self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBook:
    """Every alert that is open, and how often the book was written: what is written next must know the number."""

    edition: int
    alerts: tuple[AlertRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """A message to one notification. It stays to be sent until ``ended_at``; ``trouble`` is why the last try failed."""

    message: str  # its id: the same message is never put twice
    target: str
    created_at: datetime
    title: str
    body: str
    not_before: datetime
    attempts: int = 0
    trouble: str = ""
    is_delivered: bool = False
    ended_at: datetime | None = None
    claimed_until: datetime | None = None


class Alerts(Protocol):
    """What is wrong, who was told of it, and the messages that are still to be sent."""

    def alert_book(self) -> AlertBook:
        """Return every open alert, by code and subject, and the edition of the book."""
        ...

    def change_alerts(
        self,
        edition: int,
        alerts: Sequence[AlertRecord],
        messages: Sequence[MessageRecord],
        events: Sequence[EventRecord] = (),
    ) -> bool:
        """Make ``alerts`` the open ones and put messages and events, in one step.

        Returns ``False``, with nothing changed, when the book was written since ``edition`` was read. A message whose id is
        known is not put again.
        """
        ...

    def waiting_messages(self) -> tuple[MessageRecord, ...]:
        """Return the messages that have not ended, the oldest first."""
        ...

    def message(self, message: str) -> MessageRecord | None:
        """Return the message of that id, or ``None``."""
        ...

    def claim_message(self, message: str, *, until: datetime, now: datetime) -> bool:
        """Take a message that waits for one try; ``False`` when somebody else has it or it has ended. A claim that ran out counts no more."""
        ...

    def put_message(self, record: MessageRecord) -> None:
        """Record how a try ended, in place of what was known."""
        ...

    def purge_messages(self, before: datetime) -> int:
        """Forget messages that ended before then; return how many."""
        ...

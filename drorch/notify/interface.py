"""The contract between drorch and whatever carries a message to a person.

An implementation is given the address as a ``Secret``: it holds passwords and tokens. Neither the address nor a part of it
may reach a log, an exception or standard error, whatever the library below does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from drorch.policy.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is told. ``identity`` lets a receiver see that it has it already."""

    identity: str
    title: str
    body: str


class Carrier(Protocol):
    """Carries messages; may be called from several threads."""

    def send(self, address: Secret, message: Message, *, timeout_seconds: float) -> None:
        """Hand the message over; raise ``NotificationFailed`` when it was refused or no answer came in time."""
        ...


class Switch(Protocol):
    """A dead man's switch: somebody else alarms when it is not pinged."""

    def ping(self, address: Secret, *, timeout_seconds: float) -> None:
        """Say that all is well; raise ``NotificationFailed``."""
        ...

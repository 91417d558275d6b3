"""Messages by apprise: mail, Telegram, Zalo gateways, webhooks and a hundred more, each an address of one line."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from typing import Any

from drorch.errors import NotificationFailed
from drorch.notify.interface import Message
from drorch.policy.secret import Secret

_ANSWER = re.compile(r"error[ =:]+(\d{3})\b")
_TALKATIVE = ("apprise", "requests", "urllib3")  # they log addresses
_LOADING = threading.Lock()  # warnings are filtered for all threads


class AppriseCarrier:
    """See ``Carrier``. apprise's own words are read for the number of an HTTP answer and shown to nobody: they may hold the address."""

    def send(self, address: Secret, message: Message, *, timeout_seconds: float) -> None:
        """See ``Carrier``."""
        apprise = _library()
        words = _Words()
        logger = logging.getLogger("apprise")
        for name in _TALKATIVE:
            logging.getLogger(name).propagate = False
        logger.addHandler(words)
        try:
            carrier = apprise.Apprise()
            if not carrier.add(_with_timeouts(address.text(), timeout_seconds)):
                raise NotificationFailed(
                    "the address of the notification is none that apprise knows",
                    expected="one line such as `mailtos://USER:PASSWORD@mail.example?to=duty@example`",
                    hint="https://github.com/caronc/apprise/wiki lists the kinds; `drorch notify test NAME` tries one",
                )
            is_delivered = _notify(carrier, message)
        finally:
            logger.removeHandler(words)
        if not is_delivered:
            raise NotificationFailed("the message was not taken", found=words.answer())


def _library() -> Any:
    """Import apprise; what it says about Python's own modules while it loads its plugins is nobody's business here."""
    with _LOADING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import apprise

        apprise.Apprise.instantiate("json://localhost")  # loads every plugin
    return apprise


def _notify(carrier: Any, message: Message) -> bool:
    try:
        return bool(carrier.notify(title=message.title, body=message.body))
    except Exception as error:  # noqa: BLE001 - a hundred plugins, each with errors of its own; their texts may hold the address
        raise NotificationFailed("the message was not taken", found=type(error).__name__) from None


def _with_timeouts(address: str, seconds: float) -> str:
    """Return the address with apprise's own limits for connecting and reading, unless it names its own."""
    if "cto=" in address or "rto=" in address:
        return address
    half = max(0.5, seconds / 2)
    return f"{address}{'&' if '?' in address else '?'}cto={half:.1f}&rto={half:.1f}"


class _Words(logging.Handler):
    """Keeps what apprise logs of one try."""

    def __init__(self) -> None:
        super().__init__(level=logging.DEBUG)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        self._lines.append(record.getMessage())

    def answer(self) -> str:
        """Return what can be told without showing the address."""
        found = next((match[1] for line in self._lines if (match := _ANSWER.search(line))), None)
        return f"answer {found}" if found else "no answer that it understands, or none at all"

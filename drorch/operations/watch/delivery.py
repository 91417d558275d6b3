"""Sends what waits: each target in a thread of its own, so that one that hangs holds up nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from drorch.catalog.interface import Catalog, EventRecord, MessageRecord, Severity
from drorch.clock import Clock
from drorch.errors import DrorchError
from drorch.notify.interface import Carrier, Message, Switch
from drorch.policy.installation import Heartbeat, Notification
from drorch.policy.secret import Secret, SecretReference

TIMEOUT_SECONDS = 20.0
_CLAIM = timedelta(minutes=5)  # longer than any try; whoever was killed gives it back so
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=7)
_FOR_ONE_MESSAGE = 0.5  # of the time: what a library allows itself ends before it is left behind
HEARTBEAT = "heartbeat"
NO_ANSWER = "no answer in time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What sending needs. ``reveal`` gives the address of a target when it is used."""

    carrier: Carrier
    reveal: Callable[[SecretReference], Secret]
    clock: Clock
    timeout_seconds: float = TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How one message fared; ``trouble`` is empty when it arrived."""

    message: MessageRecord
    trouble: str


def deliver(catalog: Catalog, targets: Mapping[str, Notification], post: Post) -> tuple[Delivery, ...]:
    """Try every message whose time has come, once; returns after the time-out at the latest, whoever hangs.

    A message that was handed over while this process was killed is sent again: its id says that it is the same.
    """
    now = post.clock.now()
    by_target: dict[str, list[MessageRecord]] = {}
    for message in catalog.waiting_messages():
        if message.message == HEARTBEAT:
            continue
        if message.target not in targets:
            _give_up(catalog, message, "its notification is in drorch.yaml no more", post)
        elif now - message.created_at > GIVEN_UP_AFTER:
            _give_up(catalog, message, message.trouble or NO_ANSWER, post)
        elif message.not_before <= now and catalog.claim_message(message.message, until=now + _CLAIM, now=now):
            by_target.setdefault(message.target, []).append(message)
    found = _try_all([_Try(targets[name], messages, post) for name, messages in by_target.items()], post)
    for delivery in found:
        catalog.put_message(_after(delivery, post))
    return found


def try_targets(targets: Sequence[Notification], post: Post, *, host: str) -> tuple[Delivery, ...]:
    """Send each target a message that says that it is a trial; nothing is recorded."""
    now = post.clock.now()
    messages = {
        target.name: MessageRecord(
            message=f"test-{now:%Y%m%dT%H%M%SZ}-{target.name}",
            target=target.name,
            created_at=now,
            title=f"drorch on {host}: a test",
            body="Nothing is wrong. Somebody typed `drorch notify test`, and this arrived.",
            not_before=now,
        )
        for target in targets
    }
    return _try_all([_Try(target, [messages[target.name]], post) for target in targets], post)


def ping_switch(catalog: Catalog, heartbeat: Heartbeat, switch: Switch, post: Post) -> str:
    """Tell the dead man's switch that all is well; return why it did not take it, which stays an alert until it does."""
    trouble = _in_time(lambda: switch.ping(post.reveal(heartbeat.url), timeout_seconds=post.timeout_seconds), post)
    now = post.clock.now()
    known = catalog.message(HEARTBEAT)
    if trouble or (known is not None and known.ended_at is None):
        attempts = 1 if known is None or known.ended_at is not None else known.attempts + 1
        record = MessageRecord(
            message=HEARTBEAT,
            target=HEARTBEAT,
            created_at=now,
            title=HEARTBEAT,
            body="",
            not_before=now,
            attempts=attempts,
            trouble=trouble,
            is_delivered=not trouble,
            ended_at=None if trouble else now,
        )
        catalog.put_message(record)
    return trouble


def _in_time(act: Callable[[], None], post: Post) -> str:
    """Do it in a thread that is left behind when it hangs; return what went wrong."""
    troubles: list[str] = []
    thread = threading.Thread(target=lambda: troubles.append(_trouble_of(act)), daemon=True, name="heartbeat")
    thread.start()
    thread.join(post.timeout_seconds)
    return troubles[0] if troubles else NO_ANSWER


def _trouble_of(act: Callable[[], None]) -> str:
    """Do it and return what went wrong, in words that hold no secret."""
    try:
        act()
    except DrorchError as error:
        return f"{error.message}: {error.found}" if error.found else error.message
    except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to; the text may hold a secret
        return type(error).__name__
    return ""


def _try_all(tries: Sequence[_Try], post: Post) -> tuple[Delivery, ...]:
    for one in tries:
        one.start()
    deadline = post.clock.monotonic_seconds() + post.timeout_seconds
    for one in tries:
        one.join(max(0.0, deadline - post.clock.monotonic_seconds()))
    return tuple(delivery for one in tries for delivery in one.deliveries())


class _Try(threading.Thread):
    """Sends the messages of one target, one after the other, until one fails. A daemon thread: one that hangs is left behind."""

    def __init__(self, target: Notification, messages: Sequence[MessageRecord], post: Post) -> None:
        super().__init__(daemon=True, name=f"notify {target.name}")
        self._target = target
        self._messages = messages
        self._post = post
        self._troubles: list[str] = []

    def run(self) -> None:
        """See ``Thread``."""
        for message in self._messages:
            trouble = self._send(message)
            self._troubles.append(trouble)
            if trouble:
                return

    def _send(self, message: MessageRecord) -> str:
        told = Message(identity=message.message, title=message.title, body=f"{message.body}\n[{message.message}]")
        post = self._post
        return _trouble_of(
            lambda: post.carrier.send(
                post.reveal(self._target.url), told, timeout_seconds=post.timeout_seconds * _FOR_ONE_MESSAGE
            )
        )

    def deliveries(self) -> list[Delivery]:
        """Return how each message fared so far; those behind one that failed or hangs share its trouble."""
        troubles = list(self._troubles)
        last = troubles[-1] if troubles and troubles[-1] else NO_ANSWER
        return [
            Delivery(message=message, trouble=troubles[position] if position < len(troubles) else last)
            for position, message in enumerate(self._messages)
        ]


def _after(delivery: Delivery, post: Post) -> MessageRecord:
    message, now = delivery.message, post.clock.now()
    attempts = message.attempts + 1
    if not delivery.trouble:
        return replace(message, attempts=attempts, trouble="", is_delivered=True, ended_at=now, claimed_until=None)
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, 10))
    return replace(message, attempts=attempts, trouble=delivery.trouble, not_before=now + pause, claimed_until=None)


def _give_up(catalog: Catalog, message: MessageRecord, why: str, post: Post) -> None:
    """End a message that cannot be sent, and record that nobody got it."""
    now = post.clock.now()
    catalog.put_message(replace(message, trouble=why, ended_at=now))
    catalog.record_event(
        EventRecord(
            at=now,
            kind="message-given-up",
            severity=Severity.ERROR,
            message=f"{message.target}: {message.title}: {why}",
            details={"message": message.message, "target": message.target},
        )
    )

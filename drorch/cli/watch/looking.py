"""Alerts as --json shows them, and people told when a command has ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from drorch.catalog.interface import Severity
from drorch.cli.invocation import Invocation
from drorch.errors import DrorchError
from drorch.operations.watch.alert import Alert
from drorch.operations.watch.delivery import ping_switch
from drorch.operations.watch.telling import Notice
from drorch.settings import Settings, load_policies
from drorch.wiring import Wiring
from drorch.wiring.watching import tell


def alert_fields(alert: Alert) -> dict[str, object]:
    """Return an alert the way ``--json`` shows it."""
    return {
        "code": alert.code.value,
        "severity": alert.severity.value,
        "subject": alert.subject,
        "policy": alert.policy,
        "owner": alert.owner,
        "text": alert.text,
        "details": alert.details,
        "try": alert.remedy,
    }


@dataclass(slots=True)
class Ended:
    """How a command ended."""

    code: int = 0


@contextmanager
def told_afterwards(
    invocation: Invocation, settings: Settings, command: str, subjects: Sequence[str]
) -> Iterator[Ended]:
    """Tell people when the command in the block has ended, however it ends; ping the heartbeat when it ended well."""
    ended = Ended()
    try:
        yield ended
    except BaseException as error:
        notices = [_notice(error, command, subjects)] if isinstance(error, DrorchError) else []
        try:
            _tell(invocation, settings, notices, is_well=False)
        except DrorchError as why:  # the command's own end is what counts
            invocation.output.message(f"nobody could be told: {why.message}")
        raise
    _tell(invocation, settings, [], is_well=ended.code == 0)


def _notice(error: DrorchError, command: str, subjects: Sequence[str]) -> Notice:
    subject = subjects[0] if len(subjects) == 1 else ""
    return Notice(severity=Severity.ERROR, text=f"{command}: {error.message}", subject=subject)


def _tell(invocation: Invocation, settings: Settings, notices: Sequence[Notice], *, is_well: bool) -> None:
    with Wiring(settings) as wiring:
        watched = tell(wiring, load_policies(settings), notices)
        if is_well and settings.heartbeat is not None:
            ping_switch(wiring.catalog(), settings.heartbeat, wiring.switch(), wiring.post())
        for delivery in watched.deliveries:
            if delivery.trouble:
                invocation.output.message(f"{delivery.message.target} could not be told: {delivery.trouble}")

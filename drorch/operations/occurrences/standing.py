"""How the daemons of an installation stand, and what they are about: for ``drorch status``. Reads, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from drorch.catalog.interface import Catalog, DaemonRecord, IsAlive, OccurrenceState

SILENT = timedelta(minutes=5)  # without a sign of life a daemon of another host counts as gone


class DaemonState(Enum):
    """What is known of a daemon."""

    RUNNING = "running"
    STOPPED = "stopped"  # in good order
    GONE = "gone"  # killed, or its machine is down
    ABSENT = "absent"  # there never was one


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStanding:
    """One daemon, ``record`` is ``None`` when there is none; ``running`` and ``waiting`` count occurrences, ``retry_at`` is the next try."""

    state: DaemonState
    record: DaemonRecord | None = None
    running: tuple[str, ...] = ()
    waiting: int = 0
    retry_at: datetime | None = None


def standing(catalog: Catalog, *, host: str, is_alive: IsAlive, now: datetime) -> DaemonStanding:
    """Return how the daemon of ``host`` stands, or, where it has none, one of another host that shares the catalog."""
    records = sorted(catalog.daemons(), key=lambda one: (one.host != host, one.host))
    if not records:
        return DaemonStanding(state=DaemonState.ABSENT)
    record = records[0]
    found = catalog.open_occurrences(record.host)
    retries = [one.not_before for one in found if one.attempts and one.not_before is not None]
    return DaemonStanding(
        state=_state(record, host, is_alive, now),
        record=record,
        running=tuple(one.subject or one.kind for one in found if one.state is OccurrenceState.RUNNING),
        waiting=sum(one.state is OccurrenceState.WAITING for one in found),
        retry_at=min(retries, default=None),
    )


def _state(record: DaemonRecord, host: str, is_alive: IsAlive, now: datetime) -> DaemonState:
    if record.stopped_at is not None:
        return DaemonState.STOPPED
    is_here = record.host == host
    lives = is_alive(record.pid, record.process_started) if is_here else now - record.heartbeat_at < SILENT
    return DaemonState.RUNNING if lives else DaemonState.GONE

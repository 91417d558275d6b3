"""What ``drorch status`` says about the daemon."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from drorch.cli.output import printable, utc_time
from drorch.operations.occurrences.standing import DaemonStanding, DaemonState

NO_DAEMON = "no daemon: nothing runs on schedule; let cron run `drorch backup`"


def daemon_words(found: DaemonStanding, zone: ZoneInfo) -> str:
    """Return one sentence about the daemon."""
    record = found.record
    if record is None:
        return NO_DAEMON

    def shown(moment: datetime) -> str:
        return f"{moment.astimezone(zone):%d/%m %H:%M}"

    if found.state is DaemonState.STOPPED:
        since = record.stopped_at or record.heartbeat_at
        return f"stopped {shown(since)}: nothing runs on schedule until it is started again"
    if found.state is DaemonState.GONE:
        return f"GONE, last seen {shown(record.heartbeat_at)}: nothing runs on schedule; start it again"
    parts = [f"running since {shown(record.started_at)}"]
    parts.append(f"{len(found.running)} running" if found.running else "nothing running")
    if found.retry_at is not None:
        parts.append(f"next try at {found.retry_at.astimezone(zone):%H:%M}")
    elif found.waiting:
        parts.append(f"{found.waiting} waiting")
    if record.trouble:
        parts.append(f"not all of its configuration is in force: {printable(record.trouble)}")
    return ", ".join(parts)


def daemon_document(found: DaemonStanding) -> dict[str, object]:
    """Return the daemon the way ``--json`` shows it."""
    record = found.record
    if record is None:
        return {"state": found.state.value}
    return {
        "state": found.state.value,
        "host": record.host,
        "since": utc_time(record.started_at),
        "last_seen": utc_time(record.heartbeat_at),
        "next_at": None if record.next_at is None else utc_time(record.next_at),
        "running": list(found.running),
        "waiting": found.waiting,
        "trouble": record.trouble or None,
    }

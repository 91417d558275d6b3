"""One line about one occurrence, for whoever reads many: every field has a name and a unit, and is there even when it is null."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drorch.catalog.interface import OccurrenceRecord, OccurrenceState

_LEVELS = {
    OccurrenceState.OK: "info",
    OccurrenceState.SKIPPED: "info",
    OccurrenceState.SUPERSEDED: "warning",
    OccurrenceState.WAITING: "warning",  # it failed, and is tried again
    OccurrenceState.PARTIAL: "warning",
}
_FROM_SNAPSHOT = ("tables", "rows", "bytes_read", "bytes_stored")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTold:
    """How the process of a run ended: its exit code (negative: the signal), how long it ran, and what it answered."""

    exit_code: int
    seconds: float
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine:
    """``level`` is info, warning or error; ``event`` is ``run`` or, where nobody ran it, ``not_run``."""

    level: str
    event: str
    fields: Mapping[str, Any]


def line_of(record: OccurrenceRecord, told: RunTold | None) -> JournalLine:
    """Return the canonical line of an occurrence that ended, or waits for its next try."""
    is_run = record.attempts > 0
    fields = _of_record(record)
    if is_run:
        fields |= _of_run(record, told)
    return JournalLine(level=_LEVELS.get(record.state, "error"), event="run" if is_run else "not_run", fields=fields)


def _of_record(record: OccurrenceRecord) -> dict[str, Any]:
    return {
        "host": record.host,
        "kind": record.kind,
        "policy": record.policy or None,
        "source": record.subject or None,
        "state": record.state.value,
        "due_at": _shown(record.slot),
        "last_due_at": _shown(record.last_slot),
        "count": record.count,
        "attempts": record.attempts,
        "next_try_at": None if record.not_before is None else _shown(record.not_before),
        "error": record.error_slug,
        "reason": record.reason or None,
    }


def _of_run(record: OccurrenceRecord, told: RunTold | None) -> dict[str, Any]:
    snapshot = _snapshot_of(record, told)
    return {
        "exit_code": None if told is None else told.exit_code,
        "duration_s": None if told is None else round(told.seconds, 3),
        "snapshot": record.run_id if record.kind == "backup" else None,
        **{name: found if isinstance(found := snapshot.get(name), int) else None for name in _FROM_SNAPSHOT},
        "stores": {str(one.get("store")): str(one.get("state")) for one in objects_of(snapshot, "copies")},
    }


def _snapshot_of(record: OccurrenceRecord, told: RunTold | None) -> Mapping[str, Any]:
    listed = [] if told is None else objects_of(told.document, "snapshots")
    return next((one for one in listed if one.get("source") == record.subject), {})


def objects_of(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return the objects of a list; the answer comes from another process, anything may be in it."""
    found = document.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

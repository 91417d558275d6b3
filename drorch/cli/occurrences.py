"""``drorch history --occurrences``: what was due, and how each occurrence ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from drorch.catalog.interface import Catalog, OccurrenceRecord, OccurrenceState
from drorch.cli.output import Output, local_time, printable, table, utc_time, wrapped

_REASON_COLUMN = 4


def show_occurrences(
    catalog: Catalog, source: str | None, output: Output, zone: str, *, failed: bool, limit: int
) -> None:
    """Answer with occurrences, latest first; ``failed`` leaves out what ended well and what nobody wanted."""
    states = [state for state in OccurrenceState if state.is_exception] if failed else []
    is_policy = source is not None and "/" not in source
    found = catalog.occurrences(policy=source, states=states, limit=limit) if is_policy else ()
    found = found or catalog.occurrences(subject=source, states=states, limit=limit)
    if output.as_json:
        output.document("drorch.occurrences/1", {"ok": True, "occurrences": [_document(one) for one in found]})
    else:
        output.lines(_lines(found, zone) if found else ["Nothing was due yet, as far as a daemon knows."])


def _lines(found: Sequence[OccurrenceRecord], zone: str) -> list[str]:
    cells = [("DUE", "WHAT", "OF", "ENDED", "TRIES")]
    cells += [(_due(one, zone), one.kind, one.subject, one.state.value, str(one.attempts or "")) for one in found]
    head, *rows = table(cells, right=frozenset({4}))
    lines = [head]
    for one, row in zip(found, rows, strict=True):
        lines.append(row)
        lines += wrapped(f"{' ' * _REASON_COLUMN}{printable(one.reason)}", _REASON_COLUMN) if one.reason else []
    return lines


def _due(one: OccurrenceRecord, zone: str) -> str:
    due = local_time(one.slot, zone)[:16]
    return due if one.count == 1 else f"{due} x{one.count:,}"


def _document(one: OccurrenceRecord) -> dict[str, object]:
    def shown(moment: datetime | None) -> str | None:
        return None if moment is None else utc_time(moment)

    return {
        "host": one.host,
        "kind": one.kind,
        "subject": one.subject,
        "policy": one.policy,
        "due_at": utc_time(one.slot),
        "last_due_at": utc_time(one.last_slot),
        "count": one.count,
        "state": one.state.value,
        "reason": one.reason or None,
        "attempts": one.attempts,
        "next_try_at": shown(one.not_before),
        "started_at": shown(one.started_at),
        "ended_at": shown(one.ended_at),
        "run": one.run_id,
        "error": one.error_slug,
    }

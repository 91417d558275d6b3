"""Enter ended occurrences into the ledger: cheap, safe to repeat after a crash, and possible for a host that may only add.

Such a host reads nothing but its own chain; the heads of others are then left out of what it has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from drorch.catalog.interface import OccurrenceRecord
from drorch.errors import Bug, DrorchError
from drorch.evidence.occurrence_entry import EndedOccurrence, is_ripe, occurrence_entries
from drorch.operations.proof.appending import LedgerWriter

_TOGETHER = 2_000  # entries of one segment: with the longest reasons still below SEGMENT_LIMIT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounted:
    """How many entries were added, and which stores do not have them yet: the next append brings those up."""

    added: int
    failures: Mapping[str, DrorchError] = field(default_factory=dict)


def ripe(records: Iterable[OccurrenceRecord], now: datetime) -> tuple[OccurrenceRecord, ...]:
    """Return those that can be entered ``now``: exceptions, and whatever ended in an hour that is over."""
    return tuple(one for one in records if one.ended_at is not None and is_ripe(one.state, one.ended_at, now))


def run(writer: LedgerWriter, records: Sequence[OccurrenceRecord]) -> Accounted:
    """Enter ``records``, all of which have ended and are ripe; give all of an hour that are not known to be entered at once.

    When it returns all of them are in the ledger of at least one store, and can be marked. When it raises, or the host dies before they are
    marked, the same call is made again: what is there already is not added twice. Raises what ``LedgerWriter.append`` raises.
    """
    ended = [_ended(one) for one in records]
    if not ended:
        return Accounted(added=0)
    entries = occurrence_entries(ended, writer.clock.now())
    since = min(one.ended_at for one in ended)
    added = 0
    failures: dict[str, DrorchError] = {}
    for start in range(0, len(entries), _TOGETHER):
        appended = writer.append_missing(entries[start : start + _TOGETHER], since)
        if appended is not None:
            added += len(appended.numbers)
            failures.update(appended.failures)
    return Accounted(added=added, failures=failures)


def _ended(record: OccurrenceRecord) -> EndedOccurrence:
    if record.ended_at is None or not record.state.is_final:
        raise Bug("an occurrence that has not ended is not for the ledger", found=f"{record.kind} of {record.subject}")
    return EndedOccurrence(
        host=record.host,
        epoch=record.epoch,
        duty=record.kind,
        source=record.subject,
        policy=record.policy,
        slot=record.slot,
        last_slot=record.last_slot,
        count=record.count,
        state=record.state,
        reason=record.reason,
        attempts=record.attempts,
        ended_at=record.ended_at,
    )

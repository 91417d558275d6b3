"""Occurrences in the ledger: what went as promised is counted per policy and hour, each exception has an entry of its own.

The same occurrences always make the same facts, so whoever repeats them after a crash can tell that they are there. The digest
of an hour pins each single occurrence as the catalog has it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from drorch.evidence.ledger_entry import LONGEST_SUBJECT, Entry, EntryKind
from drorch.format.json_text import encode_json
from drorch.policy.occurrences.states import OccurrenceState

_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedOccurrence:
    """``count`` occurrences of a duty from ``slot`` to ``last_slot`` that ended alike.

    ``duty`` is a word of ``DutyKind``; ``source`` is what it is of: a source, a restore test, a store, or empty.
    """

    host: str
    epoch: int
    duty: str
    source: str
    policy: str
    slot: datetime
    last_slot: datetime
    count: int
    state: OccurrenceState
    reason: str
    attempts: int
    ended_at: datetime


def is_ripe(state: OccurrenceState, ended_at: datetime, now: datetime) -> bool:
    """Whether it can be entered: an exception at once, what is counted when its hour is no longer this one."""
    return state.is_exception or _hour_of(ended_at) != _hour_of(now)


def occurrence_entries(ended: Iterable[EndedOccurrence], at: datetime) -> tuple[Entry, ...]:
    """Return the entries of what ended: exceptions in order of their end, then the hours. All of an hour must be given at once."""
    every = sorted(ended, key=_order)
    exceptions = [_exception(one, at) for one in every if one.state.is_exception]
    counted = sorted((one for one in every if not one.state.is_exception), key=_hour_key)
    hours = [_hour(list(alike), at) for _, alike in groupby(counted, key=_hour_key)]
    return (*exceptions, *hours)


def occurrences_digest(ended: Iterable[EndedOccurrence]) -> str:
    """Return the SHA-256 that an hour's entry holds of the occurrences that it counts (FORMAT 19)."""
    rows = sorted(
        [one.source, one.epoch, _moment(one.slot), _moment(one.last_slot), one.count, one.state.value, one.reason]
        for one in ended
    )
    return hashlib.sha256(encode_json({"occurrences": rows})).hexdigest()


def _exception(one: EndedOccurrence, at: datetime) -> Entry:
    return Entry(
        kind=EntryKind.OCCURRENCE,
        subject=(one.source or one.duty)[:LONGEST_SUBJECT],
        at=at,
        facts={
            "host": one.host,
            "duty": one.duty,
            "source": one.source,
            "policy": one.policy,
            "epoch": one.epoch,
            "slot": _moment(one.slot),
            "last_slot": _moment(one.last_slot),
            "count": one.count,
            "state": one.state.value,
            "reason": one.reason[:_LONGEST_REASON],
            "attempts": one.attempts,
            "ended_at": _moment(one.ended_at),
        },
    )


def _hour(alike: Sequence[EndedOccurrence], at: datetime) -> Entry:
    first = alike[0]
    return Entry(
        kind=EntryKind.OCCURRENCES,
        subject=(first.policy or first.duty)[:LONGEST_SUBJECT],
        at=at,
        facts={
            "host": first.host,
            "duty": first.duty,
            "policy": first.policy,
            "hour": _moment(_hour_of(first.ended_at)),
            "states": _counted((one.state.value, one.count) for one in alike),
            "skipped": _counted((one.reason, one.count) for one in alike if one.state is OccurrenceState.SKIPPED),
            "digest": occurrences_digest(alike),
        },
    )


def _counted(pairs: Iterable[tuple[str, int]]) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for word, count in pairs:
        counts[word[:_LONGEST_REASON]] += count
    return dict(sorted(counts.items()))


def _order(one: EndedOccurrence) -> tuple[Any, ...]:
    return one.ended_at, one.host, one.duty, one.source, one.epoch, one.slot


def _hour_key(one: EndedOccurrence) -> tuple[Any, ...]:
    return _hour_of(one.ended_at), one.host, one.duty, one.policy


def _hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

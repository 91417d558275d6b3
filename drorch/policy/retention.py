"""Which snapshots of one source stay in one store, and why. Pure: snapshots, a rule and the time in, decisions with reasons out.

*Slots.* A rule keeps the newest so many hours, days, weeks, months and years in which there is a snapshot; of the snapshots of one slot
the one that was committed first. So a clock that is wrong ages nothing, a pause expires nothing, and a further snapshot of a slot takes
nobody's place. Slots are those of the schedule where the snapshot was made for one.

*Standing.* Whatever is less trustworthy can keep itself, and never keeps from being kept what is more so: the rule is applied to the sound
snapshots alone, then to these and those made by hand, and so on to all; what any of these keeps is kept. A forger who can add snapshots with
dates of his own, and somebody who presses the button thirty times, cannot make older ones go.

*Rivals.* Whoever has the writer's key may also be the first of a time of the schedule. The first has the slot; whatever else was made for that
time stays as long as it does, for nothing tells here which of them is the writer's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from drorch.policy.model import Keep, KeepCount, Retention
from drorch.policy.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A committed snapshot. ``sequence`` is its place in the lane, ``at`` its slot in the schedule, or when it ended if it has none.

    ``rival_of`` is the snapshot that has the slot which this one was made for, too.
    """

    snapshot: str
    sequence: int
    at: datetime
    standing: Standing
    rival_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Somebody's word that a snapshot stays: ``until`` is ``None`` as long as nobody takes it back."""

    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a snapshot stays; ``reasons`` say why in words, for either."""

    snapshot: str
    keep: bool
    reasons: tuple[str, ...]


def decide(
    snapshots: Iterable[Candidate],
    rule: Retention,
    *,
    now: datetime,
    zone: ZoneInfo,
    holds: Mapping[str, Sequence[Hold]] | None = None,
    keep_all: str = "",
) -> tuple[Decision, ...]:
    """Return a decision for every snapshot, oldest first. ``keep_all`` is why nothing may go, if something says so.

    The newest snapshot of each standing stays under every rule. Holds that are in force at ``now`` win.
    """
    in_order = sorted(snapshots, key=lambda one: one.sequence)
    slots = _slots(in_order, rule, zone)
    reasons: dict[str, list[str]] = {one.snapshot: [keep_all] if keep_all else [] for one in in_order}
    for snapshot, its_holds in (holds or {}).items():
        reasons.setdefault(snapshot, []).extend(
            hold.reason for hold in its_holds if hold.until is None or hold.until > now
        )
    by_rule: set[str] = set()
    for standing in sorted({one.standing for one in in_order}):
        for period in slots:
            first: dict[Any, Candidate] = {}
            for one, slot in zip(in_order, period.keys, strict=True):
                if one.standing <= standing:
                    first.setdefault(slot, one)
            newest = sorted(first, reverse=True)[: period.count]
            for place, slot in enumerate(newest, 1):
                reasons[first[slot].snapshot].append(period.kept(slot, place))
                by_rule.add(first[slot].snapshot)
    _keep_rivals(in_order, reasons, by_rule)
    because = {one.snapshot: tuple(dict.fromkeys(reasons[one.snapshot])) for one in in_order}
    why_not = _why_not(in_order, slots)
    return tuple(
        Decision(snapshot=one.snapshot, keep=bool(because[one.snapshot]), reasons=because[one.snapshot] or why_not(one))
        for one in in_order
    )


def _keep_rivals(in_order: Iterable[Candidate], reasons: Mapping[str, list[str]], by_rule: Collection[str]) -> None:
    for one in in_order:
        if one.rival_of in by_rule:
            reasons[one.snapshot].append(f"made for the same time as {one.rival_of[:8]}, which stays")


# -- slots

_Key: TypeAlias = Any  # of one period all keys are of one type, and sort by time


@dataclass(frozen=True, slots=True)
class _Period:
    """One number of the rule: its slots for every snapshot, and how it speaks. ``count`` is ``None`` for ever."""

    adjective: str
    noun: str
    count: int | None
    keys: Sequence[_Key]
    label: Callable[[_Key], str]

    def kept(self, slot: _Key, place: int) -> str:
        limit = "for ever" if self.count is None else f"{place} of {self.count}"
        return f"{self.adjective} {self.label(slot)}".rstrip() + f" ({limit})"


def _slots(in_order: Sequence[Candidate], rule: Retention, zone: ZoneInfo) -> list[_Period]:
    local = [one.at.astimezone(zone) for one in in_order]
    runs = _runs(in_order)
    every: tuple[tuple[str, str, KeepCount, Sequence[_Key], Callable[[_Key], str]], ...] = (
        ("newest", "snapshot", rule.keep_last or 1, runs, lambda _: ""),
        ("hourly", "hour", rule.keep_hourly, [_hour(at) for at in local], lambda key: f"{_day(key)} {key[3]:02}h"),
        ("daily", "day", rule.keep_daily, [(at.year, at.month, at.day) for at in local], _day),
        ("weekly", "week", rule.keep_weekly, [tuple(at.isocalendar())[:2] for at in local], _week),
        ("monthly", "month", rule.keep_monthly, [(at.year, at.month) for at in local], _month),
        ("yearly", "year", rule.keep_yearly, [(at.year,) for at in local], lambda key: f"{key[0]}"),
    )
    return [
        _Period(adjective, noun, None if count is Keep.FOREVER else count, keys, label)
        for adjective, noun, count, keys, label in every
        if count != 0
    ]


def _runs(in_order: Sequence[Candidate]) -> list[int]:
    """Return the slot of each snapshot for ``keep_last``: that of the first which was made for the same time of the schedule."""
    first: dict[datetime, int] = {}
    return [
        first.setdefault(one.at, one.sequence) if one.standing is Standing.SOUND else one.sequence for one in in_order
    ]


def _hour(at: datetime) -> _Key:
    """Of the hour that a clock shows twice the earlier has the greater offset."""
    offset = at.utcoffset()
    return at.year, at.month, at.day, at.hour, 0 if offset is None else -offset.total_seconds()


def _day(key: _Key) -> str:
    return f"{key[2]:02}/{key[1]:02}/{key[0]}"


def _week(key: _Key) -> str:
    return f"{key[0]}-W{key[1]:02}"


def _month(key: _Key) -> str:
    return f"{key[1]:02}/{key[0]}"


def _why_not(in_order: Sequence[Candidate], slots: Sequence[_Period]) -> Callable[[Candidate], tuple[str, ...]]:
    """Return what says why a snapshot goes: for every number of the rule who has its slot, or that newer slots fill it."""
    places = {one.snapshot: place for place, one in enumerate(in_order)}
    owners: list[dict[_Key, Candidate]] = []
    for period in slots:
        first: dict[_Key, Candidate] = {}
        for one, slot in zip(in_order, period.keys, strict=True):
            first.setdefault(slot, one)
        owners.append(first)

    def why_not(one: Candidate) -> tuple[str, ...]:
        words = []
        for period, first in zip(slots, owners, strict=True):
            slot = period.keys[places[one.snapshot]]
            if first[slot].snapshot == one.snapshot:
                some = f"newest {period.noun}" if period.count == 1 else f"{period.count} newest {period.noun}s"
                words.append(f"older than the {some}")
            else:
                words.append(f"{period.adjective} {period.label(slot)} has {first[slot].snapshot[:8]}")
        return tuple(words)

    return why_not

"""What a machine has promised to do again and again: a backup of one source, a drill, a prune."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from drorch.policy.blackout import Blackout
from drorch.policy.schedule import OnceSchedule, Schedule, occurrences_after
from drorch.policy.window import Window

ONCE_AGAIN = timedelta(days=1)  # what is to be captured once is tried so often until it is
_MOST_JITTER_SECONDS = 15


class DutyKind(Enum):
    """What is done. Backups and discoveries need the role backup, copies too; drills the role drill; the rest maintenance."""

    DISCOVERY = "discovery"  # ask a server which databases it has
    BACKUP = "backup"
    COPY = "copy"  # bring a store up that was away
    DRILL = "drill"
    VERIFY = "verify"
    PRUNE = "prune"
    LOCK = "lock"  # make the store's locks last


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One duty. ``subject`` is a source, a restore test or a store; empty for all there is.

    ``unit`` names what runs as one: the sources of a consistency group share it. ``after`` are policies that go first.
    ``since`` is when it came into force: what an ``once`` schedule counts from.
    """

    kind: DutyKind
    subject: str
    schedule: Schedule
    since: datetime
    policy: str = ""
    spread_seconds: int = 0
    offset_seconds: int = 0  # its share of the spread
    window: Window | None = None
    blackouts: tuple[Blackout, ...] = ()
    unit: str = ""
    after: frozenset[str] = frozenset()
    server: str = ""
    stores: tuple[str, ...] = ()
    was: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the others of a machine."""
        return self.kind.value, self.subject

    @property
    def promise(self) -> str:
        """The text of what was promised: another text is another promise."""
        limits = [f"window {self.window}" if self.window else "", *(f"blackout {one}" for one in self.blackouts)]
        spread = f"+{self.offset_seconds}s" if self.offset_seconds else ""
        return "; ".join(
            part for part in (f"{self.schedule} {self.schedule.zone.key} {spread}".strip(), *limits) if part
        )

    def may_start(self, moment: datetime) -> bool:
        """Whether it may start at ``moment``: inside its window, in no blackout."""
        zone = self.schedule.zone
        is_open = self.window is None or self.window.contains(moment, zone)
        return is_open and not any(one.contains(moment, zone) for one in self.blackouts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One occurrence: ``nominal`` is what the schedule says, ``start`` what the spread makes of it for this source."""

    nominal: datetime
    start: datetime


def slots_after(duty: Duty, moment: datetime) -> Iterator[Slot]:
    """Yield the occurrences whose start is later than ``moment``, in order; it may never end."""
    if isinstance(duty.schedule, OnceSchedule):
        yield from _once_slots(duty, moment)
        return
    offset = timedelta(seconds=duty.offset_seconds)
    for nominal in occurrences_after(duty.schedule, moment - offset):
        start = _start(duty, nominal)
        if start > moment:
            yield Slot(nominal=nominal, start=start)


def _once_slots(duty: Duty, moment: datetime) -> Iterator[Slot]:
    start = duty.since
    if start <= moment:
        start += ((moment - start) // ONCE_AGAIN + 1) * ONCE_AGAIN
    while True:
        yield Slot(nominal=start, start=start)
        start += ONCE_AGAIN


def _start(duty: Duty, nominal: datetime) -> datetime:
    """Return when the source starts: later by its share of the spread, which is no longer than the window still is."""
    offset_seconds = duty.offset_seconds
    if offset_seconds and duty.window is not None:
        local = nominal.astimezone(duty.schedule.zone)
        minute = local.hour * 60 + local.minute
        room_seconds = 60 * ((duty.window.end_minute - minute) % 1440 or 1440)
        if duty.window.contains_minute(minute) and room_seconds < duty.spread_seconds:
            offset_seconds = offset_seconds * room_seconds // duty.spread_seconds // 60 * 60
    return nominal + timedelta(seconds=offset_seconds)


def jitter(host: str, subject: str) -> timedelta:
    """Return by how much this machine starts a source later than its minute: many machines must not knock at one store at once."""
    drawn = hashlib.blake2b(f"{host}\0{subject}".encode(), digest_size=4).digest()
    return timedelta(seconds=int.from_bytes(drawn, "big") % _MOST_JITTER_SECONDS)

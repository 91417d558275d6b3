"""The book of one machine's occurrences. What is written comes first: only what the catalog has accepted counts.

A call that raises ``CatalogError`` has changed nothing, neither in the catalog nor here: it is made again later, and no
occurrence is lost, since what is due is computed from how far the catalog is accounted for.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from drorch.catalog.interface import Catalog, DaemonRecord, OccurrenceRecord
from drorch.operations.occurrences import entries
from drorch.operations.occurrences.entries import Desk, Entry, RunEnd
from drorch.operations.occurrences.promises import Key, ended_promises, kept_since, record_of
from drorch.policy.occurrences.duty import Duty
from drorch.policy.occurrences.falling_due import fall_due, next_start
from drorch.policy.occurrences.line import Job, Places, Waiting, jobs_to_start

_JUST = timedelta(milliseconds=1)  # the shortest time that the catalog tells apart
SMALL_STEP_BACK = timedelta(hours=1)  # of the clock: hours that come again were accounted for and are not run twice


class Book:
    """What is due, waits and runs on one machine. Used by one thread."""

    def __init__(self, catalog: Catalog, daemon: DaemonRecord, duties: Iterable[Duty]) -> None:
        self._catalog = catalog
        self._daemon = daemon
        self._duties: dict[Key, Duty] = {duty.key: duty for duty in duties}
        self._waiting: dict[Key, Entry] = {}
        self._running: dict[str, tuple[Entry, ...]] = {}
        self._calendar: list[tuple[datetime, Key]] = []
        self._refill(daemon.accounted_until)

    @property
    def daemon(self) -> DaemonRecord:
        """How the daemon stands, as the catalog has it."""
        return self._daemon

    @property
    def duties(self) -> Mapping[Key, Duty]:
        """What is promised."""
        return self._duties

    @property
    def waiting(self) -> Sequence[Entry]:
        """What is due and does not run yet."""
        return tuple(self._waiting.values())

    @property
    def running(self) -> Mapping[str, tuple[Entry, ...]]:
        """What runs, by the unit of its job."""
        return self._running

    @property
    def next_at(self) -> datetime | None:
        """When something falls due next, or may be tried again; what could start by now waits for a place, not for a moment."""
        seen = self._daemon.accounted_until
        moments = (entry.record.not_before for entry in self._waiting.values())
        tries = [moment for moment in moments if moment is not None and moment > seen]
        return min([*tries, *(moment for moment, _ in self._calendar[:1])], default=None)

    # -- time passes

    def account(self, now: datetime, *, absence: str) -> tuple[OccurrenceRecord, ...]:
        """Write down what fell due until ``now``; return what ended by it. ``absence`` says why what is late was not run.

        When the clock was set back by more than ``SMALL_STEP_BACK`` a new epoch begins: its hours come again.
        """
        if now < self._daemon.accounted_until:
            self._begin_epoch(now)
            return ()
        desk = Desk(host=self._daemon.host, epoch=self._daemon.epoch)
        queued: list[Entry] = []
        ended: list[OccurrenceRecord] = []
        for key in self._fallen(now):
            duty = self._duties[key]
            found = fall_due(duty, self._begin_of(duty), now, absence=absence)
            ended += [entries.accounted(desk, duty, span, now) for span in found.spans]
            if found.due is None:
                continue
            queued.append(Entry(duty=duty, record=entries.queued(desk, duty, found.due, now)))
            if key in self._waiting:
                reason = f"the next one fell due at {found.due:%Y-%m-%dT%H:%MZ}"
                ended.append(entries.gave_way(self._waiting[key].record, reason, now))
        daemon = replace(self._daemon, accounted_until=now, heartbeat_at=now)
        self._catalog.account(daemon, [*ended, *(entry.record for entry in queued)])
        self._daemon = daemon
        self._waiting |= {entry.duty.key: entry for entry in queued}
        self._turn_pages(now)
        return tuple(ended)

    def _begin_of(self, duty: Duty) -> datetime:
        """Return the moment after which occurrences of a duty are not accounted for yet."""
        return max(self._daemon.accounted_until, duty.since - _JUST)

    def _begin_epoch(self, now: datetime) -> None:
        if self._daemon.accounted_until - now <= SMALL_STEP_BACK:
            return
        daemon = replace(self._daemon, epoch=self._daemon.epoch + 1, accounted_until=now, heartbeat_at=now)
        soon = [replace(entry.record, not_before=now) for entry in self._waiting.values()]
        self._catalog.account(daemon, soon)
        self._daemon = daemon
        for record in soon:
            key = (record.kind, record.subject)
            self._waiting[key] = replace(self._waiting[key], record=record)
        self._refill(now)

    def _fallen(self, now: datetime) -> Iterator[Key]:
        """Yield the duties that fall due until ``now``, leaving the calendar as it is."""
        stack = [0]  # a heap's children are not before their parent: only what is due is looked at
        while stack:
            place = stack.pop()
            if place < len(self._calendar) and self._calendar[place][0] <= now:
                yield self._calendar[place][1]
                stack += [2 * place + 1, 2 * place + 2]

    def _turn_pages(self, now: datetime) -> None:
        while self._calendar and self._calendar[0][0] <= now:
            key = self._calendar[0][1]
            following = next_start(self._duties[key], now)
            if following is None:
                heapq.heappop(self._calendar)
            else:
                heapq.heapreplace(self._calendar, (following, key))

    def _refill(self, moment: datetime) -> None:
        starts = ((next_start(duty, max(moment, duty.since - _JUST)), key) for key, duty in self._duties.items())
        self._calendar = [(start, key) for start, key in starts if start is not None]
        heapq.heapify(self._calendar)

    # -- runs

    def startable(self, places: Places, now: datetime) -> tuple[Job, ...]:
        """Return the jobs that may start now; ``begin`` writes that one does."""
        if not self._waiting:
            return ()
        line = (
            Waiting(duty=entry.duty, slot=entry.record.slot, not_before=entry.record.not_before or entry.record.slot)
            for entry in self._waiting.values()
        )
        busy = tuple(
            Job(
                unit=unit,
                members=tuple(
                    Waiting(duty=entry.duty, slot=entry.record.slot, not_before=entry.record.slot) for entry in members
                ),
            )
            for unit, members in self._running.items()
        )
        return tuple(jobs_to_start(line, busy, places, now))

    def begin(self, job: Job, now: datetime) -> None:
        """Write that the occurrences of a job run now."""
        members = tuple(self._waiting[duty.key] for duty in job.duties)
        members = tuple(replace(entry, record=entries.started(entry.record, now)) for entry in members)
        self._catalog.put_occurrences([entry.record for entry in members])
        for entry in members:
            del self._waiting[entry.duty.key]
        self._running[job.unit] = members

    def end(self, unit: str, ends: Mapping[Key, RunEnd], now: datetime) -> tuple[OccurrenceRecord, ...]:
        """Write how the occurrences of a job ended, or that they are to be tried again; return their entries."""
        after = [(entry, self._after(entry, ends[entry.duty.key], now)) for entry in self._running[unit]]
        self._put_back(after, now)
        del self._running[unit]
        return tuple(record for _, record in after)

    def hand_back(self, unit: str, reason: str, now: datetime) -> None:
        """Write that a job was broken off before its end and waits again, as when the daemon stops."""
        after = [(entry, entries.waits_again(entry.record, reason, now)) for entry in self._running[unit]]
        self._put_back(after, now)
        del self._running[unit]

    def _after(self, entry: Entry, end: RunEnd, now: datetime) -> OccurrenceRecord:
        duty = self._duties.get(entry.duty.key, entry.duty)
        return entries.ended(entry.record, duty, end, now, next_start(duty, max(now, entry.record.slot)))

    def _put_back(self, after: Sequence[tuple[Entry, OccurrenceRecord]], now: datetime) -> None:
        """Write entries after a run; one that would wait again gives way to a later one that waits already."""
        records: list[OccurrenceRecord] = []
        back: list[Entry] = []
        for entry, record in after:
            key = entry.duty.key
            if not record.state.is_final and (key in self._waiting or key not in self._duties):
                why = "the next one fell due" if key in self._waiting else "nothing promises it any more"
                records.append(entries.gave_way(record, why, now))
                continue
            records.append(record)
            if not record.state.is_final:
                back.append(Entry(duty=self._duties[key], record=record))
        self._catalog.put_occurrences(records)
        self._waiting |= {entry.duty.key: entry for entry in back}

    # -- what was found open at the start

    def put_in_line(self, open_entries: Iterable[OccurrenceRecord], now: datetime) -> tuple[OccurrenceRecord, ...]:
        """Take over occurrences that an earlier daemon left waiting; return those that give way to a later one."""
        ended: list[OccurrenceRecord] = []
        waiting: dict[Key, Entry] = {}
        for record in sorted(open_entries, key=lambda one: one.slot):
            key = (record.kind, record.subject)
            duty = self._duties.get(key)
            if duty is None:
                ended.append(entries.gave_way(record, "nothing promises it any more", now))
                continue
            if key in waiting:
                ended.append(entries.gave_way(waiting[key].record, "the next one fell due", now))
            waiting[key] = Entry(duty=duty, record=record)
        self._catalog.put_occurrences([*ended, *(entry.record for entry in waiting.values())])
        self._waiting |= waiting
        return tuple(ended)

    def keep_running(self, unit: str, members: Iterable[tuple[Duty, OccurrenceRecord]]) -> None:
        """Take over occurrences whose run outlived the daemon that started it."""
        self._running[unit] = tuple(Entry(duty=duty, record=record) for duty, record in members)

    # -- promises change

    def change_duties(self, duties: Iterable[Duty], now: datetime) -> tuple[OccurrenceRecord, ...]:
        """Promise ``duties`` from ``now`` on, instead of what was promised; return the occurrences that ended by it.

        Everything until ``now`` must have been accounted for under the old promises. What waits of a source that has a new name
        is run under that name.
        """
        known = {(one.kind, one.subject): one for one in self._catalog.duties(host=self._daemon.host)}
        begin = now + _JUST  # what fell due until now was the old promise's
        fresh = {duty.key: kept_since(replace(duty, since=begin), known) for duty in duties}
        ended = ended_promises(known.values(), fresh, now)
        gone = {(one.kind, one.subject) for one in ended}
        begun = [record_of(duty, self._daemon.host) for key, duty in fresh.items() if key not in known or key in gone]
        if ended or begun:
            self._catalog.change_duties(self._daemon.host, ended=ended, begun=begun)
        records, renamed = self._give_way(fresh, now)
        self._catalog.put_occurrences([*records, *(entry.record for entry in renamed)])
        self._duties = fresh
        left = ((key, entry) for key, entry in self._waiting.items() if key in fresh)
        self._waiting = {key: replace(entry, duty=fresh[key]) for key, entry in left}
        self._waiting |= {entry.duty.key: entry for entry in renamed}
        self._refill(self._daemon.accounted_until)
        return tuple(records)

    def _give_way(self, fresh: Mapping[Key, Duty], now: datetime) -> tuple[list[OccurrenceRecord], list[Entry]]:
        """Return the entries of what waits and is promised no more, and of what waits under a new name."""
        heirs = {(duty.kind.value, duty.was): duty for duty in fresh.values() if duty.was is not None}
        records: list[OccurrenceRecord] = []
        renamed: list[Entry] = []
        for key, entry in self._waiting.items():
            if key in fresh:
                continue
            heir = heirs.get(key)
            reason = "nothing promises it any more" if heir is None else f"renamed to {heir.subject}"
            records.append(entries.gave_way(entry.record, reason, now))
            if heir is not None and heir.key not in self._waiting:
                record = replace(entry.record, subject=heir.subject, policy=heir.policy)
                renamed.append(Entry(duty=heir, record=record))
        return records, renamed

    # -- the daemon itself

    def tell(self, now: datetime, *, trouble: str | None = None, is_stopping: bool = False) -> None:
        """Write that the daemon lives, what is the matter with its configuration, and whether it stops in good order."""
        daemon = replace(
            self._daemon,
            heartbeat_at=now,
            next_at=self.next_at,
            trouble=self._daemon.trouble if trouble is None else trouble,
            stopped_at=now if is_stopping else None,
        )
        self._catalog.put_daemon(daemon)
        self._daemon = daemon

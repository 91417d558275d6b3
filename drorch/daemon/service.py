"""The daemon: one thread that does one thing after the other, woken by dates, ends of runs and signals.

It writes before it acts: a run is started when the catalog has accepted that it runs. When the catalog cannot be written
nothing is started, and everything is tried again; what is due meanwhile is due when it can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from drorch.catalog.interface import Catalog, IsAlive, OccurrenceRecord
from drorch.clock import Clock
from drorch.daemon.configuration import Configuration, InForce
from drorch.daemon.duties import duties_of
from drorch.daemon.notify_socket import NotifySocket
from drorch.daemon.observing import Listeners, Observer
from drorch.daemon.results import Answer, ends_of
from drorch.daemon.runs import Runs
from drorch.daemon.timetable import Timetable
from drorch.daemon.troubles import Troubles
from drorch.daemon.wishes import Ended, Wish, Wishes
from drorch.errors import CatalogError, DrorchError
from drorch.operations.machine import Machine
from drorch.operations.occurrences.aftermath import ends_unseen
from drorch.operations.occurrences.book import Book
from drorch.operations.occurrences.opening import open_book
from drorch.operations.occurrences.promises import is_once
from drorch.operations.room import require_room
from drorch.policy.occurrences.duty import DutyKind
from drorch.policy.occurrences.line import Places
from drorch.quantities import counted

UNSEEN = timedelta(minutes=2)  # longer than this between two wakes: the machine slept, or its clock was set
DRAIN_SECONDS = 60.0  # how long runs may go on after the daemon was told to end; systemd gives 90 by default
_LISTENERS_SECONDS = 5.0
_HOUR = timedelta(hours=1)
_RETRY = timedelta(seconds=5)  # after something was in the way of all


class Service:
    """One daemon. ``run`` returns when it was told to end."""

    def __init__(
        self,
        configuration: Configuration,
        catalog: Catalog,
        *,
        machine: Machine,
        is_alive: IsAlive,
        clock: Clock,
        wishes: Wishes,
        observers: Iterable[Observer] = (),
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._configuration = configuration
        self._catalog = catalog
        self._machine = machine
        self._is_alive = is_alive
        self._clock = clock
        self._drain_seconds = drain_seconds
        self._wishes = wishes
        self._runs = Runs(wishes, clock)
        self._listeners = Listeners(observers)
        self._troubles = Troubles(self._listeners)
        self._systemd = NotifySocket(configuration.in_force.environment)
        self._is_promised = False  # what the configuration in force says
        self._is_estate_new = False  # what a run found is not promised yet
        self._looked_at: datetime | None = None
        self._purged_at: datetime | None = None
        self._is_stopping = False
        self._told_failures: set[str] = set()
        self._book: Book | None = None

    def run(self) -> None:
        """Keep schedules until SIGTERM or SIGINT; raises ``NothingDone`` when another daemon does, ``CatalogError`` at the start."""
        now = self._clock.now()
        opened = open_book(self._catalog, self._machine, self._is_alive, now)
        self._book = opened.book
        self._wishes.hear_ends()
        self._listeners.tell(lambda one: one.started(opened.book.daemon, opened.absence))
        self._announce(opened.ended)
        self._take_in_force(now)
        timetable = Timetable(lambda: self._wishes.put(Wish.WAKE), self._clock)
        self._systemd.ready(self._status())
        try:
            while not self._is_stopping:
                self._act()
                timetable.set(self._clock.now() + _RETRY if self._troubles.is_any else opened.book.next_at)
                self._grant(self._wishes.get())
        finally:
            timetable.close()
            self._stop()

    # -- wishes

    def _grant(self, wish: Wish | Ended) -> None:
        if isinstance(wish, Ended):
            self._runs.heard(wish)
        elif wish is Wish.STOP:
            self._is_stopping = True
        elif wish is Wish.RELOAD:
            self._reload()

    # -- what is done at each wake

    def _act(self) -> None:
        """Do all that can be done now; when the catalog cannot be written, say so and do it later."""
        now = self._clock.now()
        self._troubles.begin_round()
        try:
            self._write_ends(now)
            self._account(now)
            if not self._is_promised:
                self._take_in_force(now)
            if self._is_estate_new:
                self._promise(now)
            self._watch_orphans(now)
            self._start(now)
            self._beat(now)
        except CatalogError as error:
            self._troubles.tell(f"the catalog cannot be written: {error.message}")
            return
        self._troubles.end_round()
        self._systemd.alive(self._status())

    def _account(self, now: datetime) -> None:
        self._announce(self._open.account(now, absence=self._absence(now)))

    def _absence(self, now: datetime) -> str:
        """Return why nobody ran what is late: the daemon lived, but did not see the time."""
        seen = self._open.daemon.accounted_until
        if now - seen <= UNSEEN:
            return "the daemon was busy"
        what = (
            "the catalog could not be written"
            if self._troubles.is_any
            else "the machine slept or its clock was set forward"
        )
        return f"{what}: from {seen:%Y-%m-%dT%H:%MZ} to {now:%Y-%m-%dT%H:%MZ}"

    def _write_ends(self, now: datetime) -> None:
        for unit, answer in self._runs.answers.items():
            members = self._open.running.get(unit, ())
            if members and self._is_stopping and self._runs.was_broken_off(unit):
                self._open.hand_back(unit, "the daemon was stopped while it ran", now)
            elif members:
                ends = ends_of([entry.duty for entry in members], answer)
                self._announce(self._open.end(unit, ends, now), answer)
            self._runs.written(unit)
            if any(entry.duty.kind is DutyKind.DISCOVERY or is_once(entry.duty) for entry in members):
                self._is_estate_new = True  # databases that are new, or a source that needs no more

    def _watch_orphans(self, now: datetime) -> None:
        """Look how runs stand that an earlier daemon started: nobody waits for their processes."""
        orphans = {unit: entries for unit, entries in self._open.running.items() if unit not in self._runs.names}
        if orphans:
            self._catalog.recognise_crashed_runs(host=self._machine.host, is_alive=self._is_alive, now=now)
        for unit, entries in orphans.items():
            ends = ends_unseen(self._catalog, entries)
            if ends is not None:
                self._announce(self._open.end(unit, ends, now))

    def _start(self, now: datetime) -> None:
        in_force = self._configuration.in_force
        jobs = self._open.startable(self._places(in_force), now)
        if not jobs or not self._has_room(in_force):
            return
        for job in jobs:
            self._open.begin(job, now)
            self._runs.start(job, in_force)

    def _has_room(self, in_force: InForce) -> bool:
        """Whether the disks have room; what is due waits until they do, its window ends or the next one is due."""
        try:
            require_room(in_force.settings.own_directories(), in_force.settings.limits.keep_free_percent)
        except DrorchError as error:
            self._troubles.tell(error.message)
            return False
        return True

    def _places(self, in_force: InForce) -> Places:
        limits = in_force.settings.limits
        return Places(
            in_all=limits.parallel_runs, per_server=limits.parallel_per_server, per_store=limits.parallel_per_store
        )

    def _beat(self, now: datetime) -> None:
        """Now and then: look for changed files, write that the daemon lives, forget old history."""
        if self._looked_at is not None and timedelta(0) <= now - self._looked_at < timedelta(seconds=20):
            return
        self._looked_at = now
        if self._configuration.is_changed():
            self._reload()
        self._open.tell(now)
        if self._purged_at is None or abs(now - self._purged_at) > _HOUR:
            self._purged_at = now
            self._purge(now)
            self._promise(now)
        self._tell_unheard()
        self._listeners.tell(lambda one: one.beat(now))

    def _purge(self, now: datetime) -> None:
        """Forget old history; not when the clock is ahead of what was written last by so much that it may be wrong."""
        kept = timedelta(seconds=self._configuration.in_force.settings.history_seconds)
        newest = self._catalog.runs(limit=1)
        if newest and now - newest[0].started_at < kept / 4:
            self._catalog.purge_history(now - kept)

    # -- configuration

    def _reload(self) -> None:
        """Take what the files say in force; what the catalog cannot take now is promised as soon as it can."""
        now = self._clock.now()
        self._systemd.reloading(int(self._clock.monotonic_seconds() * 1_000_000))
        try:
            self._configuration.reload()
            self._is_promised = False
            self._account(now)
            self._take_in_force(now)
        except CatalogError as error:
            self._troubles.tell(f"the catalog cannot be written: {error.message}")
        except (OSError, DrorchError) as error:
            self._troubles.tell(f"the configuration cannot be read again: {error}")
        self._systemd.ready(self._status())

    def _take_in_force(self, now: datetime) -> None:
        """Promise what the configuration says from now on."""
        problems = self._configuration.in_force.problems
        self._promise(now)
        self._open.tell(now, trouble="; ".join(problems))
        self._is_promised = True
        self._listeners.tell(lambda one: one.reloaded(problems))

    def _promise(self, now: datetime) -> None:
        """Promise what the configuration and the catalog say now: databases come and go, sources are closed."""
        duties = duties_of(self._configuration.in_force, self._catalog, now)
        self._announce(self._open.change_duties(duties, now))
        self._is_estate_new = False

    # -- the end

    def _stop(self) -> None:
        """End in order: start nothing, let runs end, then ask them to; what they uploaded is used again.

        What an earlier daemon started goes on, and is taken over by the next one.
        """
        self._systemd.stopping("waiting for runs to end")
        self._runs.end_in_order(self._drain_seconds)
        now = self._clock.now()
        self._listeners.tell(lambda one: one.stopping())
        try:
            self._write_ends(now)
            for unit in self._runs.names.intersection(self._open.running):
                self._open.hand_back(unit, "the daemon was stopped while it ran", now)
            self._open.account(now, absence="the daemon was busy")
            self._open.tell(now, is_stopping=True)
        finally:
            self._listeners.close(_LISTENERS_SECONDS)

    # -- words

    @property
    def _open(self) -> Book:
        assert self._book is not None
        return self._book

    def _announce(self, records: Sequence[OccurrenceRecord], answer: Answer | None = None) -> None:
        if records:
            told = tuple(records)
            self._listeners.tell(lambda one: one.ended(told, answer))

    def _tell_unheard(self) -> None:
        """Tell the others, once, what a listener could not do: the ledger may be away for a night."""
        for name, what in tuple(self._listeners.failures.items()):
            text = f"{name}: {what}"
            if text not in self._told_failures:
                self._told_failures.add(text)
                self._listeners.tell(partial(_troubled, text))

    def _status(self) -> str:
        running = len(self._open.running)
        return f"{counted(len(self._open.duties), 'duty')}, {running} running, {len(self._open.waiting)} waiting"


def _troubled(what: str, one: Observer) -> None:
    one.troubled(what)

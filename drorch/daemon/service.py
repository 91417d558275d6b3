"""The daemon: one thread that does one thing after the other, woken by dates, ends of runs and signals.

It writes before it acts: a run is started when the catalog has accepted that it runs. When the catalog cannot be written
nothing is started, and everything is tried again; what is due meanwhile is due when it can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from drorch.catalog.interface import Catalog, IsAlive, OccurrenceRecord
from drorch.clock import Clock
from drorch.daemon.children import Children
from drorch.daemon.configuration import Configuration, InForce
from drorch.daemon.duties import duties_of
from drorch.daemon.notify_socket import NotifySocket
from drorch.daemon.observing import Listeners, Observer
from drorch.daemon.orders import words_of
from drorch.daemon.results import Answer, ends_of
from drorch.daemon.timetable import Timetable
from drorch.daemon.wishes import Ended, Wish, Wishes
from drorch.errors import CaptureFailed, CatalogError, DrorchError
from drorch.operations.occurrences.aftermath import end_of, failure, run_of
from drorch.operations.occurrences.book import Book
from drorch.operations.occurrences.entries import RunEnd
from drorch.operations.occurrences.opening import open_book
from drorch.operations.occurrences.promises import is_once
from drorch.operations.protect import Machine
from drorch.operations.room import require_room
from drorch.policy.occurrences.duty import DutyKind
from drorch.policy.occurrences.line import Job, Places

UNSEEN = timedelta(minutes=2)  # longer than this between two wakes: the machine slept, or its clock was set
DRAIN_SECONDS = 60.0  # how long runs may go on after the daemon was told to end; systemd gives 90 by default
FAREWELL_SECONDS = 20.0
_LISTENERS_SECONDS = 5.0
_HOUR = timedelta(hours=1)


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
        self._children = Children(lambda unit, answer: wishes.put(Ended(unit, answer)))
        self._listeners = Listeners(observers)
        self._systemd = NotifySocket(configuration.in_force.environment)
        self._unwritten: dict[str, Answer] = {}
        self._trouble = ""
        self._looked_at: datetime | None = None
        self._purged_at: datetime | None = None
        self._is_stopping = False
        self._book: Book | None = None

    def run(self) -> None:
        """Keep schedules until SIGTERM or SIGINT; raises ``NothingDone`` when another daemon does, ``CatalogError`` at the start."""
        now = self._clock.now()
        opened = open_book(self._catalog, self._machine, self._is_alive, now)
        self._book = opened.book
        self._wishes.hear_ends()
        self._listeners.tell(lambda one: one.started(opened.book.daemon, opened.absence))
        self._announce(opened.ended)
        self._take_in_force(self._configuration.in_force, now)
        timetable = Timetable(lambda: self._wishes.put(Wish.WAKE), self._clock)
        self._systemd.ready(self._status())
        try:
            while not self._is_stopping:
                self._act()
                timetable.set(opened.book.next_at)
                self._grant(self._wishes.get())
        finally:
            timetable.close()
            self._stop()

    # -- wishes

    def _grant(self, wish: Wish | Ended) -> None:
        if isinstance(wish, Ended):
            self._unwritten[wish.unit] = wish.answer
        elif wish is Wish.STOP:
            self._is_stopping = True
        elif wish is Wish.RELOAD:
            self._reload()

    # -- what is done at each wake

    def _act(self) -> None:
        """Do all that can be done now; when the catalog cannot be written, say so and do it later."""
        now = self._clock.now()
        try:
            self._write_ends(now)
            self._account(now)
            self._watch_orphans(now)
            self._start(now)
            self._beat(now)
        except CatalogError as error:
            self._tell_trouble(f"the catalog cannot be written: {error.message}")
            return
        self._trouble = ""
        self._systemd.alive(self._status())

    def _account(self, now: datetime) -> None:
        self._announce(self._open.account(now, absence=self._absence(now)))

    def _absence(self, now: datetime) -> str:
        """Return why nobody ran what is late: the daemon lived, but did not see the time."""
        seen = self._open.daemon.accounted_until
        if now - seen <= UNSEEN:
            return "the daemon was busy"
        what = "the catalog could not be written" if self._trouble else "the machine slept or its clock was set forward"
        return f"{what}: from {seen:%Y-%m-%dT%H:%MZ} to {now:%Y-%m-%dT%H:%MZ}"

    def _write_ends(self, now: datetime) -> None:
        for unit, answer in tuple(self._unwritten.items()):
            members = self._open.running.get(unit, ())
            if members and answer.was_ended and self._is_stopping:
                self._open.hand_back(unit, "the daemon was stopped while it ran", now)
            elif members:
                ends = ends_of([entry.duty for entry in members], answer)
                self._announce(self._open.end(unit, ends, now), answer.document)
            del self._unwritten[unit]
            if any(entry.duty.kind is DutyKind.DISCOVERY or is_once(entry.duty) for entry in members):
                self._promise(now)  # databases that are new, or a source that needs no more

    def _watch_orphans(self, now: datetime) -> None:
        """Look how runs stand that an earlier daemon started: nobody waits for their processes."""
        ours = self._children.names | self._unwritten.keys()
        orphans = [(unit, entries) for unit, entries in self._open.running.items() if unit not in ours]
        if not orphans:
            return
        self._catalog.recognise_crashed_runs(host=self._machine.host, is_alive=self._is_alive, now=now)
        for unit, entries in orphans:
            ends: dict[tuple[str, str], RunEnd] = {}
            for entry in entries:
                run = run_of(self._catalog, entry.record)
                end = failure(CaptureFailed("its run left no record")) if run is None else end_of(run)
                if end is not None:
                    ends[entry.duty.key] = end
            if len(ends) == len(entries):
                self._announce(self._open.end(unit, ends, now))

    def _start(self, now: datetime) -> None:
        in_force = self._configuration.in_force
        jobs = self._open.startable(self._places(in_force), now)
        if not jobs or not self._has_room(in_force):
            return
        for job in jobs:
            self._open.begin(job, now)
            self._start_process(job, in_force)

    def _start_process(self, job: Job, in_force: InForce) -> None:
        words = words_of(job, read_percent=in_force.settings.upkeep.read_percent)
        where = ("--config", str(in_force.settings.file)) if in_force.settings.file else ()
        try:
            self._children.start(job.unit, (*words, *where), in_force.environment)
        except OSError as error:
            problem = {"name": "bug", "message": f"no process could be started: {error.strerror}", "retryable": True}
            self._unwritten[job.unit] = Answer(code=1, document={"error": problem})
            self._wishes.put(Wish.WAKE)

    def _has_room(self, in_force: InForce) -> bool:
        """Whether the disks have room; what is due waits until they do, its window ends or the next one is due."""
        try:
            require_room(in_force.settings.own_directories(), in_force.settings.limits.keep_free_percent)
        except DrorchError as error:
            self._tell_trouble(error.message)
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
        self._listeners.tell(lambda one: one.beat(now))

    def _purge(self, now: datetime) -> None:
        """Forget old history; not when the clock is ahead of what was written last by so much that it may be wrong."""
        kept = timedelta(seconds=self._configuration.in_force.settings.history_seconds)
        newest = self._catalog.runs(limit=1)
        if newest and now - newest[0].started_at < kept / 4:
            self._catalog.purge_history(now - kept)

    # -- configuration

    def _reload(self) -> None:
        now = self._clock.now()
        self._systemd.reloading(int(self._clock.monotonic_seconds() * 1_000_000))
        try:
            in_force = self._configuration.reload()
            self._open.account(now, absence=self._absence(now))
            self._take_in_force(in_force, now)
        except (OSError, DrorchError) as error:
            self._tell_trouble(f"the configuration cannot be read again: {error}")
        self._systemd.ready(self._status())

    def _take_in_force(self, in_force: InForce, now: datetime) -> None:
        """Promise what the configuration says from now on."""
        self._promise(now)
        self._open.tell(now, trouble="; ".join(in_force.problems))
        self._listeners.tell(lambda one: one.reloaded(in_force.problems))

    def _promise(self, now: datetime) -> None:
        """Promise what the configuration and the catalog say now: databases come and go, sources are closed."""
        duties = duties_of(self._configuration.in_force, self._catalog, now)
        self._announce(self._open.change_duties(duties, now))

    # -- the end

    def _stop(self) -> None:
        """End in order: start nothing, let runs end, then ask them to; what they uploaded is used again."""
        self._systemd.stopping("waiting for runs to end")
        self._wait_for_runs(self._drain_seconds)
        self._children.end_all()
        self._wait_for_runs(FAREWELL_SECONDS)
        self._children.kill_all()
        self._wait_for_runs(FAREWELL_SECONDS)
        now = self._clock.now()
        self._listeners.tell(lambda one: one.stopping())
        try:
            self._write_ends(now)
            for unit in tuple(self._open.running):
                self._open.hand_back(unit, "the daemon was stopped while it ran", now)
            self._open.account(now, absence="the daemon was busy")
            self._open.tell(now, is_stopping=True)
        finally:
            self._listeners.close(_LISTENERS_SECONDS)

    def _wait_for_runs(self, seconds: float) -> None:
        until = self._clock.monotonic_seconds() + seconds
        while self._children.names and self._clock.monotonic_seconds() < until:
            wish = self._wishes.get_within(0.2)
            if isinstance(wish, Ended):
                self._unwritten[wish.unit] = wish.answer
            elif wish is Wish.STOP:  # asked again: somebody is in a hurry
                return

    # -- words

    @property
    def _open(self) -> Book:
        assert self._book is not None
        return self._book

    def _announce(self, records: Sequence[OccurrenceRecord], document: Mapping[str, object] | None = None) -> None:
        if records:
            told = tuple(records)
            self._listeners.tell(lambda one: one.ended(told, document))

    def _tell_trouble(self, what: str) -> None:
        if what != self._trouble:
            self._trouble = what
            self._listeners.tell(lambda one: one.troubled(what))

    def _status(self) -> str:
        running = len(self._open.running)
        return f"{len(self._open.duties)} duties, {running} running, {len(self._open.waiting)} waiting"

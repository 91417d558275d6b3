"""A year of a daemon in some seconds: every occurrence that a brute-force matcher finds has exactly one end.

The matcher of this file shares no code with drorch: it looks at the local clock of every minute. The year has two zones
with changes of the clock, a leap day, 30 downtimes, jumps of the clock, policies that are edited, removed, renamed
and come back, blackouts, windows, failures, and a catalog that cannot be written now and then.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from drorch.catalog.interface import Catalog, OccurrenceRecord, OccurrenceState
from drorch.errors import CatalogError
from drorch.operations.machine import Machine
from drorch.operations.occurrences.book import Book
from drorch.operations.occurrences.entries import RunEnd
from drorch.operations.occurrences.opening import open_book
from drorch.policy.blackout import parse_blackout
from drorch.policy.occurrences.duty import Duty, DutyKind
from drorch.policy.occurrences.line import Places
from drorch.policy.schedule import parse_schedule
from drorch.policy.window import parse_window
from tests.support.occurrence_ledger import OccurrenceLedger

BEGIN = datetime(2027, 12, 20, 3, 17, tzinfo=UTC)
END = BEGIN + timedelta(days=370)  # over 29/02/2028 and two changes of the clock
MINUTE = timedelta(minutes=1)
ZONES = ("Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York")
PLACES = Places(in_all=6, per_server=2, per_store=99)
MACHINE = Machine(host="backup1", machine_id="c0ffee", pid=1, process_started="boot:1")

# schedules as the daemon reads them, and what the matcher asks of a local minute: (minute, hour, day, month, weekday)
PLANS: list[tuple[str, Any]] = [
    ("0 * * * *", lambda m, h, d, o, w: m == 0),
    ("*/30 6-18 * * *", lambda m, h, d, o, w: m % 30 == 0 and 6 <= h <= 18),
    ("30 2 * * *", lambda m, h, d, o, w: (h, m) == (2, 30)),  # in Berlin a time that is skipped, and one shown twice
    ("15 1 * * 0", lambda m, h, d, o, w: (h, m) == (1, 15) and w == 6),
    ("0 3 1 * *", lambda m, h, d, o, w: (h, m) == (3, 0) and d == 1),
    ("0 4 29 2 *", lambda m, h, d, o, w: (h, m) == (4, 0) and (d, o) == (29, 2)),
    ("0 5 13 * 5", lambda m, h, d, o, w: (h, m) == (5, 0) and (d == 13 or w == 4)),
    ("0 0 1 1 *", lambda m, h, d, o, w: (h, m, d, o) == (0, 0, 1, 1)),
]


@dataclass
class Promised:
    """A schedule that held for a subject from ``since`` (not included) until ``until`` (included), as the test knows."""

    subject: str
    plan: int
    zone: str
    offset: int
    since: datetime
    until: datetime = END


class Matcher:
    """Brute force: the local clock of every minute of the year, once for each zone."""

    def __init__(self) -> None:
        self.hits: dict[tuple[int, str], list[datetime]] = defaultdict(list)
        for zone in ZONES:
            self._walk(zone)

    def _walk(self, name: str) -> None:
        zone, shown = ZoneInfo(name), set[datetime]()
        moment = BEGIN - timedelta(days=2)
        moment = moment.replace(minute=0)
        before = moment.astimezone(zone).replace(tzinfo=None) - MINUTE
        while moment <= END + timedelta(days=2):
            first = moment.astimezone(zone).replace(tzinfo=None)  # these zones change on the hour only
            for minute in range(60):
                local = first + minute * MINUTE
                # where the clock jumps forward, what it skips comes at the first minute after it
                skipped = int((local - before) / MINUTE) - 1
                for one in [local - back * MINUTE for back in range(skipped, 0, -1)] if skipped > 0 else ():
                    self._look(name, one, moment, shown)
                before = max(before, local)
                self._look(name, local, moment + minute * MINUTE, shown)
            moment += 60 * MINUTE

    def _look(self, name: str, one: datetime, moment: datetime, shown: set[datetime]) -> None:
        if one.minute % 15 or one in shown:
            return  # no plan names another minute; a time that the clock shows a second time comes once
        shown.add(one)
        for number, (_, fits) in enumerate(PLANS):
            if fits(one.minute, one.hour, one.day, one.month, one.weekday()):
                hits = self.hits[number, name]
                if not hits or hits[-1] != moment:
                    hits.append(moment)

    def slots(self, promised: Promised) -> Iterator[datetime]:
        for hit in self.hits[promised.plan, promised.zone]:
            start = hit + timedelta(seconds=promised.offset)
            if promised.since < start <= promised.until:
                yield start


@dataclass
class World:
    """The daemon's clock and configuration, and what the test remembers of both."""

    rng: random.Random
    ledger: OccurrenceLedger = field(default_factory=OccurrenceLedger)
    now: datetime = BEGIN
    promises: list[Promised] = field(default_factory=list)
    duties: dict[str, Duty] = field(default_factory=dict)
    book: Book | None = None
    ends_at: dict[str, datetime] = field(default_factory=dict)
    tried: Counter[str] = field(default_factory=Counter)

    @property
    def catalog(self) -> Catalog:
        return cast("Catalog", self.ledger)

    def promise(self, subject: str, plan: int, zone: str, offset: int = 0, **changes: Any) -> None:
        duty = Duty(
            kind=DutyKind.BACKUP,
            subject=subject,
            policy=subject,
            schedule=parse_schedule(PLANS[plan][0], ZoneInfo(zone)),
            since=self.now,
            spread_seconds=offset and 7200,
            offset_seconds=offset,
            server=f"db{plan}",
            **changes,
        )
        self.withdraw(subject)
        self.duties[subject] = duty
        self.promises.append(Promised(subject, plan, zone, offset, since=self.now))

    def withdraw(self, subject: str) -> None:
        self.duties.pop(subject, None)
        for one in self.promises:
            if one.subject == subject and one.until == END:
                one.until = self.now

    def restart(self) -> None:
        opened = self.safely(lambda: open_book(self.catalog, MACHINE, lambda *_: False, self.now))
        self.book = opened.book
        self.ends_at.clear()
        self.apply()

    def apply(self) -> None:
        book = self.book
        assert book is not None
        self.safely(lambda: book.account(self.now, absence="busy"))
        self.safely(lambda: book.change_duties(list(self.duties.values()), self.now))

    def safely(self, act: Any) -> Any:
        """Do it again when the catalog cannot be written, as the daemon does."""
        while True:
            try:
                return act()
            except CatalogError:
                continue

    def run_until(self, moment: datetime) -> None:
        """Let the daemon live until ``moment``: it wakes when something is due, ends or may be tried again."""
        book = self.book
        assert book is not None
        while self.now < moment:
            wakes = [one for one in (book.next_at, *self.ends_at.values()) if one is not None and one > self.now]
            self.now = min([moment, *wakes, self.now + timedelta(hours=6)])
            if self.rng.random() < 0.001:
                self.ledger.fails = self.rng.randint(1, 3)
            self.safely(lambda: book.account(self.now, absence="busy"))
            for unit in [unit for unit, end in self.ends_at.items() if end <= self.now]:
                self.end(unit)
            for job in book.startable(PLACES, self.now):
                self.safely(lambda job=job: book.begin(job, self.now))
                self.ends_at[job.unit] = self.now + timedelta(minutes=self.rng.choice([1, 3, 10, 40, 200]))

    def end(self, unit: str) -> None:
        book = self.book
        assert book is not None
        drawn = self.rng.random()
        state = (
            OccurrenceState.OK if drawn < 0.9 else OccurrenceState.PARTIAL if drawn < 0.93 else OccurrenceState.FAILED
        )
        end = RunEnd(state=state, may_pass=drawn > 0.96, reason="" if state is OccurrenceState.OK else "broken")
        ends = {entry.duty.key: end for entry in book.running[unit]}
        self.safely(lambda: book.end(unit, ends, self.now))
        del self.ends_at[unit]


def a_year(seed: int) -> World:
    world = World(rng=random.Random(seed))
    rng = world.rng
    tet = parse_blackout("2028-01-24..2028-01-31")
    for number in range(50):
        plan = 0 if number < 3 else 1 if number < 5 else 2 + number % (len(PLANS) - 2)
        changes: dict[str, Any] = {}
        if number % 7 == 3:
            changes["blackouts"] = (tet,)
        if number % 11 == 5:
            changes["window"] = parse_window("22:00-05:30")
        offset = 0 if changes else 60 * (number % 5) * 13
        world.promise(f"s{number}", plan, ZONES[number % 3], offset=offset, **changes)
    world.restart()
    events = sorted(
        [(BEGIN + timedelta(minutes=rng.randrange(370 * 1440)), kind) for kind in ["down"] * 30 + ["edit"] * 12]
        + [(BEGIN + timedelta(minutes=rng.randrange(370 * 1440)), kind) for kind in ["forward", "little back"] * 3]
        + [(BEGIN + timedelta(minutes=rng.randrange(370 * 1440)), kind) for kind in ["remove", "again", "rename"] * 3]
    )
    for moment, kind in events:
        if moment > world.now:
            world.run_until(moment)
        happen(world, kind)
    world.run_until(END)
    return world


def happen(world: World, kind: str) -> None:
    rng, book = world.rng, world.book
    assert book is not None
    if kind == "down":  # killed, or stopped; edited while it was down now and then
        world.now += timedelta(minutes=rng.choice([1, 7, 60, 600, 3000, 15_000]))
        if rng.random() < 0.5:
            world.promise("s4", 0, ZONES[0])
        world.restart()
        return
    if kind == "forward":
        world.now += timedelta(hours=rng.choice([2, 30, 200]))
        return
    if kind == "little back":
        world.now -= timedelta(minutes=rng.choice([1, 20, 50]))
        return
    subject = rng.choice(sorted(world.duties))
    world.safely(lambda: book.account(world.now, absence="busy"))
    world.now = max(world.now, book.daemon.accounted_until)
    if kind == "edit":
        world.promise(subject, rng.randrange(1, len(PLANS)), rng.choice(ZONES), offset=60 * rng.randrange(60))
    elif kind == "remove":
        world.withdraw(subject)
    elif kind == "rename":
        duty = world.duties[subject]
        last = next(one for one in reversed(world.promises) if one.subject == subject)
        world.withdraw(subject)
        world.duties[f"{subject}x"] = replace(duty, subject=f"{subject}x", policy=f"{subject}x", was=subject)
        world.promises.append(replace(last, subject=f"{subject}x", since=world.now, until=END))
    else:
        world.promise("s1", 1, ZONES[2])
    world.apply()


def test_every_occurrence_of_a_year_is_accounted_for() -> None:
    world = a_year(seed=20281)
    matcher = Matcher()
    wanted: dict[str, Counter[datetime]] = defaultdict(Counter)
    for promised in world.promises:
        if promised.since >= END:
            continue
        wanted[promised.subject].update(matcher.slots(promised))
    found: dict[str, list[OccurrenceRecord]] = defaultdict(list)
    for record in world.ledger.records.values():
        found[record.subject].append(record)
    for subject, slots in wanted.items():
        assert_accounted(subject, sorted(slots.elements()), found.pop(subject, []))
    assert not found
    states = Counter(record.state for record in world.ledger.records.values())
    for state in OccurrenceState:
        if state.is_final:
            assert states[state] > 3, state  # the year was as bad as it was meant to be
    assert world.ledger.failed > 10


def assert_accounted(subject: str, slots: list[datetime], records: list[OccurrenceRecord]) -> None:
    """Assert that each slot is in exactly one record, and each record is of slots; those of a renamed source may be older."""
    is_heir = subject.endswith("x")
    covered = Counter[datetime]()
    for record in records:
        inside = [slot for slot in slots if record.slot <= slot <= record.last_slot]
        if is_heir and not inside and record.count == 1:
            continue  # what waited under the old name runs under the new one
        assert len(inside) == record.count, f"{record} covers {inside}"
        assert record.state.is_final or record.slot > END - timedelta(days=2), record
        covered.update(inside)
    missing = [slot for slot in slots if slot not in covered]
    doubled = [slot for slot, count in covered.items() if count > 1]
    assert (missing, doubled) == ([], []), f"{subject}: missing {missing[:5]}, doubled {doubled[:5]}"

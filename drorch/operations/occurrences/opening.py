"""Open the book when a daemon starts: what an earlier one promised, left waiting, or was doing when it went."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from drorch.catalog.interface import Catalog, DaemonRecord, IsAlive, OccurrenceRecord, OccurrenceState, RunState
from drorch.errors import NothingDone
from drorch.operations.machine import Machine
from drorch.operations.occurrences.aftermath import end_of, run_of
from drorch.operations.occurrences.book import Book
from drorch.operations.occurrences.entries import waits_again
from drorch.operations.occurrences.promises import duty_of
from drorch.policy.occurrences.duty import Duty, DutyKind
from drorch.policy.schedule import parse_schedule

_UTC = ZoneInfo("UTC")
_GONE = "the daemon was killed while it ran"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The book, accounted for until now; ``ended`` are the occurrences that nobody ran; ``absence`` says why, empty at the first start."""

    book: Book
    ended: tuple[OccurrenceRecord, ...]
    absence: str


def open_book(catalog: Catalog, machine: Machine, is_alive: IsAlive, now: datetime) -> Opened:
    """Return the book of this host; raise ``NothingDone`` when another daemon keeps it, ``CatalogError``.

    Runs that outlived their daemon are kept as running; those that did not are judged by what they left, or wait again.
    """
    before = next((one for one in catalog.daemons() if one.host == machine.host), None)
    if before is not None and before.stopped_at is None and _is_another(before, machine, is_alive):
        raise NothingDone(
            "another daemon keeps the occurrences of this host",
            expected="one daemon on one configuration",
            found=f"process {before.pid}, running since {before.started_at:%Y-%m-%dT%H:%M:%SZ}",
            hint="`drorch status` shows it; stop it first",
        )
    catalog.recognise_crashed_runs(host=machine.host, is_alive=is_alive, now=now)
    book = Book(catalog, _daemon(before, machine, now), _promised(catalog, machine.host))
    if before is None:
        book.account(now, absence="")
        return Opened(book=book, ended=(), absence="")
    absence = _absence(before, now)
    ended = [*_take_over(catalog, book, machine.host, now), *book.account(now, absence=absence)]
    return Opened(book=book, ended=tuple(ended), absence=absence)


def _is_another(before: DaemonRecord, machine: Machine, is_alive: IsAlive) -> bool:
    is_this = (before.pid, before.process_started) == (machine.pid, machine.process_started)
    return not is_this and is_alive(before.pid, before.process_started)


def _daemon(before: DaemonRecord | None, machine: Machine, now: datetime) -> DaemonRecord:
    if before is None:
        return DaemonRecord(
            host=machine.host,
            pid=machine.pid,
            process_started=machine.process_started,
            epoch=0,
            started_at=now,
            accounted_until=now,
            heartbeat_at=now,
        )
    started = {"started_at": now, "heartbeat_at": now, "stopped_at": None, "trouble": ""}
    return replace(before, pid=machine.pid, process_started=machine.process_started, **started)  # type: ignore[arg-type]


def _absence(before: DaemonRecord, now: datetime) -> str:
    if before.stopped_at is not None:
        return f"the daemon was stopped from {before.stopped_at:%Y-%m-%dT%H:%MZ} to {now:%Y-%m-%dT%H:%MZ}"
    return f"the daemon was gone from {before.heartbeat_at:%Y-%m-%dT%H:%MZ} to {now:%Y-%m-%dT%H:%MZ}, killed or without power"


def _promised(catalog: Catalog, host: str) -> Iterable[Duty]:
    found = (duty_of(record) for record in catalog.duties(host=host))
    return (duty for duty in found if duty is not None)


def _take_over(catalog: Catalog, book: Book, host: str, now: datetime) -> tuple[OccurrenceRecord, ...]:
    """Take over what is open: waiting, running on, ended unseen, or to be run again."""
    waiting: list[OccurrenceRecord] = []
    for record in catalog.open_occurrences(host):
        if record.state is OccurrenceState.WAITING:
            waiting.append(record)
            continue
        run = run_of(catalog, record)
        if run is None or run.state is RunState.CRASHED:
            waiting.append(waits_again(record, _GONE, now))
            continue
        unit = f"{record.kind}:{record.subject}"
        book.keep_running(unit, [(_duty(book, record), record)])
        end = end_of(run)
        if end is not None:
            book.end(unit, {(record.kind, record.subject): end}, now)
    return book.put_in_line(waiting, now)


def _duty(book: Book, record: OccurrenceRecord) -> Duty:
    """Return the duty of an occurrence; one that is promised no more is only needed until its run has ended."""
    known = book.duties.get((record.kind, record.subject))
    if known is not None:
        return known
    return Duty(
        kind=DutyKind(record.kind),
        subject=record.subject,
        policy=record.policy,
        schedule=parse_schedule("0 0 1 1 *", _UTC),
        since=record.slot,
    )

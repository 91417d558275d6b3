"""Get time-stamps for drills that have none. The ledger is the queue: what is not stamped is asked for again.

After a drill only that one is asked for, without reading the ledger; a file in the machine's state remembers that some are owed, and the
next drill that gets its stamp asks for those, too, as do ``drill due`` and the daemon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from drorch.errors import EvidenceError
from drorch.evidence.dossier import open_dossier
from drorch.evidence.ledger_entry import Document, Entry, EntryKind
from drorch.evidence.stamp_rules import stamp_words
from drorch.format import names
from drorch.format.objects import digest_of
from drorch.operations.proof.appending import LedgerWriter
from drorch.operations.proof.gathering import copies_of, gather
from drorch.operations.room import private_directory

AsksAuthority = Callable[[str, bytes], tuple[bytes, datetime]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StampReport:
    """The drills that got a time-stamp, with what people are told of it, and why others still have none.

    After the first that is not answered nobody else is asked for.
    """

    stamps: Mapping[str, str]
    waiting: tuple[str, ...]
    problems: Mapping[str, EvidenceError] = field(default_factory=dict)

    @property
    def stamped(self) -> tuple[str, ...]:
        """The drills that got one."""
        return tuple(self.stamps)


def run(writer: LedgerWriter, authority: str, ask: AsksAuthority) -> StampReport:
    """Stamp every drill's signed statement that has no stamp; raises what reading and adding to the ledger raise."""
    opened = open_dossier(gather(writer.repository), None)
    waiting = [one for one in opened.drills() if not opened.about(one.entry.subject, EntryKind.TIME_STAMPED)]
    stamps: dict[str, str] = {}
    problems: dict[str, EvidenceError] = {}
    for entry in waiting:
        content = opened.content(entry.entry.documents[0])
        if content is None:
            continue  # `evidence verify` tells what is missing
        try:
            answer, moment = ask(authority, content)
        except EvidenceError as error:
            problems[entry.entry.subject] = error
            break
        stamps[entry.entry.subject] = _keep(entry.entry.subject, answer, moment, authority, writer)
    left = tuple(one.entry.subject for one in waiting if one.entry.subject not in stamps)
    return StampReport(stamps=stamps, waiting=left, problems=problems)


def after_drills(
    writer: LedgerWriter, authority: str, ask: AsksAuthority, drills: Mapping[str, str], owed: Path
) -> StampReport:
    """Stamp drills that were just recorded, given with the names of their statements, and then what is ``owed`` from before.

    Raises as ``run``; ``owed`` is there before the first is asked for, so a stamp that never came is not forgotten.
    """
    private_directory(owed.parent, "state")
    was_owed = owed.exists()
    owed.touch(mode=0o600)
    report = _stamp_new(writer, authority, ask, drills)
    if was_owed and not report.waiting:
        older = run(writer, authority, ask)
        report = replace(older, stamps={**report.stamps, **older.stamps})
    if not report.waiting:
        owed.unlink(missing_ok=True)
    return report


def ask_again(writer: LedgerWriter, authority: str, ask: AsksAuthority, owed: Path) -> StampReport:
    """Stamp as ``run``, and take ``owed`` away when nothing waits any more; a drill that asks meanwhile keeps it there."""
    before = _changed_at(owed)
    report = run(writer, authority, ask)
    if not report.waiting and before is not None and _changed_at(owed) == before:
        owed.unlink(missing_ok=True)
    return report


def _changed_at(owed: Path) -> int | None:
    try:
        return owed.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _stamp_new(writer: LedgerWriter, authority: str, ask: AsksAuthority, drills: Mapping[str, str]) -> StampReport:
    stamps: dict[str, str] = {}
    problems: dict[str, EvidenceError] = {}
    for drill, name in drills.items():
        copies = copies_of(writer.repository, name)
        if not copies:
            break  # no store that took it answers any more: it waits
        try:
            answer, moment = ask(authority, copies[0])
        except EvidenceError as error:
            problems[drill] = error
            break
        stamps[drill] = _keep(drill, answer, moment, authority, writer)
    waiting = tuple(drill for drill in drills if drill not in stamps)
    return StampReport(stamps=stamps, waiting=waiting, problems=problems)


def _keep(drill: str, answer: bytes, moment: datetime, authority: str, writer: LedgerWriter) -> str:
    """Enter a stamp into the ledger; return what people are told of it."""
    now = writer.clock.now()
    name = names.evidence_document(now.year, f"{drill}.{str(digest_of(answer))[:8]}.tsr")
    told = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    stamp = Entry(
        kind=EntryKind.TIME_STAMPED,
        subject=drill,
        at=now,
        facts={"authority": authority, "time": told},
        documents=(Document(name, digest_of(answer)),),
    )
    writer.append([stamp], {name: answer})
    return stamp_words(stamp)

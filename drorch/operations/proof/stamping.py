"""Get time-stamps for all drills that have none. The ledger is the queue: what is not stamped is asked for again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from drorch.errors import EvidenceError
from drorch.evidence.dossier import open_dossier
from drorch.evidence.ledger import NumberedEntry
from drorch.evidence.ledger_entry import Document, Entry, EntryKind
from drorch.format import names
from drorch.format.objects import digest_of
from drorch.operations.proof.appending import LedgerWriter
from drorch.operations.proof.gathering import gather

AsksAuthority = Callable[[str, bytes], tuple[bytes, datetime]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StampReport:
    """The drills that got a time-stamp, and why others still have none; after the first that is not answered nobody else is asked for."""

    stamped: tuple[str, ...]
    waiting: tuple[str, ...]
    problems: Mapping[str, EvidenceError] = field(default_factory=dict)


def run(writer: LedgerWriter, authority: str, ask: AsksAuthority) -> StampReport:
    """Stamp every drill's signed statement that has no stamp; raises what reading and adding to the ledger raise."""
    opened = open_dossier(gather(writer.repository), None)
    waiting = [one for one in opened.drills() if not opened.about(one.entry.subject, EntryKind.TIME_STAMPED)]
    stamped: list[str] = []
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
        _keep(entry, answer, moment, authority, writer)
        stamped.append(entry.entry.subject)
    left = tuple(one.entry.subject for one in waiting if one.entry.subject not in stamped)
    return StampReport(stamped=tuple(stamped), waiting=left, problems=problems)


def _keep(entry: NumberedEntry, answer: bytes, moment: datetime, authority: str, writer: LedgerWriter) -> None:
    drill, now = entry.entry.subject, writer.clock.now()
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

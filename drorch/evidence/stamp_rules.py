"""When was it, by the word of somebody who has no part in it: the time-stamps of a drill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from drorch.errors import EvidenceError
from drorch.evidence.dossier import OpenedDossier
from drorch.evidence.ledger_entry import Entry, EntryKind
from drorch.evidence.steps import Step, StepOutcome

ChecksStamp = Callable[[bytes, bytes], datetime]  # stamp, content -> time; raises ``TimestampInvalid``


def stamp_words(stamp: Entry) -> str:
    """Return what a paper says of a time-stamp."""
    return f"{stamp.facts['time']}, {stamp.facts['authority']}"


def stamp_steps(opened: OpenedDossier, drill: str, statement: bytes, checks: ChecksStamp | None) -> Iterator[Step]:
    """Yield a step for each stamp, or one that says that there is none. ``checks`` knows the reader's authorities; ``None``: he named none."""
    stamps = opened.about(drill, EntryKind.TIME_STAMPED)
    if not stamps:
        yield Step("time-stamp", StepOutcome.NOTE, "none")
    for entry in stamps:
        raw = opened.content(entry.entry.documents[0]) if entry.entry.documents else None
        words = f"{entry.entry.facts['time']} by {entry.entry.facts['authority']}"
        if raw is None:
            yield Step("time-stamp", StepOutcome.FAIL, f"{words}: missing or altered")
        elif checks is None:
            yield Step("time-stamp", StepOutcome.NOTE, f"{words}; not checked, for you named no --tsa-certificate")
        else:
            yield _checked(raw, statement, words, entry.entry.facts["time"], checks)


def _checked(raw: bytes, statement: bytes, words: str, told: str, checks: ChecksStamp) -> Step:
    try:
        moment = checks(raw, statement)
    except EvidenceError as error:
        return Step("time-stamp", StepOutcome.FAIL, f"{words}: {error.message}")
    if moment.strftime("%Y-%m-%dT%H:%M:%SZ") != told:
        return Step("time-stamp", StepOutcome.FAIL, f"{words}: the stamp names another time")
    return Step("time-stamp", StepOutcome.OK, words)

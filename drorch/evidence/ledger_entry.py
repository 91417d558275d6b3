"""One entry of the ledger: what happened to whom, when, and the documents that say more.

An entry is canonical JSON (sorted keys, no spaces). It never changes: what was wrong is superseded by a later entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from drorch.errors import Bug, LedgerBroken
from drorch.format.json_text import encode_json
from drorch.format.names import evidence_prefix
from drorch.ids import Digest

_MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"
_KEYS = frozenset({"at", "documents", "facts", "kind", "subject"})
LONGEST_SUBJECT = 200


class EntryKind(Enum):
    """What an entry is about; the values stand in the ledger and never change."""

    DRILL = "drill"
    DRILL_FAILED = "drill_failed"
    SEED_COMMITTED = "seed_committed"
    DRAWN = "drawn"
    SIGNED = "signed"
    SUPERSEDED = "superseded"
    TIME_STAMPED = "time_stamped"
    OCCURRENCE = "occurrence"
    OCCURRENCES = "occurrences"
    REPORT_MONTH = "report_month"
    DISPOSAL = "disposal"
    FORK = "fork"


DRILL_KINDS = frozenset({EntryKind.DRILL, EntryKind.DRILL_FAILED})

# What the facts of an entry must hold at least, and of which type: readers rely on it.
_DRILL_FACTS: Mapping[str, type] = {"test": str, "source": str, "snapshot": str, "verdict": str, "draw": str}
FACTS: Mapping[EntryKind, Mapping[str, type]] = {
    EntryKind.DRILL: _DRILL_FACTS,
    EntryKind.DRILL_FAILED: _DRILL_FACTS,
    EntryKind.SEED_COMMITTED: {"test": str, "commitment": str, "list_digest": str, "listed": int, "count": int},
    EntryKind.DRAWN: {"test": str, "seed": str, "count": int, "list": list, "excluded": dict, "drawn": list},
    EntryKind.SIGNED: {"person": str, "role": str, "key": str, "agrees": bool},
    EntryKind.SUPERSEDED: {"by": str, "reason": str, "person": str},
    EntryKind.TIME_STAMPED: {"authority": str, "time": str},
    EntryKind.OCCURRENCE: {
        "host": str,
        "duty": str,
        "source": str,
        "policy": str,
        "epoch": int,
        "slot": str,
        "last_slot": str,
        "count": int,
        "state": str,
        "reason": str,
        "attempts": int,
        "ended_at": str,
    },
    EntryKind.OCCURRENCES: {
        "host": str,
        "duty": str,
        "policy": str,
        "hour": str,
        "states": dict,
        "skipped": dict,
        "digest": str,
    },
    EntryKind.REPORT_MONTH: {"month": str},
    EntryKind.DISPOSAL: {},
    EntryKind.FORK: {"lost": str},
}


@dataclass(frozen=True, slots=True)
class Document:
    """A piece of evidence in the stores: the object's name below ``evidence/`` and the SHA-256 of its bytes."""

    name: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """``subject`` is the id of what it is about: a drill (as printed), a draw, a month. ``facts`` are JSON values, see ``FACTS``."""

    kind: EntryKind
    subject: str
    at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)
    documents: tuple[Document, ...] = ()

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise Bug(f"a ledger entry that nobody could read: {problem}")

    def encode(self) -> bytes:
        """Return the bytes that the ledger holds."""
        return encode_json(
            {
                "at": self.at.astimezone(UTC).strftime(_MOMENT),
                "documents": [{"name": one.name, "sha256": str(one.digest)} for one in self.documents],
                "facts": self.facts,
                "kind": self.kind.value,
                "subject": self.subject,
            }
        )


def entry_of(value: Any) -> Entry:
    """Return the entry that a JSON value spells; raise ``LedgerBroken``."""
    if not isinstance(value, dict) or value.keys() != _KEYS:
        found = sorted(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise _unreadable(", ".join(sorted(_KEYS)), str(found)[:120])
    subject, facts = value["subject"], value["facts"]
    if not isinstance(subject, str) or not isinstance(facts, dict):
        raise _unreadable("a subject and facts", f"{type(subject).__name__} and {type(facts).__name__}")
    try:
        return Entry(
            kind=EntryKind(value["kind"]),
            subject=subject,
            at=_moment(value["at"]),
            facts=facts,
            documents=tuple(_document(one) for one in value["documents"]),
        )
    except Bug as error:
        raise _unreadable("an entry that its kind describes", error.message) from error
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable("an entry of this version", str(error)[:120]) from error


def _moment(text: str) -> datetime:
    """Return the time that ``text`` spells in the one form that is written; raise ``ValueError``."""
    if len(text) != 27 or text[10] != "T" or text[-1] != "Z":
        raise ValueError(f"not a time: {text[:40]}")
    return datetime.fromisoformat(text)  # three times as fast as strptime, which counts for 100,000 entries


def _document(value: Any) -> Document:
    if not isinstance(value, dict) or value.keys() != {"name", "sha256"}:
        raise ValueError("a document without name and digest")
    name, digest = value["name"], value["sha256"]
    if not isinstance(name, str) or not isinstance(digest, str) or digest != digest.lower():
        raise ValueError("a document without name and digest in small letters")
    return Document(name, Digest(bytes.fromhex(digest)))


def _problem(entry: Entry) -> str:
    if not 0 < len(entry.subject) <= LONGEST_SUBJECT:
        return "a subject of 1 to 200 characters is missing"
    if entry.at.tzinfo is None:
        return "its time has no zone"
    if not all(one.name.startswith(evidence_prefix()) for one in entry.documents):
        return "a document that lies elsewhere"
    for name, kind in FACTS[entry.kind].items():
        value = entry.facts.get(name)
        fits = isinstance(value, Mapping) if kind is dict else isinstance(value, kind)
        if not fits or (kind is int and isinstance(value, bool)):
            return f"{entry.kind.value} without {name} ({kind.__name__})"
    return ""


def _unreadable(expected: str, found: str) -> LedgerBroken:
    return LedgerBroken("a ledger entry cannot be read", expected=expected, found=found)

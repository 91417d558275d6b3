"""The results of a drill's checks: what was expected, what was found, what that means, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """What one check showed; the value is the first word of its line."""

    OK = "ok"
    FAIL = "FAIL"
    INCONCLUSIVE = "inconclusive"  # it could not be carried out, or nothing was compared: proves nothing
    FINDING = "finding"  # nothing is lost, and somebody should know


class Check(Enum):
    """Every check of every drill, in the order of their lines; the value is what ``skip:`` and files call it."""

    KEY = "key"
    RESTORE = "restore"
    CHUNKS = "chunks"
    CONTENT = "content"
    PROBES = "probes"
    SCHEMA = "schema"
    CONSTRAINTS = "constraints"
    ENCODING = "encoding"
    QUERIES = "queries"
    FILES = "files"
    CONTROLS = "controls"
    WIPED = "wiped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it should be: a table, a file, an index, a question.

    ``first`` names the first difference by a row's key (``no row with id = 2741177``), never by a row's content.
    """

    name: str
    expected: str
    found: str
    first: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One thing that was compared: for a table its rows and digest, for a question its answers."""

    name: str
    outcome: Outcome
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One line of the report.

    ``title`` are the words of the line, ``note`` stands at its end (``212 of 212 tables``). ``differences`` are told below the line;
    ``compared`` lists everything that was looked at, the good included, for the statement. ``told`` are sentences for findings.
    ``duration_ms`` is ``None`` for what is shown by another step (chunks are checked while they are restored).
    """

    check: Check
    title: str
    outcome: Outcome
    expected: str
    found: str
    note: str = ""
    duration_ms: int | None = None
    differences: tuple[Difference, ...] = ()
    compared: tuple[Compared, ...] = ()
    told: tuple[str, ...] = ()

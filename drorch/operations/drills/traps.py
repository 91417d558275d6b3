"""Traps of old Vietnamese data: text of TCVN3 or VNI, letters taken apart (NFD), dates that are none. Warnings, for the bytes are right.

A sample of each table is looked at, for a look at every value would cost more than the restore.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from drorch.errors import ObjectCorrupt
from drorch.evidence.drill_checks import Check, CheckResult, Outcome
from drorch.format.row_buckets import rows_of
from drorch.operations.drills.stored_tables import table_name
from drorch.quantities import counted
from drorch.sources.interface import DatabaseProof, StreamKind, StreamSpec

TITLE = "encodings of Vietnamese text"
SAMPLED_BYTES = 32 * 1024
_SAMPLED_ROWS = 200
_SHOWN_TABLES = 5
_TAKEN_APART = re.compile("[A-Za-zÂÊÔâêôĂăƠơƯư][\u0300\u0301\u0302\u0303\u0306\u0309\u031b\u0323]")
# Letters of TCVN3 shown as Latin-1, inside of a word: "®Êt" is "đất", "C«ng" is "Công".
_TCVN3 = re.compile("(?:[A-Za-z][®©ª«¬µ¶·¸¹¾ÆÇËÎÏÑÖ×Øßþ]|[®§][A-Za-zÊÌÐÕÒ])")
# Of VNI: a vowel and its mark in two letters that no Vietnamese word has side by side: "khoâng", "ñaát".
_VNI = re.compile("(?:aâ|eâ|oâ|aê|aä|aå|aã|eä|eå|oä|oå|öô|ñ[aâeêioôuöô])", re.IGNORECASE)
_NO_DATE = re.compile(r"\b(?:00/00/(?:1[89]|20)\d\d|(?:1[89]|20)\d\d-00-00|0000-00-00)\b")
_BROKEN = re.compile(r"[A-Za-z]\\x[89a-f][0-9a-f]")  # how bytes that are no UTF-8 are shown, inside of a word

TRAPS: Mapping[str, re.Pattern[str]] = {
    "looks like TCVN3 (ABC) text": _TCVN3,
    "looks like VNI text": _VNI,
    "has letters taken apart (NFD), so searches in NFC miss them": _TAKEN_APART,
    "has dates that are none, such as 00/00/1975": _NO_DATE,
    "has bytes that are no UTF-8, such as those of TCVN3 and VNI": _BROKEN,
}


def traps_of(text: str) -> Iterator[str]:
    """Yield what a text shows."""
    yield from (told for told, pattern in TRAPS.items() if pattern.search(text))


class TrapsSeen:
    """What the samples of tables showed; filled while their content is compared, for a table is read once."""

    def __init__(self, proof: DatabaseProof) -> None:
        self._proof = proof
        self._lock = threading.Lock()
        self._found: dict[str, list[str]] = {}
        self._looked_at = 0

    def look(self, spec: StreamSpec, head: bytes) -> None:
        """Look at the first rows of a table, as far as whole ones are in its first bytes, and at its names."""
        if spec.kind is not StreamKind.TABLE:
            return
        name = table_name(spec.name)
        texts = [name, *self._proof.columns(spec)]
        for row in _first_rows(head, spec.row_format.value):
            texts += [text for text in self._proof.texts(spec, row) if text is not None]
        seen = set(traps_of("\n".join(texts)))
        with self._lock:
            self._looked_at += 1
            for trap in seen:
                self._found.setdefault(trap, []).append(name)

    def result(self) -> CheckResult:
        """Return what was seen, in the order of the traps."""
        found = {trap: sorted(self._found[trap]) for trap in TRAPS if trap in self._found}
        return result_of(found, counted(self._looked_at, "table"))


def look_at_names(names: Iterable[str]) -> CheckResult:
    """Look at the names of files: NFC and NFD side by side are two files that look like one."""
    found: dict[str, list[str]] = {}
    looked_at = 0
    for name in names:
        looked_at += 1
        for trap in traps_of(name):
            found.setdefault(trap, []).append(unicodedata.normalize("NFC", name))
    return result_of(found, counted(looked_at, "name"))


def result_of(found: Mapping[str, list[str]], looked_at: str) -> CheckResult:
    """Return what was found: findings, for what is in the database is what was backed up."""
    told = tuple(f"{trap}: {_listed(tables)}" for trap, tables in found.items())
    return CheckResult(
        check=Check.ENCODING,
        title=TITLE,
        outcome=Outcome.FINDING if found else Outcome.OK,
        expected="Unicode, composed (NFC)",
        found="; ".join(told) or "nothing else seen",
        note=f"{len(found)} trap{'' if len(found) == 1 else 's'} in {looked_at}" if found else looked_at,
        told=told,
    )


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN_TABLES
    return ", ".join(names[:_SHOWN_TABLES]) + (f" and {more:,} more" if more > 0 else "")


def _first_rows(head: bytes, row_format: int) -> list[bytes]:
    rows: list[bytes] = []
    with suppress(ObjectCorrupt):  # the last row is cut where the sample ends
        for some in rows_of([head], row_format):
            rows += some
    return rows[:_SAMPLED_ROWS]

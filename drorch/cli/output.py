"""How drorch speaks: results on stdout, progress and errors on stderr, 80 columns, one object with ``--json``."""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO
from zoneinfo import ZoneInfo

from drorch.errors import DrorchError, OutputLost
from drorch.policy.encoding import UNPRINTABLE

if TYPE_CHECKING:
    from drorch.sources.interface import Finding

WIDTH = 80


class Output:
    """Where a command writes. ``quiet`` leaves out results of success; ``as_json`` makes stdout one JSON object."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.is_authenticated = True
        self.lost: OutputLost | None = None  # why results could not be written, since some could not
        self._results: TextIO = sys.stdout
        self._messages: TextIO = sys.stderr

    @property
    def is_terminal(self) -> bool:
        """Whether a person watches the results."""
        return self._results.isatty() and not self.as_json

    @property
    def shows_progress(self) -> bool:
        """Whether a person watches the messages."""
        return self._messages.isatty() and not self.quiet and not self.as_json

    def lines(self, lines: Iterable[str]) -> None:
        """Write lines of a result."""
        self._tell(_inert("".join(line.rstrip() + "\n" for line in lines)))

    def go_on_unheard(self) -> None:
        """Write results nowhere from now on: their reader left, and what is being done is worth doing without."""
        self._results = sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - until the exit

    def message(self, text: str) -> None:
        """Write one line that is not a result."""
        if not self.quiet:
            self._messages.write(_inert(text.rstrip()) + "\n")
            self._messages.flush()

    def unauthenticated(self, text: str) -> None:
        """Say, also with ``--quiet``, that nobody vouched for the trust root; every object from now on bears it."""
        self.is_authenticated = False
        self._messages.write("\n".join(wrapped(text, 2)) + "\n")
        self._messages.flush()

    def document(self, schema: str, content: Mapping[str, Any]) -> None:
        """Write the one JSON object of ``--json``; ``schema`` is its published name, ``drorch.status/1``.

        One that rests on a trust root for which nobody vouched says ``"authenticated": false``.
        """
        document = {"schema": schema, **content}
        if not self.is_authenticated:
            document["authenticated"] = False
        self._tell(json.dumps(document, ensure_ascii=False, indent=2, default=_plain) + "\n")

    def _tell(self, text: str) -> None:
        """Write at once: whoever reads along sees what has ended, not what fits into a buffer; one that left stops nothing.

        Nor does a disk that is full: what is being done is worth doing, and ``lost`` says at the end that its telling is not whole.
        """
        try:
            self._results.write(text)
            self._results.flush()
        except BrokenPipeError:
            self.go_on_unheard()
        except OSError as error:
            self.go_on_unheard()
            self.lost = OutputLost(f"the answer could not be written: {error.strerror}")

    def error(self, error: DrorchError) -> None:
        """Tell an error: what happened, expected, found, hint, and what is still good."""
        if self.as_json and not isinstance(error, OutputLost):
            self.document("drorch.error/1", {"ok": False, "error": error_fields(error)})
            return
        self._messages.write(_inert("\n".join(error_lines(error))) + "\n")


def error_fields(error: DrorchError) -> dict[str, Any]:
    """Return an error the way ``--json`` shows it."""
    return {
        "code": error.exit_code,
        "name": error.slug,
        "message": error.message,
        "expected": error.expected,
        "found": error.found,
        "hint": error.hint,
        "still_good": error.still_good,
        "retryable": error.retryable,
    }


def error_lines(error: DrorchError) -> list[str]:
    """Return an error the way people see it."""
    first = wrapped(f"ERROR  {error.message}", 7)
    slug = f"({error.slug})"
    if len(first[-1]) + 2 + len(slug) <= WIDTH:
        first[-1] = f"{first[-1]:<{WIDTH - len(slug) - 1}} {slug}"
    else:
        first.append(f"{slug:>{WIDTH}}")
    lines = first
    for label in ("expected", "found", "hint"):
        text = getattr(error, label)
        if text:
            lines += labelled(label, text)
    if error.still_good:
        lines += wrapped(error.still_good, 0)
    return lines


_NUMBER_AND_UNIT = re.compile(r"(?<=[0-9]) (?=(?:s|min|h|d|B|kB|MB|GB|TB|%)(?![A-Za-z0-9]))")


def _joined(text: str) -> str:
    """Return ``text`` with a space between a number and its unit at which no line is broken; ``_parted`` undoes it."""
    return _NUMBER_AND_UNIT.sub("\xa0", text)


def _parted(lines: Iterable[str]) -> list[str]:
    return [line.replace("\xa0", " ") for line in lines]


def labelled(label: str, text: str, *, column: int = 13) -> list[str]:
    """Return ``  label      text`` with the text wrapped in its own column; lines that were broken before are joined."""
    text = re.sub(r"\n {3,}", " ", text)
    head = f"  {label}".ljust(column)
    out: list[str] = []
    for paragraph in text.splitlines() or [""]:
        start = head if not out else " " * column
        out += textwrap.wrap(
            _joined(paragraph),
            WIDTH,
            initial_indent=start,
            subsequent_indent=" " * column,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [start]
    return _parted(out)


def wrapped(text: str, indent: int) -> list[str]:
    """Return ``text`` in lines of at most 80 columns, those after the first indented."""
    broken = textwrap.wrap(
        _joined(text), WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return _parted(broken) or [""]


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Return rows (the first is the heading) in columns two spaces apart; columns in ``right`` are right-aligned."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """Return a list of findings the way people see it: the level first, what to do below."""
    lines: list[str] = []
    for finding in findings:
        lines += wrapped(f"  {finding.level.value:<5} {finding.text}", 8)
        lines += wrapped(f"        {finding.remedy}", 8) if finding.remedy else []
    return lines


def printable(text: str) -> str:
    """Return ``text`` with everything escaped that could move the cursor or hide what follows: tables are named by strangers."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def local_time(moment: datetime, zone: str) -> str:
    """Return ``22/11/2026 08:04:11 +07:00``: how people see a time."""
    local = moment.astimezone(ZoneInfo(zone))
    offset = local.strftime("%z")
    return f"{local:%d/%m/%Y %H:%M:%S} {offset[:3]}:{offset[3:5]}"


def utc_time(moment: datetime) -> str:
    """Return ``2026-11-22T01:02:11Z``: how ``--json`` shows a time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _inert(text: str) -> str:
    """Return what goes to a terminal without anything that could command it, whoever forgot ``printable``; lines stay lines."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc_time(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    raise TypeError(type(value).__name__)

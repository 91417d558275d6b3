"""Problems of files that people wrote: where, what, and how they are printed, all at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WIDTH = 80
_LONGEST_LOCATION = 38
_PIECE = re.compile(r"(?:[^\s`]*`[^`]*`)+[^\s`]*|\S+")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A spot in a file; line and column count from 1, columns in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


BUILT_IN = Place("", 0, 0)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong. ``message`` starts in lower case and never holds a secret."""

    file: str
    line: int
    column: int
    message: str
    is_state_secret: bool = False

    @property
    def location(self) -> str:
        """``policies/land.yaml:5:5``."""
        return f"{self.file}:{self.line}:{self.column}"


class Problems:
    """Collects problems; the same problem at the same place is kept once. ``told`` counts every time."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self.told = 0

    def add(self, place: Place, message: str, *, is_state_secret: bool = False) -> None:
        """Note a problem."""
        self.told += 1
        self._found.setdefault(Problem(place.file, place.line, place.column, message, is_state_secret))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Note problems that were found elsewhere."""
        for problem in problems:
            self.told += 1
            self._found.setdefault(problem)

    def sorted(self) -> tuple[Problem, ...]:
        """Return what was found, by file and place."""
        return tuple(sorted(self._found))


def wrapped(text: str, width: int) -> list[str]:
    """Return ``text`` in lines of at most ``width`` characters; what stands in backquotes stays on one line."""
    lines = [""]
    for piece in _PIECE.findall(text):
        if lines[-1] and len(lines[-1]) + 1 + len(piece) > width:
            lines.append(piece)
        else:
            lines[-1] = f"{lines[-1]} {piece}".lstrip()
    return lines


def render_problems(problems: Sequence[Problem]) -> str:
    """Return one block per problem, ``FILE:LINE:COLUMN  message``, messages aligned and wrapped at 80 columns."""
    lengths = [len(problem.location) for problem in problems]
    indent = max((length for length in lengths if length <= _LONGEST_LOCATION), default=2) + 2
    lines: list[str] = []
    for problem in problems:
        first, *rest = wrapped(problem.message, _WIDTH - indent)
        if len(problem.location) + 2 > indent:
            lines.append(problem.location)
            rest = [first, *rest]
        else:
            lines.append(problem.location.ljust(indent) + first)
        lines += [" " * indent + line for line in rest]
    return "\n".join(lines)


def summarise(problems: Sequence[Problem], file_count: int) -> str:
    """Return ``4 problems in 2 of 6 files``."""
    files = len({problem.file for problem in problems})
    noun = "problem" if len(problems) == 1 else "problems"
    return f"{len(problems)} {noun} in {files} of {file_count} file{'' if file_count == 1 else 's'}"

"""The commands of our pages, taken out of them and run: fenced blocks ``console`` with ``$ `` in front of each command.

Words behind ``console`` say more: ``bare`` runs without any drorch.yaml, ``exit=70`` expects that code, ``terminal`` shows
the answer as it is on a terminal.
Files are blocks whose first line is ``# /etc/drorch/...``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARYING = re.compile(r"[\d/@=:]|^[0-9a-z]{8}$|^[A-Z]?B$|^[kMGT]B$|^(complete|partial),?$")


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command of a page, in one piece, with the output that the page shows below it."""

    page: str
    text: str
    shown: tuple[str, ...]
    is_bare: bool
    is_for_people: bool
    expect: int


def commands(page: Path) -> Iterator[Command]:
    """Yield the commands of a page in order."""
    for language, more, body in FENCE.findall(page.read_text(encoding="utf-8")):
        if language != "console":
            continue
        code = re.search(r"exit=(\d+)", more)
        for block in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            lines = block.splitlines()
            length = 1 + next(at for at, line in enumerate(lines) if not line.endswith(("\\", "|")))
            yield Command(
                page=page.name,
                text="\n".join(lines[:length]),
                shown=tuple(lines[length:]),
                is_bare="bare" in more.split(),
                is_for_people="terminal" in more.split(),
                expect=int(code[1]) if code else 0,
            )


def files(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield path and text of the files that a page shows."""
    for language, _more, body in FENCE.findall(page.read_text(encoding="utf-8")):
        first = body.partition("\n")[0]
        if language == "yaml" and first.startswith("# /"):
            yield Path(first.removeprefix("# ").split()[0]), body


def constant_words(line: str) -> str:
    """Return the words of a line that are the same in every installation: no numbers, ids, paths, names of machines."""
    return " ".join(word for word in line.split() if not VARYING.search(word) and not word.endswith(".example"))


def not_said(shown: tuple[str, ...], said: str) -> list[str]:
    """Return the shown lines whose constant words were not said, in one line or in two."""
    real = [constant_words(line) for line in said.splitlines()]
    joined = {*real, *(" ".join(pair) for pair in pairwise(real))}
    return [line for line in shown if constant_words(line) and not any(constant_words(line) in one for one in joined)]


def drorch_words(text: str) -> list[str]:
    """Return the words of a command line behind ``drorch``."""
    return shlex.split(text.replace("\\\n", " "), comments=True)[1:]

"""What fits: names on a line, problems and rows on a screen; what does not is counted, with the command that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drorch.cli.output import WIDTH, printable, table

NAMES_LENGTH = 55  # a line of details, and how many more there are


def first_names(names: Iterable[str], room: int) -> str:
    """Return the first of the names, as many as fit, and how many more there are."""
    every = list(names)
    shown: list[str] = []
    for name in every:
        if shown and len(" ".join([*shown, name])) > room:
            break
        shown.append(name)
    left = len(every) - len(shown)
    return printable(" ".join(shown)) + (f" and {left} more" if left else "")


def cut_problems(problems: Sequence[list[str]], room: int, more: str) -> list[list[str]]:
    """Return the problems that fit into ``room`` lines, the first in any case, and a line about the others."""
    kept: list[list[str]] = []
    for position, problem in enumerate(problems):
        is_last = position == len(problems) - 1
        used = height(kept)
        if kept and used + len(problem) + (not is_last) > room:
            return [*kept, [f"  and {len(problems) - position} more: {more}"]]
        kept.append(problem)
    return kept


def cut_rows(rows: list[list[str]], room: int, more: str) -> list[list[str]]:
    """Return the head and as many rows as fit, and a line about the others."""
    if height(rows) <= room:
        return rows
    kept = 2
    while kept < len(rows) and height(rows[: kept + 1]) < room:
        kept += 1
    return [*rows[:kept], [f"and {len(rows) - kept} more: {more}"]]


def height(blocks: Iterable[list[str]]) -> int:
    """Return how many lines the blocks take."""
    return sum(len(block) for block in blocks)


def table_with_long_names(rows: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """Return the rows of the table, head first; a name that would push it over 80 columns gets a line of its own."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1)
    shown = [(row[0] if len(row[0]) <= room else "", *row[1:]) for row in rows]
    lines = zip(rows, table(shown, right=frozenset({1})), strict=True)
    return [[line] if len(row[0]) <= room else [row[0], line] for row, line in lines]

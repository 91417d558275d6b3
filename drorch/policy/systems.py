"""``policies/systems.csv``: every system that somebody answers for, those on paper included; read strictly, with line and column."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from drorch.policy.encoding import decoded_list
from drorch.policy.kinds import nearest, shown
from drorch.policy.problems import Place, Problems
from drorch.quantities import counted

COLUMNS = ("id", "name", "owner", "medium", "policy", "note")
_REQUIRED = ("id", "name", "owner", "medium", "policy")
MEDIA = ("digital", "paper")
MOST_SYSTEMS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One line. ``policies`` are policies or sources, none for what nobody backs up; ``is_paper``: there is nothing to back up."""

    identifier: str
    name: str
    owner: str
    is_paper: bool
    policies: tuple[str, ...]
    note: str
    line: int


def read_systems(file: str, content: bytes, problems: Problems) -> tuple[System, ...]:
    """Return the systems of a register; every problem is told with its place, and its line left out."""
    text = decoded_list(file, content, problems)
    rows = () if text is None else tuple(_rows(file, unicodedata.normalize("NFC", text), problems))
    if not rows:
        if text is not None and not problems.told:
            problems.add(Place(file, 1, 1), f"the register is empty; its first line is `{','.join(COLUMNS)}`")
        return ()
    header = [cell.strip() for cell in rows[0][1]]
    if not _is_header(file, header, problems):
        return ()
    return tuple(_systems(file, header, rows[1:], problems))


def _rows(file: str, text: str, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    separator = next((mark for mark in ",;\t" if mark in text.lstrip("\r\n").split("\n", 1)[0]), ",")
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True)
    try:
        for count, cells in enumerate(reader):
            if count > MOST_SYSTEMS:
                problems.add(Place(file, reader.line_num, 1), f"the register is longer than {MOST_SYSTEMS:,} lines")
                return
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        problems.add(Place(file, max(reader.line_num, 1), 1), f"not CSV: {error}")


def _is_header(file: str, header: Sequence[str], problems: Problems) -> bool:
    told = problems.told
    for position, name in enumerate(header):
        if name not in COLUMNS:
            problems.add(Place(file, 1, position + 1), f"unknown column {shown(name)}{nearest(name, COLUMNS)}")
        elif name in header[:position]:
            problems.add(Place(file, 1, position + 1), f"two columns are called {shown(name)}")
    for name in _REQUIRED:
        if name not in header:
            problems.add(Place(file, 1, 1), f"the register has no column `{name}`")
    return problems.told == told


def _systems(
    file: str, header: Sequence[str], rows: Sequence[tuple[int, list[str]]], problems: Problems
) -> Iterator[System]:
    seen: dict[str, int] = {}
    for number, row in rows:
        if len(row) != len(header):
            problems.add(Place(file, number, 1), f"the line has {counted(len(row), 'cell')}, its header {len(header)}")
            continue
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        if not _is_complete(file, number, header, cells, problems):
            continue
        identifier = cells["id"]
        if identifier in seen:
            place = Place(file, number, header.index("id") + 1)
            problems.add(place, f"id {shown(identifier)} stands in line {seen[identifier]} already")
            continue
        seen[identifier] = number
        yield System(
            identifier=identifier,
            name=cells["name"],
            owner=cells["owner"],
            is_paper=cells["medium"] == "paper",
            policies=tuple(cells["policy"].split()),
            note=cells.get("note", ""),
            line=number,
        )


def _is_complete(file: str, number: int, header: Sequence[str], cells: Mapping[str, str], problems: Problems) -> bool:
    told = problems.told
    for name in ("id", "name", "owner"):
        if not cells[name]:
            problems.add(Place(file, number, header.index(name) + 1), f"`{name}` is empty")
    medium = Place(file, number, header.index("medium") + 1)
    if cells["medium"] not in MEDIA:
        problems.add(medium, f"`medium` is `digital` or `paper`, not {shown(cells['medium'])}")
    elif cells["medium"] == "paper" and cells["policy"]:
        problems.add(Place(file, number, header.index("policy") + 1), "what is on paper only has no policy")
    return problems.told == told

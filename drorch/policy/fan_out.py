"""``for_each``: one source for each line of a CSV file. ``{column}`` is replaced whole, nothing is computed."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from drorch.policy.encoding import decoded_list
from drorch.policy.kinds import INVALID, nearest, shown
from drorch.policy.name_kinds import source_name_kind
from drorch.policy.nodes import Node, Scalar, Section, replaced
from drorch.policy.policy_fields import EXPANDED_KEYS
from drorch.policy.problems import Place, Problems
from drorch.quantities import counted

_COLUMN = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TARGET = "target"  # the only word in braces that is drorch's own
_MOST_LINES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLine:
    """One line of the list; ``cells`` by column, ``id`` among them."""

    place: Place
    cells: Mapping[str, str]

    @property
    def identifier(self) -> str:
        """What the source is called."""
        return self.cells["id"]


def read_list(file: str, content: bytes, problems: Problems) -> tuple[ListLine, ...]:
    """Return the lines of a CSV file; those without a problem, or none when it is unusable. Commas, semicolons or tabs separate the cells."""
    text = decoded_list(file, content, problems)
    if text is None:
        return ()
    rows = _rows(file, unicodedata.normalize("NFC", text), problems)
    if rows is None:
        return ()
    if not rows:
        problems.add(Place(file, 1, 1), "the list is empty; its first line names the columns: `id,host,...`")
        return ()
    header = [cell.strip() for cell in rows[0][1]]
    if not _is_header(file, header, problems):
        return ()
    lines = tuple(_lines(file, header, rows[1:], problems))
    if not lines:
        problems.add(Place(file, 1, 1), "the list has no usable line below its header")
    return lines


def _rows(file: str, text: str, problems: Problems) -> list[tuple[int, list[str]]] | None:
    first = text.lstrip("\r\n").split("\n", 1)[0]
    separator = next((mark for mark in ",;\t" if mark in first), ",")
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, cells))
            if len(rows) > _MOST_LINES:
                problems.add(Place(file, reader.line_num, 1), f"the list is longer than {_MOST_LINES:,} lines")
                return None
    except csv.Error as error:
        problems.add(Place(file, max(reader.line_num, 1), 1), f"not CSV: {error}")
        return None
    return rows


def _is_header(file: str, header: Sequence[str], problems: Problems) -> bool:
    told = problems.told
    place = Place(file, 1, 1)
    for position, name in enumerate(header):
        if not _COLUMN_NAME.fullmatch(name):
            problems.add(
                place, f"column {position + 1} is called {shown(name)}; names of columns are made of `a-z 0-9 _`"
            )
        elif name == _TARGET:
            problems.add(place, "no column may be called `target`: `{target}` is where a restore goes")
        elif name in header[:position]:
            problems.add(place, f"two columns are called {shown(name)}")
    if "id" not in header:
        problems.add(place, f"the list has no column `id`{nearest('id', header)}")
    return problems.told == told


def _lines(
    file: str, header: Sequence[str], rows: Sequence[tuple[int, list[str]]], problems: Problems
) -> Iterator[ListLine]:
    seen: dict[str, int] = {}
    for number, row in rows:
        place = Place(file, number, 1)
        if len(row) != len(header):
            problems.add(place, f"the line has {counted(len(row), 'cell')}, its header {len(header)}")
            continue
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        identifier = source_name_kind.read(Scalar(place, cells["id"], is_plain=False), "id", problems)
        if identifier is INVALID:
            continue
        if identifier in seen:
            problems.add(place, f"id {shown(identifier)} stands in line {seen[identifier]} already")
            continue
        seen[identifier] = number
        yield ListLine(place=place, cells=cells)


def filled(policy: Section, line: ListLine) -> Section:
    """Return ``policy`` with the columns of ``line`` filled in where they may stand."""

    def fill(text: str) -> str:
        return _COLUMN.sub(lambda match: line.cells.get(match[1], match[0]), text)

    entries = {key: replaced(node, fill) if key in EXPANDED_KEYS else node for key, node in policy.entries.items()}
    return Section(policy.place, entries, policy.keys)


def places_of_columns(policy: Section) -> frozenset[Place]:
    """Return where a ``{column}`` of a list stands."""
    nodes = [node for key in EXPANDED_KEYS if (node := policy.get(key)) is not None]
    return frozenset(one.place for node in nodes for one in _scalars(node) if _COLUMN.search(one.text))


def tell_unknown_columns(policy: Section, columns: Sequence[str], problems: Problems) -> None:
    """Tell every ``{column}`` that no list fills; the arguments of a command may hold braces of their own."""
    for key in EXPANDED_KEYS:
        node = policy.get(key)
        if node is None:
            continue
        for scalar in _scalars(node):
            for name in _COLUMN.findall(scalar.text):
                if name in columns:
                    continue
                reason = nearest(name, columns) if columns else "; a list is named by `for_each: NAME.csv`"
                problems.add(scalar.place, f"no column fills `{{{name}}}`{reason}")


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
        return
    entries = {key: item for key, item in node.entries.items() if key != "command"} if isinstance(node, Section) else {}
    for item in entries.values() if isinstance(node, Section) else node.items:
        yield from _scalars(item)

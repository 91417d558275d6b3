"""Which part of a snapshot is wanted: all of it, or some tables with what belongs to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drorch.sources.attributes import text_of
from drorch.sources.interface import StoredStream, StreamKind
from drorch.sources.nearest import nearest
from drorch.sources.sqlite.definitions import Definition, Kind, Schema

ROW_NUMBERS_TABLE = "sqlite_sequence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What will be restored. ``unknown`` are names asked for that the snapshot does not have, and what was meant."""

    schema: Schema
    streams: tuple[StoredStream, ...]
    unknown: tuple[tuple[str, str], ...] = ()
    is_whole: bool = True

    @property
    def size_bytes(self) -> int:
        """The bytes of all selected streams."""
        return sum(stream.size_bytes for stream in self.streams)


def table_of(stream: StoredStream) -> str:
    """Return the table whose rows ``stream`` holds."""
    return text_of(stream.spec.attributes, "table")


def select(schema: Schema, streams: Sequence[StoredStream], wanted: Sequence[str]) -> Selection:
    """Return everything, or the ``wanted`` tables (``NAME`` or ``main.NAME``) with their indexes and triggers.

    A virtual table comes with the tables that hold its content. Views are not part of a table and stay out.
    """
    row_streams = tuple(stream for stream in streams if stream.spec.kind is StreamKind.TABLE)
    if not wanted:
        return Selection(schema=schema, streams=row_streams)
    tables = {definition.name: definition for definition in schema.of(Kind.TABLE, Kind.VIRTUAL_TABLE)}
    asked = {name: name if name in tables else name.removeprefix("main.") for name in wanted}
    chosen = {name for name in asked.values() if name in tables}
    for virtual in [name for name in chosen if tables[name].kind is Kind.VIRTUAL_TABLE]:
        chosen |= {name for name in tables if name.startswith(virtual + "_")}  # SQLite names shadow tables so
    return Selection(
        schema=Schema(
            settings=schema.settings, definitions=tuple(each for each in schema.definitions if _belongs(each, chosen))
        ),
        streams=tuple(stream for stream in row_streams if table_of(stream) in {*chosen, ROW_NUMBERS_TABLE}),
        unknown=tuple((name, nearest(table, tables)) for name, table in asked.items() if table not in tables),
        is_whole=False,
    )


def _belongs(definition: Definition, chosen: set[str]) -> bool:
    return definition.kind is not Kind.VIEW and definition.table in chosen


def module_of(definition: Definition) -> str:
    """Return the module of a virtual table, such as ``fts5``; ``''`` if its text does not show one."""
    match = re.search(r"\bUSING\s+[\"'`\[]?(\w+)", definition.sql, re.IGNORECASE)
    return match[1].lower() if match else ""

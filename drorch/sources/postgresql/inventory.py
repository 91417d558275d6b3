"""What a database holds: tables with their columns and sizes, as the snapshot shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from drorch.sources.attributes import text_of, written_texts_of
from drorch.sources.interface import Json, RowFormat, StreamKind, StreamSpec
from drorch.sources.postgresql.column_types import ColumnTypes, column_types
from drorch.sources.postgresql.encoding import printable
from drorch.sources.postgresql.options import CaptureOptions
from drorch.sources.postgresql.quoting import identifier, qualified
from drorch.sources.postgresql.session import Session

PAGE_BYTES = 8_192
RANGE_PAGES = 128  # are read by one session at a time, where several read one table
FEWEST_RANGES = 16  # a smaller table is read by one session
LARGE_VALUES_BYTES = 64 * 2**20  # of a table's values outside its pages, beyond which it is read by one session

# What pg_dump would dump: not the system's, not other sessions' temporary tables, not an extension's own objects.
USER_SCHEMAS = "n.nspname !~ '^pg_(toast|temp|catalog)' and n.nspname <> 'information_schema'"
_NOT_OF_EXTENSION = """not exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.objid = c.oid and d.deptype = 'e')"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A relation with rows of its own: an ordinary table, a leaf partition, or an extension's configuration table.

    ``condition`` is the extension's ``WHERE ...``. ``floats`` maps column positions to ``float4`` or ``float8``;
    ``nested_floats`` are columns with floats inside arrays, ranges or composites, whose text servers before 12 print differently.
    """

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]
    floats: Mapping[int, str]
    nested_floats: tuple[int, ...]
    size_bytes: int
    pages: int
    is_heap: bool
    is_unlogged: bool
    condition: str
    is_of_extension: bool = False

    @property
    def sql_name(self) -> str:
        """The name as SQL."""
        return qualified(self.schema, self.name)

    @property
    def stream_name(self) -> str:
        """The name of its stream, the same from run to run."""
        return f"table/{display_name(self.schema, self.name)}"


def display_name(schema: str, name: str) -> str:
    """Return ``schema.name``, quoted where a part would be misread; control characters and broken bytes as ``%XX``."""
    return ".".join(_display_part(part) for part in (schema, name))


def _display_part(part: str) -> str:
    quoted = part if part and not any(char in '."' or char.isspace() for char in part) else identifier(part)
    if any(ord(char) < 32 or ord(char) == 127 or 0xDC80 <= ord(char) <= 0xDCFF for char in quoted):
        quoted = "".join(
            "%25" if char == "%" else f"%{ord(char):02X}" if ord(char) < 32 or ord(char) == 127 else char
            for char in quoted
        )
    return printable(quoted)


def lockable_relations(session: Session) -> list[tuple[int, str]]:
    """Return (OID, SQL name) of every table that a capture must hold, sorted by name."""
    rows = session.run(
        f"""select c.oid, n.nspname, c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and c.relpersistence <> 't' and {USER_SCHEMAS}
          and ({_NOT_OF_EXTENSION} or exists (select 1 from pg_catalog.pg_extension e where c.oid = any (e.extconfig)))"""
    )
    return sorted(
        ((int(oid or 0), qualified(schema or "", name or "")) for oid, schema, name in rows), key=lambda pair: pair[1]
    )


def tables(session: Session) -> list[Table]:
    """Return every table with rows of its own, sorted by name."""
    rows = [(row, json.loads(row[-1] or "[]")) for row in session.run(_tables_sql(session.server_version))]
    types = column_types(session, {oid for _row, columns in rows for _name, oid in columns})
    return sorted((_table(row, columns, types) for row, columns in rows), key=lambda table: (table.schema, table.name))


def _tables_sql(version: int) -> str:
    generated = " and a.attgenerated = ''" if version >= 120_000 else ""
    access_method = "c.relam" if version >= 120_000 else "2"
    return f"""
with configured (oid, condition) as (
    select x.oid, x.condition from pg_catalog.pg_extension e,
      lateral (select pg_catalog.unnest(e.extconfig) as oid, pg_catalog.unnest(e.extcondition) as condition) x
)
select c.oid, n.nspname, c.relname, c.relpersistence, {access_method}, g.condition, g.oid is not null,
  pg_catalog.pg_table_size(c.oid), pg_catalog.pg_relation_size(c.oid),
  (select pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, a.atttypid::pg_catalog.int8) order by a.attnum)
   from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped{generated})
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace left join configured g on g.oid = c.oid
where c.relkind = 'r' and c.relpersistence <> 't' and {USER_SCHEMAS} and ({_NOT_OF_EXTENSION} or g.oid is not null)"""


def _table(row: tuple[str | None, ...], columns: Sequence[tuple[str, int]], types: ColumnTypes) -> Table:
    oid, schema, name, persistence, access_method, condition, configured, size, main, _columns = row
    floats = {place: kind for place, (_name, oid) in enumerate(columns) if (kind := types.scalar(oid))}
    return Table(
        oid=int(oid or 0),
        schema=schema or "",
        name=name or "",
        columns=tuple(column for column, _oid in columns),
        floats=floats,
        nested_floats=tuple(
            place for place, (_name, oid) in enumerate(columns) if place not in floats and types.has_float(oid)
        ),
        size_bytes=int(size or 0),
        pages=int(main or 0) // PAGE_BYTES,
        is_heap=access_method == "2",
        is_unlogged=persistence == "u",
        condition=condition or "",
        is_of_extension=configured == "t",
    )


def is_excluded(table: Table, options: CaptureOptions) -> bool:
    """Whether the policy leaves the rows of ``table`` out."""
    shown = display_name(table.schema, table.name)
    return any(fnmatchcase(shown, pattern) for pattern in options.exclude_data)


def unused_patterns(tables: Sequence[Table], options: CaptureOptions) -> list[str]:
    """Return the patterns of ``exclude_data`` that fit no table: most likely misspelt."""
    shown = [display_name(table.schema, table.name) for table in tables]
    return [pattern for pattern in options.exclude_data if not any(fnmatchcase(name, pattern) for name in shown)]


def stream_specs(table: Table, version: int, split_size_bytes: int) -> Iterator[StreamSpec]:
    """Yield the stream of a table; several, cut at fixed page numbers, if it is larger than ``split_size_bytes``."""
    pages_per_part = max(1, split_size_bytes // PAGE_BYTES)
    parts = -(-table.pages // pages_per_part) if _has_ranges(table, version) else 1
    for part in range(max(1, parts)):
        attributes: dict[str, Json] = {
            "schema": printable(table.schema),
            "table": printable(table.name),
            "columns": [printable(column) for column in table.columns],
        }
        if any(printable(text) != text for text in (table.schema, table.name, *table.columns)):
            attributes["exact"] = json.dumps([table.schema, table.name, *table.columns])
        if table.is_of_extension:
            attributes["extension"] = True
        if table.nested_floats:
            attributes["nested_floats"] = list(table.nested_floats)
        if parts > 1:
            attributes |= {"part": part, "first_page": part * pages_per_part}
            if part + 1 < parts:
                attributes["end_page"] = (part + 1) * pages_per_part
        yield StreamSpec(
            name=table.stream_name if parts <= 1 else f"{table.stream_name}#{part:04d}",
            kind=StreamKind.TABLE,
            estimated_bytes=table.size_bytes // max(1, parts),
            row_format=RowFormat.LINES,
            canonical_columns=table.floats,
            attributes=attributes,
        )


def exact_names(attributes: Mapping[str, Json]) -> tuple[str, str, list[str]]:
    """Return schema, table and columns of a table stream, byte for byte; raise ``ObjectCorrupt``."""
    if "exact" in attributes:
        schema, table, *columns = [*written_texts_of(attributes, "exact"), "", ""]
        return schema, table, columns[:-2]
    columns_found = attributes.get("columns")
    columns = [str(column) for column in columns_found] if isinstance(columns_found, (list, tuple)) else []
    return text_of(attributes, "schema"), text_of(attributes, "table"), columns


def copy_out_sql(table: Table, spec: StreamSpec) -> str:
    """Return the ``COPY`` that gives the rows of one table stream."""
    if "part" in spec.attributes:
        return _copy_where(table, _in_pages(*_pages_of(spec)))
    if table.condition:
        return _copy_where(table, table.condition)
    columns = ", ".join(identifier(column) for column in table.columns)
    return f"copy {table.sql_name}{f' ({columns})' if columns else ''} to stdout"


def can_be_divided(table: Table, version: int) -> bool:
    """Whether several sessions may read ranges of its pages side by side: not if it is small, or if single rows may be huge."""
    if table.pages < FEWEST_RANGES * RANGE_PAGES:
        return False
    own_bytes = table.pages * PAGE_BYTES
    return _has_ranges(table, version) and table.size_bytes - own_bytes <= LARGE_VALUES_BYTES + own_bytes // 1_024


def range_statements(table: Table, spec: StreamSpec) -> list[str]:
    """Return the ``COPY`` of each range of the pages of a stream, in their order; together they give what ``copy_out_sql`` does.

    The last of a table has no end, like the table's last stream.
    """
    first, end = _pages_of(spec)
    starts = list(range(first, table.pages if end is None else end, RANGE_PAGES)) or [first]
    return [
        _copy_where(table, _in_pages(start, following))
        for start, following in zip(starts, [*starts[1:], end], strict=True)
    ]


def _has_ranges(table: Table, version: int) -> bool:
    """Only servers from 14 on read a range of pages without reading the whole table."""
    return table.is_heap and version >= 140_000 and not table.condition


def _pages_of(spec: StreamSpec) -> tuple[int, int | None]:
    """Return the first page of a table's stream and the one at which it ends."""
    first, end = spec.attributes.get("first_page", 0), spec.attributes.get("end_page")
    return int(str(first)), None if end is None else int(str(end))


def _in_pages(first: int, end: int | None) -> str:
    return f"where ctid >= '({first},0)'" + ("" if end is None else f" and ctid < '({end},0)'")


def _copy_where(table: Table, condition: str) -> str:
    columns = ", ".join(identifier(column) for column in table.columns)
    return f"copy (select {columns} from only {table.sql_name} {condition}) to stdout"

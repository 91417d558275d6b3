"""Names the value that a server could not send: COPY text of a ``bytea`` fails in the server above about 500 MiB."""

from __future__ import annotations

from drorch.errors import CaptureFailed
from drorch.quantities import format_size
from drorch.sources.postgresql.failures import StatementRefused
from drorch.sources.postgresql.inventory import Table, display_name
from drorch.sources.postgresql.quoting import identifier
from drorch.sources.postgresql.session import Session

# "Cannot enlarge string buffer", "invalid memory alloc request size", "out of memory"
TOO_LARGE = {"54000", "XX000", "53200"}
_SUSPECT_BYTES = 64 << 20  # nothing smaller is to blame


def oversize_error(session: Session, table: Table, refused: StatementRefused) -> CaptureFailed | None:
    """Return the error that names table, key, column and size of the largest value, if it is large enough to blame."""
    columns = _long_columns(session, table)
    sizes = [f"coalesce({size}, 0)" for _name, size in columns]
    if not sizes:
        return None
    key = ", ".join(_key_columns(session, table)) or "ctid"
    largest = sizes[0] if len(sizes) == 1 else f"greatest({', '.join(sizes)})"
    names = " ".join(f"when {size} then {place}" for place, size in enumerate(sizes))
    rows = session.run(
        f"""select row({key})::pg_catalog.text, {largest}, case {largest} {names} end
        from only {table.sql_name} order by 2 desc limit 1"""
    )
    if not rows or int(rows[0][1] or 0) < _SUSPECT_BYTES:
        return None
    place, size, column = rows[0][0], int(rows[0][1] or 0), columns[int(rows[0][2] or 0)][0]
    return CaptureFailed(
        f"the server cannot send a value of {display_name(table.schema, table.name)}",
        expected="values up to 500 MiB",
        found=f"{format_size(size)} in column {column} of the row with {key} = {place} ({refused})",
        hint="store such values as large objects or files, or leave the table out by `exclude_data`",
    )


def _long_columns(session: Session, table: Table) -> list[tuple[str, str]]:
    """Return name and size expression of the columns whose values can be long."""
    rows = session.run(
        """select a.attname, a.atttypid from pg_catalog.pg_attribute a
        where a.attrelid = $1::pg_catalog.oid and a.attnum > 0 and not a.attisdropped and a.attlen = -1 order by a.attnum""",
        str(table.oid),
    )
    measure = {"17": "octet_length", "25": "octet_length", "1043": "octet_length", "1042": "octet_length"}
    return [
        (name or "", f"pg_catalog.{measure.get(type_oid or '', 'pg_column_size')}({identifier(name or '')})")
        for name, type_oid in rows
        if (name or "") in table.columns
    ]


def _key_columns(session: Session, table: Table) -> list[str]:
    rows = session.run(
        """select a.attname from pg_catalog.pg_index i join pg_catalog.pg_attribute a
          on a.attrelid = i.indrelid and a.attnum = any (i.indkey::pg_catalog.int2[])
        where i.indrelid = $1::pg_catalog.oid and i.indisprimary order by a.attnum""",
        str(table.oid),
    )
    return [identifier(name or "") for (name,) in rows]

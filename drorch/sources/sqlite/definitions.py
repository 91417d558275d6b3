"""What a database consists of besides its rows, and the canonical bytes of it: the ``schema`` stream.

The stream is JSON, one object a line, keys sorted, no spaces, UTF-8, LF after each. The first line holds the settings that the file
itself keeps; every other line is one row of ``sqlite_schema`` in an order that can be replayed: tables, virtual
tables, indexes, views, triggers, each kind in the order of creation. What SQLite makes by itself (``sqlite_sequence``,
statistics, the indexes of constraints) has no line; the rows of such tables are streams like any other.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from drorch.errors import ObjectCorrupt, SourceUnsupported
from drorch.sources.contract.definitions import stored_lines
from drorch.sources.interface import Bytes, Json
from drorch.sources.sqlite.database_file import identifier

FORM = "drorch sqlite schema/1"


class Kind(Enum):
    """What an object is; the order is the order of replay."""

    TABLE = "table"
    VIRTUAL_TABLE = "virtual_table"
    INDEX = "index"
    VIEW = "view"
    TRIGGER = "trigger"


_KINDS = list(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the file's header keeps. ``journal_mode`` is ``wal`` or ``delete``: no other mode is kept by the file."""

    page_size: int
    encoding: str
    auto_vacuum: int
    user_version: int
    application_id: int
    journal_mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One row of ``sqlite_schema``; ``table`` is the table that an index or trigger belongs to."""

    kind: Kind
    name: str
    table: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Settings and definitions, in order of replay."""

    settings: Settings
    definitions: tuple[Definition, ...]

    def of(self, *kinds: Kind) -> tuple[Definition, ...]:
        """Return the definitions of these kinds, in order."""
        return tuple(definition for definition in self.definitions if definition.kind in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """How one table's rows are read and written.

    ``columns`` are the stored columns in order, generated ones left out: SQLite computes them again. ``row_number`` is the
    name by which SQLite's row number is known here (``None`` in WITHOUT ROWID tables); where no column shows it,
    it is kept all the same and comes first (``has_row_number``). ``condition`` is SQL that some rows do not meet: they are not read.
    """

    table: str
    columns: tuple[str, ...]
    row_number: str | None
    has_row_number: bool
    condition: str = ""

    def select(self, encoding: str) -> str:
        """Return the query whose rows, in the order of the table's own tree, are the stream.

        SQLite hands out text as UTF-8. A UTF-16 database is asked for the stored bytes instead, each column followed by
        1 where those bytes are text: the conversion would lose lone surrogates.
        """
        names = [identifier(column) for column in self.columns]
        if encoding != "UTF-8":
            names = [
                f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END, typeof({name})='text'"
                for name in names
            ]
        where = f" WHERE {self.condition}" if self.condition else ""
        order = f" ORDER BY {identifier(self.row_number)}" if self.row_number else ""
        # NOT INDEXED: a covering index would be read instead, in its own order
        return f"SELECT {', '.join(names)} FROM {identifier(self.table)} NOT INDEXED{where}{order}"

    def attributes(self) -> dict[str, Json]:
        """Return what is kept with the stream."""
        return {"table": self.table, "columns": list(self.columns), "row_number": self.has_row_number}


def read_schema(connection: sqlite3.Connection) -> Schema:
    """Return everything but rows, as of the transaction that ``connection`` is in.

    Raises:
        SourceUnsupported: a name or definition is no valid text.
        sqlite3.Error: as SQLite says.
    """
    rows = connection.execute(
        "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"
    )
    found = [_definition(*row) for row in rows if not bytes(row[1]).lower().startswith(b"sqlite_")]
    found.sort(key=lambda definition: _KINDS.index(definition.kind))  # stable: the order of creation stays
    return Schema(settings=_read_settings(connection), definitions=tuple(found))


def _definition(
    kind: bytearray, name: bytearray, table: bytearray, root_page: int | None, sql: bytearray
) -> Definition:
    try:
        its_kind = Kind.VIRTUAL_TABLE if kind == b"table" and not root_page else Kind(kind.decode())
        return Definition(kind=its_kind, name=name.decode(), table=table.decode(), sql=sql.decode())
    except UnicodeDecodeError as error:
        raise SourceUnsupported(
            f"the definition of {name.decode(errors='replace')} is not valid UTF-8",
            hint="its name, a default or a comment inside it was written in another encoding (TCVN3, VNI); recreate that definition",
        ) from error


def _read_settings(connection: sqlite3.Connection) -> Settings:
    def pragma(name: str) -> Any:
        value = connection.execute(f"PRAGMA {name}").fetchone()[0]
        return value.decode() if isinstance(value, bytearray) else value

    return Settings(
        page_size=pragma("page_size"),
        encoding=pragma("encoding"),
        auto_vacuum=pragma("auto_vacuum"),
        user_version=pragma("user_version"),
        application_id=pragma("application_id"),
        journal_mode="wal" if pragma("journal_mode") == "wal" else "delete",
    )


def read_tables(connection: sqlite3.Connection) -> tuple[TableRows, ...]:
    """Return how each table with rows of its own is read, in the order of creation: virtual tables have none."""
    names = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type='table' AND rootpage>0 ORDER BY rowid"
    ).fetchall()
    return tuple(read_table(connection, bytes(name).decode()) for (name,) in names)


def read_table(connection: sqlite3.Connection, table: str) -> TableRows:
    """Return how the rows of ``table`` are read and written."""
    described = connection.execute("SELECT name, hidden, pk FROM pragma_table_xinfo(?)", (table,)).fetchall()
    stored = tuple(name.decode() for name, hidden, _ in described if hidden == 0)
    (is_without_row_number,) = connection.execute(
        "SELECT wr FROM pragma_table_list(?) WHERE schema='main'", (table,)
    ).fetchone()
    if is_without_row_number:
        return TableRows(table=table, columns=stored, row_number=None, has_row_number=False)
    key = [name.decode() for name, _, position in described if position]
    if _is_row_number(connection, table, key):
        return TableRows(table=table, columns=stored, row_number=key[0], has_row_number=False)
    taken = {name.decode().lower() for name, _, _ in described}
    alias = next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)
    if alias is None:  # all three are columns: nobody can see the row number, so nobody can miss it
        return TableRows(table=table, columns=stored, row_number=None, has_row_number=False)
    return TableRows(table=table, columns=(alias, *stored), row_number=alias, has_row_number=True)


def _is_row_number(connection: sqlite3.Connection, table: str, key: list[str]) -> bool:
    """Tell whether the primary key is the row number itself: one column for which SQLite needed no index."""
    origins = connection.execute("SELECT origin FROM pragma_index_list(?)", (table,))
    return len(key) == 1 and all(origin != b"pk" for (origin,) in origins)


def encode_schema(schema: Schema) -> bytes:
    """Return the bytes of the ``schema`` stream."""
    first: dict[str, Json] = {"form": FORM, **asdict(schema.settings)}
    lines: list[Mapping[str, Json]] = [first]
    lines += [
        {"kind": definition.kind.value, "name": definition.name, "table": definition.table, "sql": definition.sql}
        for definition in schema.definitions
    ]
    return b"".join(
        json.dumps(line, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n" for line in lines
    )


def decode_schema(pieces: Iterable[Bytes]) -> Schema:
    """Return the schema that the stream holds.

    Raises:
        ObjectCorrupt: not a schema stream of this form.
    """
    try:
        first, *rest = [json.loads(line) for line in stored_lines(pieces)]
        form = first.pop("form")
        if form == FORM:
            return Schema(
                settings=_checked_settings(first),
                definitions=tuple(map(_checked_definition, rest)),
            )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ObjectCorrupt("the schema stream is not one of a SQLite database") from error
    raise ObjectCorrupt("the schema stream is of another form", expected=FORM, found=str(form)[:80])


_MAKES = re.compile(r"CREATE\s", re.IGNORECASE)  # so SQLite writes every definition down, whatever was typed


def _checked_definition(line: dict[str, Any]) -> Definition:
    """Return the definition; its text is run, so it must make something: ``ATTACH`` would write to any file of this machine."""
    texts = list(line.values())
    if (
        not all(isinstance(text, str) for text in texts) or b"\0" in "".join(texts).encode()
    ):  # raises where a surrogate stands alone
        raise ValueError("a definition consists of texts")
    if not _MAKES.match(line["sql"]):
        raise ValueError("a definition that defines nothing")
    return Definition(**{**line, "kind": Kind(line["kind"])})


def _checked_settings(line: dict[str, Any]) -> Settings:
    """Return the settings; they end up in PRAGMA statements, so each must be what it claims to be."""
    numbers = ("page_size", "auto_vacuum", "user_version", "application_id")
    if any(type(line[name]) is not int for name in numbers):
        raise ValueError("a setting that must be a number is none")
    if not re.fullmatch(r"UTF-8|UTF-16le|UTF-16be", line["encoding"]) or line["journal_mode"] not in {"wal", "delete"}:
        raise ValueError("an unknown encoding or journal mode")
    return Settings(**line)

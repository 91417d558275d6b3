"""Which tables there are and how their rows are read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from drorch.sources.interface import Json
from drorch.sources.mariadb.quoting import identifier, literal
from drorch.sources.mariadb.session import Session

REMOTE_ENGINES = ("FEDERATED", "CONNECT", "SPIDER", "S3", "OQGRAPH", "SPHINX")
_WITHOUT_ROWS = ("BLACKHOLE", "MRG_MYISAM")
_TRANSACTIONAL = "InnoDB"
_EMPTY_MEMBER = re.compile(r"[(,]''[,)]")
_FLOATS = ("float", "double")
_RAW = (
    "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "json", "enum", "set", "bit",
    "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector",
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection",
)  # fmt: skip


def is_remote(engine: str) -> bool:
    """Tell whether the rows of such a table are another server's."""
    return engine.upper() in REMOTE_ENGINES


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column that is stored. ``by_number``: an ENUM in which ``''`` is a member and, as everywhere, what no member is."""

    name: str
    type: str
    by_number: bool = False

    @property
    def expression(self) -> str:
        """What is selected: a ``FLOAT`` would be shown with six digits, as a ``DOUBLE`` it comes back as it was."""
        if self.by_number:
            return f"{identifier(self.name)} + 0"
        return f"CAST({identifier(self.name)} AS DOUBLE)" if self.type in _FLOATS else identifier(self.name)

    @property
    def form(self) -> str:
        """How the value is written: ``b`` bytes of its own, ``t`` the text of a number or a date, ``n`` a plain number."""
        if self.by_number:
            return "n"
        return "b" if self.type in _RAW else "t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table. ``period`` are the columns that tell when a row of a system-versioned table was true.

    ``by_transaction``: they hold numbers of transactions, which mean nothing on another server.
    """

    name: str
    kind: str
    engine: str
    size_bytes: int = 0
    columns: tuple[Column, ...] = ()
    period: tuple[str, ...] = ()
    by_transaction: bool = False

    @property
    def is_remote(self) -> bool:
        """Whether reading it would reach another server."""
        return is_remote(self.engine)

    @property
    def is_sequence(self) -> bool:
        """Whether it is a sequence."""
        return self.kind == "SEQUENCE"

    @property
    def is_covered(self) -> bool:
        """Whether a snapshot shows its rows as of one moment."""
        return self.engine == _TRANSACTIONAL

    @property
    def has_rows(self) -> bool:
        """Whether it has rows of its own to be read."""
        return not self.is_remote and not self.is_sequence and self.engine.upper() not in _WITHOUT_ROWS

    @property
    def has_history(self) -> bool:
        """Whether it is system-versioned."""
        return bool(self.period)

    def select(self) -> str:
        """Return the query for all rows, history included, in the order of the primary key or as they lie.

        ``USE INDEX ()`` keeps the server from reading them in the order of some other index.
        """
        history = " FOR SYSTEM_TIME ALL" if self.has_history else ""
        expressions = ", ".join([*(one.expression for one in self.columns), *map(identifier, self.period)])
        return f"SELECT SQL_NO_CACHE {expressions} FROM {identifier(self.name)}{history} USE INDEX ()"

    def attributes(self) -> Mapping[str, Json]:
        """Return what is kept with the stream and is needed to write the rows again."""
        return {
            "table": self.name,
            "columns": [*(one.name for one in self.columns), *self.period],
            "forms": "".join([*(one.form for one in self.columns), *("t" for _ in self.period)]),
            "period": list(self.period),
            "has_enum": any(one.type == "enum" for one in self.columns),
        }


def read_names(session: Session, database: str) -> list[tuple[str, str, str]]:
    """Return name, kind and engine of every table and view, by name; raise what a session raises."""
    rows = session.texts(
        "SELECT table_name, table_type, engine FROM information_schema.tables"
        f" WHERE table_schema = {literal(database)} AND table_type NOT LIKE '%TEMPORARY%' ORDER BY CAST(table_name AS BINARY)"
    )
    return [(name, kind, engine) for name, kind, engine in rows]


def read_tables(session: Session, database: str) -> list[Table]:
    """Return every table and sequence, by name; raise what a session raises."""
    named = [row for row in read_names(session, database) if row[1] != "VIEW"]
    sizes = {} if any(is_remote(engine) for _, _, engine in named) else _sizes(session, database)
    columns: dict[str, list[list[str]]] = {}
    for table, *rest in session.texts(
        "SELECT table_name, column_name, data_type, is_generated, generation_expression, column_type FROM information_schema.columns"
        f" WHERE table_schema = {literal(database)} ORDER BY table_name, ordinal_position"
    ):
        columns.setdefault(table, []).append(rest)
    return [_table(name, kind, engine, sizes.get(name, 0), columns.get(name, [])) for name, kind, engine in named]


def _sizes(session: Session, database: str) -> dict[str, int]:
    """Return the size of each table; the server opens every one for that, and a remote one's server, too."""
    rows = session.texts(
        f"SELECT table_name, data_length FROM information_schema.tables WHERE table_schema = {literal(database)}"
    )
    return {name: int(size or 0) for name, size in rows}


def _table(name: str, kind: str, engine: str, size: int, described: Sequence[Sequence[str]]) -> Table:
    stored = [
        Column(name=column, type=type_, by_number=type_ == "enum" and _EMPTY_MEMBER.search(whole) is not None)
        for column, type_, made, _, whole in described
        if made != "ALWAYS"
    ]
    period: tuple[str, ...] = ()
    by_transaction = False
    if kind == "SYSTEM VERSIONED":
        own = {
            expression: (column, type_)
            for column, type_, _, expression, _ in described
            if expression in ("ROW START", "ROW END")
        }
        period = tuple(own[which][0] for which in ("ROW START", "ROW END")) if own else ("row_start", "row_end")
        by_transaction = any(type_ == "bigint" for _, type_ in own.values())
    return Table(
        name=name,
        kind=kind,
        engine=engine,
        size_bytes=size,
        columns=tuple(stored),
        period=period,
        by_transaction=by_transaction,
    )


def fits(table: Table, database: str, patterns: Sequence[str]) -> bool:
    """Tell whether one of the patterns means the table: ``NAME`` or ``DATABASE.NAME``."""
    return any(
        fnmatchcase(shown, pattern) for pattern in patterns for shown in (table.name, f"{database}.{table.name}")
    )

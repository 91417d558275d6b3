"""Between records and rows: the columns' keys are the records' fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from sqlalchemy import Column, Connection, Select, Subquery, Table, func, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from drorch.errors import SnapshotUnknown, UsageInvalid

if TYPE_CHECKING:
    from dataclasses import Field

    from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
    from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

CANDIDATES_SHOWN = 8
_ID_LETTERS = frozenset("0123456789abcdefghjkmnpqrstvwxyz")  # see drorch.ids.RunId


class Record(Protocol):
    """Any of our records."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


_Record = TypeVar("_Record", bound=Record)


def columns_of(record_type: type[Record], table: Table) -> list[Column[Any]]:
    """Return the table's columns that hold the record's fields, in the fields' order."""
    return [table.c[part.name] for part in fields(record_type)]


def records(connection: Connection, record_type: type[_Record], query: Select[Any]) -> tuple[_Record, ...]:
    """Return the records that ``query``, a selection of ``columns_of``, finds."""
    names = [part.name for part in fields(record_type)]
    return tuple(record_type(**dict(zip(names, row, strict=True))) for row in connection.execute(query))


def values_in(column: Column[Any]) -> Subquery:
    """Return a query of the values of ``column``, each once, as its column ``value``; an index must begin with it.

    It jumps from value to value: a ``DISTINCT`` would read the index entry of every night of every source.
    """
    found = select(func.min(column).label("value")).cte(recursive=True)
    following = select(func.min(column)).where(column > found.c.value).correlate(found).scalar_subquery()
    every = found.union_all(select(following).where(found.c.value.is_not(None)))
    return select(every.c.value).where(every.c.value.is_not(None)).subquery()


def values_of(record: Record) -> dict[str, Any]:
    """Return the record's fields by name."""
    return {part.name: getattr(record, part.name) for part in fields(record)}


def put(connection: Connection, table: Table, rows: Iterable[Record]) -> None:
    """Insert the records, each in place of a row with the same primary key."""
    values = [values_of(record) for record in rows]
    if not values:
        return
    insert = _insert(connection, table)
    key = list(table.primary_key.columns)
    rest = {column.key: insert.excluded[column.key] for column in table.columns if column not in set(key)}
    connection.execute(insert.on_conflict_do_update(index_elements=key, set_=rest), values)


def add_if_absent(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert the row unless its primary key is there; tell whether it was inserted."""
    insert = _insert(connection, table).values(values)
    key = list(table.primary_key.columns)
    inserted = connection.execute(insert.on_conflict_do_nothing(index_elements=key).returning(*key))
    return inserted.first() is not None


def _insert(connection: Connection, table: Table) -> SqliteInsert | PostgresqlInsert:
    if connection.dialect.name == "sqlite":
        return sqlite_insert(table)
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table)


def only_id_with(connection: Connection, column: Column[str], prefix: str) -> str:
    """Return the one id of ``column`` that begins with ``prefix``, in either case; raise ``LookupError`` with candidates."""
    start = prefix.lower()
    if not start or not _ID_LETTERS.issuperset(start):
        raise NoSuchId(())
    query = select(column).where(column.startswith(start)).order_by(column).limit(CANDIDATES_SHOWN + 1)
    found = tuple(connection.execute(query).scalars())
    if len(found) != 1:
        raise NoSuchId(found)
    return found[0]


class NoSuchId(LookupError):
    """No id, or several, begin as asked; ``candidates`` are the first of them. Never leaves the catalog."""

    def __init__(self, candidates: Sequence[str]) -> None:
        super().__init__("no such id")
        self.candidates = candidates

    def as_error(
        self, kind: type[SnapshotUnknown | UsageInvalid], noun: str, prefix: str
    ) -> SnapshotUnknown | UsageInvalid:
        """Return what the user is told."""
        if not self.candidates:
            list_of = "drorch drill list" if noun == "drill" else f"drorch {noun}s"
            return kind(
                f"no {noun} of that id",
                expected=f"the beginning of the id of a {noun}",
                found=prefix[:80],
                hint=f"`{list_of}` shows them" if noun in ("drill", "snapshot") else "",
            )
        shown = ", ".join(self.candidates[:CANDIDATES_SHOWN])
        more = ", ..." if len(self.candidates) > CANDIDATES_SHOWN else ""
        return kind(
            f"several {noun}s begin with {prefix[:80]}",
            expected="the beginning of one id only",
            found=shown + more,
            hint="type more characters of the one that you mean",
        )

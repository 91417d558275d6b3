"""Which part of a snapshot is wanted: all of it, or some tables with their triggers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from drorch.errors import ObjectCorrupt
from drorch.sources.attributes import text_of
from drorch.sources.interface import Content, StoredStream, StreamKind
from drorch.sources.mariadb.accounts import Accounts, decode_accounts
from drorch.sources.mariadb.definitions import Kind, Schema, decode_schema
from drorch.sources.nearest import nearest

_SEQUENCE_USE = re.compile(r"(?:nextval|lastval)\((?:`(?:[^`]|``)*`\.)?`((?:[^`]|``)*)`\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What will be restored. ``unknown`` are names asked for that the snapshot does not have, and what was meant."""

    schema: Schema
    accounts: Accounts
    streams: tuple[StoredStream, ...]
    unknown: tuple[tuple[str, str], ...] = ()
    is_whole: bool = True

    @property
    def needed_accounts(self) -> list[str]:
        """Every account that something runs as, and everyone who has rights."""
        return sorted({*self.schema.definers(), *(grant.to for grant in self.accounts.grants)})


def table_of(stream: StoredStream) -> str:
    """Return the table whose rows ``stream`` holds."""
    return text_of(stream.spec.attributes, "table")


def select(content: Content, wanted: Sequence[str]) -> Selection:
    """Return everything, or the ``wanted`` tables (``NAME`` or ``DATABASE.NAME``) with their triggers and sequences.

    Views, routines and events are not part of a table and stay out, and so do rights. Raises ``ObjectCorrupt``.
    """
    streams = content.streams()
    schema = decode_schema(_only(content, streams, StreamKind.SCHEMA))
    rows = tuple(stream for stream in streams if stream.spec.kind is StreamKind.TABLE)
    if not wanted:
        return Selection(schema=schema, accounts=_accounts(content, streams), streams=rows)
    tables = {one.name for one in schema.of(Kind.TABLE, Kind.SEQUENCE, Kind.REMOTE_TABLE)}
    asked = {name: name if name in tables else name.removeprefix(f"{schema.database}.") for name in wanted}
    chosen = {name for name in asked.values() if name in tables}
    for definition in schema.of(Kind.TABLE):
        if definition.name in chosen:
            chosen |= {name.replace("``", "`") for name in _SEQUENCE_USE.findall(definition.sql)} & tables
    kept = tuple(one for one in schema.definitions if (one.table or one.name) in chosen and one.kind in _OF_TABLES)
    return Selection(
        schema=replace(schema, definitions=kept),
        accounts=Accounts(),
        streams=tuple(stream for stream in rows if table_of(stream) in chosen),
        unknown=tuple((name, nearest(table, tables)) for name, table in asked.items() if table not in tables),
        is_whole=False,
    )


_OF_TABLES = (Kind.SEQUENCE, Kind.TABLE, Kind.REMOTE_TABLE, Kind.TRIGGER)


def _only(content: Content, streams: Sequence[StoredStream], kind: StreamKind) -> list[bytes]:
    found = [stream for stream in streams if stream.spec.kind is kind]
    if not found:
        raise ObjectCorrupt("the snapshot has no schema stream")
    return [bytes(piece) for piece in content.open(found[0])]


def _accounts(content: Content, streams: Sequence[StoredStream]) -> Accounts:
    if not any(stream.spec.kind is StreamKind.ROLES for stream in streams):
        return Accounts()
    return decode_accounts(_only(content, streams, StreamKind.ROLES))

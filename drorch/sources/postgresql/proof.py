"""What proves a restored PostgreSQL database: its definitions one by one, keys of rows, rows without parents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from drorch.errors import ObjectCorrupt, SourceError
from drorch.sources.interface import Asks, Bytes, Defined, Orphans, StreamSpec
from drorch.sources.postgresql.entries import DATA, DATABASE, Entry, decode_entries
from drorch.sources.postgresql.inventory import exact_names
from drorch.sources.postgresql.quoting import identifier, literal, qualified

_AT_ONCE = 50  # foreign keys in one answer: an answer has a limit
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SLOT = re.compile(
    r"slot_name = ('(?:[^']|'')*'|\w+)"
)  # a restored subscription has none: it must not drain the source's
_PLACE_KINDS = {"DATABASE", "EXTENSION"}  # its version is the place's; that it is there at all is compared by its name


class PostgresqlProof:
    """See ``DatabaseProof``."""

    def definitions(self, pieces: Iterable[Bytes]) -> Iterator[Defined]:
        """See ``DatabaseProof``."""
        for entry in decode_entries(bytes(piece) for piece in pieces):
            yield Defined(
                kind=entry.kind,
                name=entry.label.removeprefix(entry.kind).strip(),
                text=_text(entry),
                lasting="" if entry.section == DATA else None,
                is_place=entry.section == DATABASE or entry.kind in _PLACE_KINDS,
            )

    def key_columns(self, asks: Asks, table: StreamSpec) -> tuple[str, ...]:
        """See ``DatabaseProof``."""
        schema, name, _columns = exact_names(table.attributes)
        answer = asks.ask(
            f"""select pg_catalog.json_agg(a.attname order by k.place) from pg_catalog.pg_index i,
            lateral pg_catalog.unnest(i.indkey) with ordinality as k (number, place), pg_catalog.pg_attribute a
            where i.indisprimary and i.indrelid = pg_catalog.to_regclass({literal(qualified(schema, name))})
            and a.attrelid = i.indrelid and a.attnum = k.number"""
        )
        return tuple(map(str, json.loads(answer))) if answer else ()

    def columns(self, table: StreamSpec) -> tuple[str, ...]:
        """See ``DatabaseProof``."""
        return tuple(exact_names(table.attributes)[2])

    def texts(self, table: StreamSpec, row: bytes) -> Sequence[str | None]:  # noqa: ARG002 - the row says it all
        """See ``DatabaseProof``: COPY text, its escapes undone."""
        return [None if value == b"\\N" else _unescaped(value) for value in row.split(b"\t")]

    def orphans(self, asks: Asks) -> Iterator[Orphans]:
        """See ``DatabaseProof``; a constraint of a partitioned table is asked once, at the top."""
        start = 0
        while found := _foreign_keys(asks, start):
            for one in found:
                yield _orphans(asks, one)
            start += len(found)


def _text(entry: Entry) -> str:
    sql = _SLOT.sub("slot_name = NONE", entry.sql) if entry.kind == "SUBSCRIPTION" else entry.sql
    kept = (entry.owner, entry.tablespace, entry.access_method, sql, dict(entry.values))
    return json.dumps(kept, sort_keys=True)


def _unescaped(value: bytes) -> str:
    plain = _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), value) if b"\\" in value else value
    return plain.decode("utf-8", "backslashreplace")


_FOREIGN_KEYS = """select pg_catalog.json_agg(pg_catalog.json_build_array(k.conname, cn.nspname, c.relname, pn.nspname, p.relname,
    (select pg_catalog.json_agg(a.attname order by u.place) from pg_catalog.unnest(k.conkey) with ordinality u (number, place)
      join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.number),
    (select pg_catalog.json_agg(a.attname order by u.place) from pg_catalog.unnest(k.confkey) with ordinality u (number, place)
      join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.number)))
  from (select * from pg_catalog.pg_constraint where contype = 'f' and conparentid = 0 order by oid limit {limit} offset {start}) k
  join pg_catalog.pg_class c on c.oid = k.conrelid join pg_catalog.pg_namespace cn on cn.oid = c.relnamespace
  join pg_catalog.pg_class p on p.oid = k.confrelid join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace"""


def _foreign_keys(asks: Asks, start: int) -> list[Any]:
    answer = asks.ask(_FOREIGN_KEYS.format(limit=_AT_ONCE, start=start))
    try:
        return list(json.loads(answer)) if answer else []
    except ValueError as error:
        raise ObjectCorrupt("the list of foreign keys cannot be read") from error


def _orphans(asks: Asks, one: Sequence[Any]) -> Orphans:
    name, schema, table, parent_schema, parent, columns, parent_columns = one
    pairs = list(zip(map(identifier, columns), map(identifier, parent_columns), strict=True))
    given = " and ".join(f"c.{child} is not null" for child, _ in pairs)
    same = " and ".join(f"p.{key} = c.{child}" for child, key in pairs)
    told = f"{schema}.{table} {name}"
    try:
        answer = asks.ask(
            f"select pg_catalog.count(*) from {qualified(schema, table)} c where {given}"
            f" and not exists (select 1 from {qualified(parent_schema, parent)} p where {same})"
        )
    except SourceError as error:
        return Orphans(name=told, count=None, why=error.found or error.message)
    return Orphans(name=told, count=int(answer))

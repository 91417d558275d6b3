"""What proves a restored MariaDB database: its definitions and accounts one by one, keys of rows, rows without parents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from drorch.errors import ObjectCorrupt, SourceError
from drorch.sources.contract.definitions import stored_lines
from drorch.sources.interface import Asks, Bytes, Defined, Orphans, StreamSpec
from drorch.sources.mariadb.definitions import decode_schema
from drorch.sources.mariadb.quoting import identifier, literal

_AT_ONCE = 50  # foreign keys in one answer: an answer has a limit
_NULL = 0xFB
_LENGTH_BYTES = {0xFC: 2, 0xFD: 3, 0xFE: 8}
_NAMING = ("to", "member", "routine", "name", "columns")
LOGIN = "login"
_AUTO_INCREMENT = re.compile(r"^(\) ENGINE=\S+) AUTO_INCREMENT=[0-9]+", re.MULTILINE)
_HEAD = ("charset", "collation", "comment")


class MariadbProof:
    """See ``DatabaseProof``."""

    def definitions(self, pieces: Iterable[Bytes]) -> Iterator[Defined]:
        """See ``DatabaseProof``; of the accounts each right is a definition."""
        lines = list(stored_lines(pieces))
        if not lines or not lines[0].startswith(b'{"charset"'):
            yield from _accounts(lines)
            return
        schema = decode_schema(line + b"\n" for line in lines)
        for name in _HEAD:
            yield Defined(kind="database", name=name, text=str(getattr(schema, name)))
        for one in schema.definitions:
            rest = {field.name: getattr(one, field.name) for field in fields(one) if field.name not in ("kind", "name")}
            lasting = {**rest, "sql": _AUTO_INCREMENT.sub(r"\1", one.sql), "values": ""}
            yield Defined(
                kind=one.kind.value,
                name=one.name,
                text=json.dumps(rest, sort_keys=True),
                lasting=json.dumps(lasting, sort_keys=True),
            )

    def key_columns(self, asks: Asks, table: StreamSpec) -> tuple[str, ...]:
        """See ``DatabaseProof``."""
        answer = asks.ask(
            "SELECT JSON_ARRAYAGG(column_name ORDER BY seq_in_index) FROM information_schema.statistics"
            " WHERE table_schema = DATABASE() AND index_name = 'PRIMARY'"
            f" AND table_name = {literal(str(table.attributes['table']))}"
        )
        return tuple(map(str, json.loads(answer))) if answer else ()

    def columns(self, table: StreamSpec) -> tuple[str, ...]:
        """See ``DatabaseProof``."""
        found = table.attributes.get("columns")
        return tuple(map(str, found)) if isinstance(found, (list, tuple)) else ()

    def texts(self, table: StreamSpec, row: bytes) -> Sequence[str | None]:  # noqa: ARG002 - the row says it all
        """See ``DatabaseProof``: values of the wire, each after its length."""
        found: list[str | None] = []
        position = 0
        while position < len(row):
            length = row[position]
            position += 1
            if length == _NULL:
                found.append(None)
                continue
            if length > _NULL:
                width = _LENGTH_BYTES.get(length, 0)
                length = int.from_bytes(row[position : position + width], "little")
                position += width
            found.append(_shown(row[position : position + length]))
            position += length
        return found

    def orphans(self, asks: Asks) -> Iterator[Orphans]:
        """See ``DatabaseProof``; a key into another database is told, for that one is not here."""
        start = 0
        while found := _foreign_keys(asks, start):
            for one in found:
                yield _orphans(asks, one)
            start += len(found)


def _shown(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


def _accounts(lines: Iterable[bytes]) -> Iterator[Defined]:
    """Yield accounts, memberships and rights; how somebody logs in only where the snapshot keeps hashes, and never to be shown."""
    try:
        for line in lines:
            document = json.loads(line)
            kind = str(document["kind"])
            name = " ".join(str(document[key]) for key in _NAMING if key in document)
            if kind != "account":
                yield Defined(kind=kind, name=name, text=json.dumps(document, sort_keys=True))
                continue
            yield Defined(kind=kind, name=name, text=str(bool(document["role"])))
            if document.get("secret") and not document["role"]:
                secret = json.loads(document["secret"])
                told = (secret.get("plugin"), secret.get("authentication_string"), document.get("tls"))
                yield Defined(kind=LOGIN, name=name, text=json.dumps(told))
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ObjectCorrupt("the stream of accounts cannot be read") from error


_FOREIGN_KEYS = """SELECT JSON_ARRAYAGG(JSON_ARRAY(k.constraint_name, k.table_name, k.referenced_table_schema = DATABASE(),
    k.referenced_table_name, k.columns, k.referenced)) FROM (
  SELECT constraint_name, table_name, referenced_table_schema, referenced_table_name,
    JSON_ARRAYAGG(column_name ORDER BY ordinal_position) AS columns,
    JSON_ARRAYAGG(referenced_column_name ORDER BY ordinal_position) AS referenced
  FROM information_schema.key_column_usage WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL
  GROUP BY constraint_name, table_name, referenced_table_schema, referenced_table_name
  ORDER BY table_name, constraint_name LIMIT {limit} OFFSET {start}) k"""


def _foreign_keys(asks: Asks, start: int) -> list[Any]:
    answer = asks.ask(_FOREIGN_KEYS.format(limit=_AT_ONCE, start=start))
    try:
        return list(json.loads(answer)) if answer else []
    except ValueError as error:
        raise ObjectCorrupt("the list of foreign keys cannot be read") from error


def _orphans(asks: Asks, one: Sequence[Any]) -> Orphans:
    name, table, is_here, parent, columns, parent_columns = one
    told = f"{table} {name}"
    if not is_here:
        return Orphans(name=told, count=None, why="its parent is in another database")
    pairs = list(zip(_names(columns), _names(parent_columns), strict=True))
    given = " AND ".join(f"c.{child} IS NOT NULL" for child, _ in pairs)
    same = " AND ".join(f"p.{key} = c.{child}" for child, key in pairs)
    try:
        answer = asks.ask(
            f"SELECT COUNT(*) FROM {identifier(table)} c WHERE {given}"
            f" AND NOT EXISTS (SELECT 1 FROM {identifier(parent)} p WHERE {same})"
        )
    except SourceError as error:
        return Orphans(name=told, count=None, why=error.found or error.message)
    return Orphans(name=told, count=int(answer))


def _names(found: Any) -> list[str]:
    names = json.loads(found) if isinstance(found, str) else found
    return [identifier(str(name)) for name in names]

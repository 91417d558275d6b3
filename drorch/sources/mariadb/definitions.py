"""What a database consists of apart from rows, and the ``schema`` stream that holds it: JSON lines, the same from run to run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from drorch.errors import ObjectCorrupt
from drorch.sources.contract.definitions import stored_lines
from drorch.sources.interface import Bytes
from drorch.sources.mariadb.quoting import account, unquoted

FORM = "mariadb 1"


class Kind(Enum):
    """What a definition makes, in the order in which a restore makes it."""

    SEQUENCE = "sequence"  # a table's default may ask it
    TABLE = "table"
    FUNCTION = "function"  # a view may call it
    PROCEDURE = "procedure"
    PACKAGE = "package"
    PACKAGE_BODY = "package body"
    VIEW = "view"
    TRIGGER = "trigger"
    EVENT = "event"
    REMOTE_TABLE = "remote table"  # FEDERATED, CONNECT, SPIDER: its rows are another server's; never made by a restore


PROGRAMS = (
    Kind.FUNCTION,
    Kind.PROCEDURE,
    Kind.PACKAGE,
    Kind.PACKAGE_BODY,
    Kind.VIEW,
    Kind.TRIGGER,
    Kind.EVENT,
)
_ORDER = list(Kind)
_CHARSET = re.compile(r"[a-z0-9_]*")
_MODE = re.compile(r"[A-Z0-9_,]*")
_ZONE = re.compile(r"[A-Za-z0-9_+:/-]*")
QUOTED = r"(?:`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\")"  # the latter under ANSI_QUOTES
_DEFINER = re.compile(rf"DEFINER=({QUOTED})(?:@({QUOTED}))? ")
_NAME = rf"(?:{QUOTED}|[^\s`\".()]+)"
_TRIGGER_HEAD = re.compile(
    rf"\A(CREATE\s+(?:OR\s+REPLACE\s+)?(?:DEFINER={QUOTED}(?:@{QUOTED})?\s+)?TRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?)(?:{_NAME}\s*\.\s*)?({_NAME}\s+"
    rf"(?:BEFORE|AFTER)\s+(?:INSERT|UPDATE|DELETE)\s+ON\s+)(?:{_NAME}\s*\.\s*)?({_NAME})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One object. ``sql`` is the server's own text, bytes that are not UTF-8 as surrogates.

    What follows ``table`` is the setting under which the text means what it means; empty where it does not matter.
    ``values`` is the row of a sequence. ``was_enabled`` tells whether an event was switched on.
    """

    kind: Kind
    name: str
    sql: str
    table: str = ""
    sql_mode: str = ""
    client: str = ""
    connection: str = ""
    collation: str = ""
    time_zone: str = ""
    values: str = ""
    was_enabled: bool = False

    @property
    def definer(self) -> str | None:
        """The account whose rights the object uses: ``user@host``, a role, or ``None``."""
        found = _DEFINER.search(self.sql[:1000]) if self.kind in PROGRAMS else None
        if found is None:
            return None
        return unquoted(found[1]) + (f"@{unquoted(found[2])}" if found[2] else "")

    def with_definer(self, name: str | None) -> str:
        """Return the statement with another definer; ``None``: whoever runs it."""
        told = "" if name is None else f"DEFINER={account(name)} "
        return _DEFINER.sub(lambda _: told, self.sql, count=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A database without its rows."""

    database: str
    charset: str
    collation: str
    comment: str = ""
    definitions: tuple[Definition, ...] = field(default=())

    def of(self, *kinds: Kind) -> tuple[Definition, ...]:
        """Return the definitions of these kinds, in the order in which they are made."""
        return tuple(one for one in self.definitions if one.kind in kinds)

    def definers(self) -> list[str]:
        """Return every account that something runs as."""
        return sorted({one.definer for one in self.definitions if one.definer is not None})


def in_order(definitions: Iterable[Definition]) -> tuple[Definition, ...]:
    """Return definitions by kind; within a kind the order stays."""
    return tuple(sorted(definitions, key=lambda one: _ORDER.index(one.kind)))


def plain_trigger(sql: str) -> str:
    """Return the text of a trigger without the database in front of its names, so that it can be made in another."""
    return _TRIGGER_HEAD.sub(r"\1\2\3", sql, count=1)


def encode_schema(schema: Schema) -> bytes:
    """Return the bytes of the ``schema`` stream."""
    first = {
        "form": FORM,
        "database": schema.database,
        "charset": schema.charset,
        "collation": schema.collation,
        "comment": schema.comment,
    }
    return b"".join(_line(document) for document in (first, *map(_document, schema.definitions)))


def _document(definition: Definition) -> dict[str, Any]:
    found = {one.name: getattr(definition, one.name) for one in fields(definition)}
    found["kind"] = definition.kind.value
    return {key: value for key, value in found.items() if value not in ("", False)}


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def decode_schema(pieces: Iterable[Bytes]) -> Schema:
    """Return the schema that the stream holds; raise ``ObjectCorrupt`` if it is none of this form."""
    try:
        first, *rest = [json.loads(line) for line in stored_lines(pieces)]
        form = first.pop("form")
        if form == FORM:
            return _checked(Schema(**first, definitions=tuple(_definition(line) for line in rest)))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ObjectCorrupt("the schema stream is not one of a MariaDB database") from error
    raise ObjectCorrupt("the schema stream is of another form", expected=FORM, found=str(form)[:80])


def _definition(line: dict[str, Any]) -> Definition:
    made = Definition(**{**line, "kind": Kind(line["kind"])})
    if not all(isinstance(getattr(made, one.name), str | bool | Kind) for one in fields(made)):
        raise TypeError("a definition consists of texts")
    return made


def _checked(schema: Schema) -> Schema:
    """Return the schema; its settings end up in statements, so each must be what it claims to be."""
    words = [schema.charset, schema.collation]
    for one in schema.definitions:
        words += [one.client, one.connection, one.collation]
        if not _MODE.fullmatch(one.sql_mode) or not _ZONE.fullmatch(one.time_zone):
            raise ValueError("an unknown setting")
        if one.kind is Kind.SEQUENCE and not re.fullmatch(r"-?\d+(,-?\d+){7}", one.values):
            raise ValueError("a sequence without its values")
    if not all(_CHARSET.fullmatch(word) for word in words):
        raise ValueError("an unknown character set")
    return schema

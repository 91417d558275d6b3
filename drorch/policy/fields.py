"""The field table: one description from which files are read, shown, and explained to editors.

A ``Table`` is a map with known keys. Reading one tells every problem in it and goes on; it builds its value only
when there was none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drorch.policy.kinds import INVALID, Kind, nearest, nearest_word, shown
from drorch.policy.literals import why_secret_argument
from drorch.policy.nodes import Listing, Node, Plain, Scalar, Section, built_in
from drorch.policy.problems import Place, Problems
from drorch.quantities import counted

_COLUMN_PATTERN = r"\{[a-z][a-z0-9_]*\}"
_MOST_ITEMS = 10_000

Check = Callable[[Mapping[str, Any], Section, Problems], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One key of a table.

    ``default`` is what stands for it when it is not written; ``None``: it is then absent (value ``None`` or the
    ``absent`` given), unless it is ``required``. ``is_acted_on`` is false for what this version only reads.
    ``not_yet`` are values that this version only reads. ``is_inherited``: may also stand in ``defaults``.
    """

    key: str
    kind: Kind
    summary: str
    required: bool = False
    missing: str = ""
    default: Plain | None = None
    absent: Any = None
    attribute: str = ""
    is_acted_on: bool = True
    not_yet: tuple[str, ...] = ()
    is_inherited: bool = False

    @property
    def name(self) -> str:
        """The attribute that the value is given to."""
        return self.attribute or self.key.replace("-", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A map with known keys. ``build`` takes the values by attribute; ``check`` sees them before.

    One that is not ``is_strict`` reads a part of a map, whose other keys are ``also_known``, and leaves it to
    others to tell unknown keys. A key that is likely misspelled is not told to be missing as well.
    """

    fields: tuple[Field, ...]
    build: Callable[..., Any]
    check: Check | None = None
    elsewhere: Callable[[str], str] | None = None
    is_strict: bool = True
    also_known: tuple[str, ...] = ()

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        if not isinstance(node, Section):
            keys = ", ".join(f"`{field.key}`" for field in self.fields[:4])
            problems.add(node.place, f"`{key}` is a map with keys such as {keys}")
            return INVALID
        before = problems.told
        misspelled = self._misspelled(node)
        if self.is_strict:
            self.tell_unknown(node, problems)
        values = {
            field.name: INVALID if field.key in misspelled else self._read_field(field, node, problems)
            for field in self.fields
        }
        if self.check is not None:
            self.check(values, node, problems)
        if problems.told > before or any(value is INVALID for value in values.values()):
            return INVALID
        return self.build(**values)

    def _read_field(self, field: Field, node: Section, problems: Problems) -> Any:
        value = node.get(field.key)
        if value is not None:
            return field.kind.read(value, field.key, problems)
        if field.default is not None:
            return field.kind.read(built_in(field.default), field.key, problems)
        if field.required:
            problems.add(node.place, f"`{field.key}` is missing{field.missing}")
            return INVALID
        return field.absent

    def _unknown(self, node: Section) -> list[str]:
        known = {field.key for field in self.fields}.union(self.also_known)
        return [key for key in node.entries if key not in known]

    def _misspelled(self, node: Section) -> set[str]:
        """Return the keys that are not there, but are the nearest to one that nobody knows."""
        known = [field.key for field in self.fields]
        words = {nearest_word(key, [*known, *self.also_known]) for key in self._unknown(node)}
        return {word for word in words if word in known and word not in node.entries}

    def tell_unknown(self, node: Section, problems: Problems) -> None:
        """Tell the keys that the table does not know, with the nearest one that it knows."""
        known = [field.key for field in self.fields]
        for key in self._unknown(node):
            hint = "" if key == "<<" else nearest(key, known)
            if not hint and self.elsewhere is not None and (home := self.elsewhere(key)):
                hint = f" here; it belongs in {home}"
            problems.add(node.keys[key], f"unknown key {shown(key)}{hint}")

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {
            "type": "object",
            "properties": {field.key: _described(field) for field in self.fields},
            "additionalProperties": False,
            **({"required": required} if (required := [field.key for field in self.fields if field.required]) else {}),
        }


def _described(field: Field) -> dict[str, Any]:
    notes = field.summary + ("" if field.is_acted_on else " (not acted on by this version)")
    notes += f" ({', '.join(field.not_yet)}: not acted on by this version)" if field.not_yet else ""
    if isinstance(field.default, str):
        notes += f". Default: {field.default}"
    return {"description": notes, **field.kind.schema()}


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """A map with exactly one of several keys: ``source: {postgresql: {...}}``."""

    options: tuple[Field, ...]
    noun: str

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        known = [field.key for field in self.options]
        if not isinstance(node, Section):
            word = node.text if isinstance(node, Scalar) else ""
            hint = f"; write `{word}:` below it" if word in known else ""
            problems.add(node.place, f"`{key}` is a map with one {self.noun}: {', '.join(known)}{hint}")
            return INVALID
        for unknown in node.entries:
            if unknown not in known:
                hint = nearest(unknown, known) or f"; known are {', '.join(known)}"
                problems.add(node.keys[unknown], f"unknown {self.noun} {shown(unknown)}{hint}")
        values = [
            field.kind.read(node.entries[field.key], field.key, problems)
            for field in self.options
            if field.key in node.entries
        ]
        if len(node.entries) != 1:
            problems.add(node.place, f"`{key}` needs exactly one {self.noun}: {', '.join(known)}")
            return INVALID
        return values[0] if values else INVALID

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {
            "type": "object",
            "properties": {field.key: _described(field) for field in self.options},
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarOr:
    """One value, or a map with more to say: ``retention: btnmt-17-2014`` or ``retention: {keep_daily: 30}``."""

    scalar: Kind
    table: Table
    wrap: Callable[[Any], Any]

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        if not isinstance(node, Scalar):
            return self.table.read(node, key, problems)
        value = self.scalar.read(node, key, problems)
        return INVALID if value is INVALID else self.wrap(value)

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"anyOf": [self.scalar.schema(), self.table.schema()]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """A list of values of one kind; ``unique``: none twice."""

    item: Kind
    least: int = 0
    unique: bool = True

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        if not isinstance(node, Listing):
            one = f"; write `{key}: [{node.text}]`" if isinstance(node, Scalar) and 0 < len(node.text) <= 40 else ""
            problems.add(node.place, f"`{key}` is a list{one}")
            return INVALID
        if not self.least <= len(node.items) <= _MOST_ITEMS:
            problems.add(
                node.place, f"`{key}` has {counted(len(node.items), 'item')}; it needs {self.least} to {_MOST_ITEMS}"
            )
            return INVALID
        values = [self.item.read(item, key, problems) for item in node.items]
        if any(value is INVALID for value in values):
            return INVALID
        if self.unique:
            return self._without_twins(values, node, key, problems)
        return tuple(values)

    @staticmethod
    def _without_twins(values: Sequence[Any], node: Listing, key: str, problems: Problems) -> Any:
        twins = [position for position, value in enumerate(values) if value in values[:position]]
        for position in twins:
            problems.add(node.items[position].place, f"{shown(str(values[position]))} stands twice in `{key}`")
        return INVALID if twins else tuple(values)

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        schema: dict[str, Any] = {"type": "array", "items": self.item.schema(), "minItems": self.least}
        return {**schema, "uniqueItems": True} if self.unique else schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentsKind:
    """A program and its arguments, run without a shell; the program is given by its full path or its name."""

    argument: Kind
    least: int = 1

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        values = ListOf(item=self.argument, least=self.least, unique=False).read(node, key, problems)
        if values is INVALID:
            return INVALID
        found = why_secret_argument(values)
        if found is None:
            return values
        assert isinstance(node, Listing)
        problems.add(node.items[found[0]].place, found[1])
        return INVALID

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return ListOf(item=self.argument, least=self.least, unique=False).schema()


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf:
    """A map whose keys the sysadmin chooses."""

    key: Kind
    item: Kind

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        if not isinstance(node, Section):
            problems.add(node.place, f"`{key}` is a map")
            return INVALID
        entries: dict[str, Any] = {}
        for name, item in node.entries.items():
            read_name = self.key.read(
                Scalar(node.keys[name], unicodedata.normalize("NFC", name), is_plain=False), key, problems
            )
            value = self.item.read(item, name, problems)
            entries[str(read_name)] = INVALID if read_name is INVALID else value
        return INVALID if any(value is INVALID for value in entries.values()) else entries

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"type": "object", "propertyNames": self.key.schema(), "additionalProperties": self.item.schema()}


@dataclass(frozen=True, slots=True, kw_only=True)
class WithColumns:
    """A kind whose values may hold ``{column}``; they are filled in before it is read."""

    kind: Kind

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        return self.kind.read(node, key, problems)

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return _with_columns(self.kind.schema())


def _with_columns(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") == "object":
        inner = {key: _with_columns(value) for key, value in schema.get("properties", {}).items()}
        more = schema.get("additionalProperties")
        extra = {"additionalProperties": _with_columns(more)} if isinstance(more, dict) else {}
        return {**schema, **({"properties": inner} if inner else {}), **extra}
    if schema.get("type") == "array":
        return {**schema, "items": _with_columns(schema["items"])}
    note = {"description": schema["description"]} if "description" in schema else {}
    plain = {key: value for key, value in schema.items() if key != "description"}
    return {**note, "anyOf": [plain, {"type": "string", "pattern": _COLUMN_PATTERN}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One value as it is in force: dotted ``path``, the node, and the field it belongs to."""

    path: tuple[str, ...]
    node: Node
    field: Field
    is_acted_on: bool


def lines_in_force(kind: Kind, node: Node, path: tuple[str, ...] = ()) -> Iterator[Line]:
    """Yield every value of ``node``, written or built in, in the order of the tables."""
    inner = kind.kind if isinstance(kind, WithColumns) else kind
    if isinstance(inner, ScalarOr) and isinstance(node, Section):
        inner = inner.table
    if not isinstance(inner, Table | OneOf) or not isinstance(node, Section):
        return
    for field in inner.fields if isinstance(inner, Table) else inner.options:
        value = node.get(field.key)
        if value is None and field.default is not None:
            value = built_in(field.default)
        if value is None:
            continue
        below = list(lines_in_force(field.kind, value, (*path, field.key)))
        if not below:
            is_acted_on = field.is_acted_on and not (isinstance(value, Scalar) and value.text in field.not_yet)
            yield Line(path=(*path, field.key), node=value, field=field, is_acted_on=is_acted_on)
        for line in below:
            yield Line(
                path=line.path, node=line.node, field=line.field, is_acted_on=line.is_acted_on and field.is_acted_on
            )


def place_of(node: Section, path: Sequence[str]) -> Place:
    """Return where the value at ``path`` stands, or the nearest map around it."""
    place = node.place
    current: Node | None = node
    for key in path:
        if not isinstance(current, Section) or key not in current.entries:
            break
        current = current.entries[key]
        place = current.place
    return place

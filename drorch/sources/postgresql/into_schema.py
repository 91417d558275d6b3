"""Puts the definitions of some tables into another schema, beside the originals: ``--into-schema``.

pg_dump qualifies every name that it writes (its ``search_path`` is empty), so a name is ``schema.name`` and can be told from a
column or a word. What is inside the text of a function is not looked into by the server either; people are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from drorch.errors import TargetRefused
from drorch.sources.postgresql.entries import POST, Entry
from drorch.sources.postgresql.inventory import display_name
from drorch.sources.postgresql.quoting import identifier, literal, qualified, unquoted
from drorch.sources.postgresql.tokens import Token, tokens

_NAMED = ("word", "quoted")
_WITH_TEXT = ("FUNCTION", "PROCEDURE")
# Their names are their table's or nobody's: never written ``schema.name``.
_NAMELESS = {
    "ACL",
    "CAST",
    "COMMENT",
    "CONSTRAINT",
    "DEFAULT",
    "EXTENSION",
    "FK CONSTRAINT",
    "POLICY",
    "RULE",
    "TRIGGER",
}
_MULTIRANGE = "MULTIRANGE_TYPE_NAME"  # a type that comes with a range, without a definition of its own


class Mover:
    """Moves ``entries`` into ``schema``; raises ``TargetRefused`` if two of them would get one name."""

    def __init__(self, entries: Sequence[Entry], schema: str) -> None:
        self._schema = schema
        self._entries = entries
        self._names: set[tuple[str, str]] = set()
        for entry in entries:
            self._names.update(_defined_by(entry))
        self._schemas = {one for one, _name in self._names}
        self._of_extensions = {number for entry in entries if entry.kind == "EXTENSION" for number in entry.depends}
        self._require_no_clash()

    def moved(self) -> Iterator[Entry]:
        """Yield the definitions, first the schema's own."""
        yield Entry(
            number=-1,
            section=self._entries[0].section,
            kind="SCHEMA",
            name=self._schema,
            sql=f"create schema {identifier(self._schema)}",
        )
        for entry in self._entries:
            if self._stays_behind(entry):
                continue
            is_moved = entry.schema in self._schemas and entry.kind != "EXTENSION"
            yield replace(
                entry,
                schema=self._schema if is_moved else entry.schema,
                sql=self._rewritten(entry.sql, entry.kind),
                alter=self._rewritten(entry.alter, entry.kind),
            )

    def by_hand(self) -> Iterator[str]:
        """Yield which functions still speak of the old schemas: their text is their own."""
        for entry in self._entries:
            if entry.kind in _WITH_TEXT:
                texts = " ".join(token.text for token in tokens(entry.sql) if _is_text(token))
                named = sorted(one for one in self._schemas if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", texts))
                if named:
                    yield f"{entry.label}: now in {self._schema}, but its text speaks of schema {', '.join(named)}"

    def _stays_behind(self, entry: Entry) -> bool:
        """The old schemas themselves, unless an extension needs one; and what is said about them."""
        if entry.kind == "SCHEMA":
            return entry.number not in self._of_extensions
        return entry.kind in ("COMMENT", "SECURITY LABEL") and entry.name.startswith("SCHEMA ")

    def _require_no_clash(self) -> None:
        seen: dict[str, str] = {}
        for schema, name in sorted(self._names):
            other = seen.setdefault(name, schema)
            if other != schema:
                raise TargetRefused(
                    "two things of one name cannot be in one schema",
                    found=f"{display_name(other, name)} and {display_name(schema, name)}",
                    hint="restore them one by one, each into a schema of its own",
                )

    def _rewritten(self, sql: str, kind: str) -> str:
        found = list(tokens(sql))
        return "".join(self._token(found, place, kind) for place in range(len(found)))

    def _token(self, found: Sequence[Token], place: int, kind: str) -> str:
        token = found[place]
        if token.kind == "string" and (kind == "SEQUENCE SET" or _is_cast_to_name(found, place)):
            parts = unquoted(token.content)
            is_ours = len(parts) == 2 and (parts[0], parts[1]) in self._names
            return literal(qualified(self._schema, parts[1])).strip() if is_ours else token.text
        if token.kind not in _NAMED or token.name not in self._schemas:
            return token.text
        if kind == "ACL" and _word_before(found, place) == "SCHEMA":
            return identifier(self._schema)
        is_first = place == 0 or found[place - 1].text != "."
        if is_first and (token.name, _name_after_dot(found, place)) in self._names:
            return identifier(self._schema)
        return token.text


def _defined_by(entry: Entry) -> Iterator[tuple[str, str]]:
    if not entry.schema or entry.kind in _NAMELESS:
        return
    if entry.section == POST and entry.kind not in ("INDEX", "STATISTICS"):
        return
    found = list(tokens(entry.alter))
    names = [(token.name, _name_after_dot(found, place)) for place, token in enumerate(found) if token.kind in _NAMED]
    yield next(
        ((schema, name) for schema, name in names if name and schema == entry.schema), (entry.schema, entry.name)
    )
    if entry.kind == "TYPE":
        yield from _multirange(list(tokens(entry.sql)))


def _multirange(found: Sequence[Token]) -> Iterator[tuple[str, str]]:
    follows = False
    for place, token in enumerate(found):
        if follows and token.kind in _NAMED:
            yield token.name, _name_after_dot(found, place)
            return
        follows = follows or token.keyword == _MULTIRANGE


def _name_after_dot(found: Sequence[Token], place: int) -> str:
    """Return the name behind ``schema.``, which may be an operator; empty if there is none."""
    if place + 2 >= len(found) or found[place + 1].text != ".":
        return ""
    if found[place + 2].kind in _NAMED:
        return found[place + 2].name
    operator = ""
    for token in found[place + 2 :]:
        if token.kind != "other" or token.text not in "+-*/<>=~!@#%^&|`?":
            break
        operator += token.text
    return operator


def _word_before(found: Sequence[Token], place: int) -> str:
    return next((token.keyword for token in reversed(found[:place]) if token.kind != "space"), "")


def _is_cast_to_name(found: Sequence[Token], place: int) -> bool:
    words = [token.text for token in found[place + 1 : place + 4]]
    return words[:2] == [":", ":"] and len(words) == 3 and words[2].lower().startswith("reg")


def _is_text(token: Token) -> bool:
    return token.kind == "string" or (token.kind == "other" and len(token.text) > 1)


def place_of(names: tuple[str, str], schema: str | None) -> str:
    """Return the SQL name of a table of the snapshot in the target."""
    return qualified(schema if schema is not None else names[0], names[1])


def moved_entries(entries: Iterable[Entry], schema: str | None) -> tuple[list[Entry], list[str]]:
    """Return the definitions as they are replayed, and what people should know."""
    listed = list(entries)
    if schema is None:
        return listed, []
    mover = Mover(listed, schema)
    return list(mover.moved()), list(mover.by_hand())

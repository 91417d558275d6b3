"""Names and strings as SQL."""

from __future__ import annotations

import re

_IDENTIFIER = re.compile(r'"((?:[^"]|"")+)"|([^".\s][^".]*)')


def identifier(name: str) -> str:
    """Return ``name`` quoted: always, so that no list of reserved words is needed."""
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """Return ``"schema"."name"``."""
    return f"{identifier(schema)}.{identifier(name)}"


def literal(text: str) -> str:
    """Return ``text`` as a string constant that means the same whatever ``standard_conforming_strings`` is."""
    quoted = text.replace("'", "''")
    return f" E'{quoted.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{quoted}'"


def unquoted(text: str) -> tuple[str, ...]:
    """Return the parts of ``a.b`` or ``"a.x"."b"``; an empty tuple if ``text`` is no such name."""
    parts: list[str] = []
    position = 0
    while True:
        match = _IDENTIFIER.match(text, position)
        if match is None:
            return ()
        parts.append(match[1].replace('""', '"') if match[1] is not None else match[2])
        position = match.end()
        if position == len(text):
            return tuple(parts)
        if text[position] != ".":
            return ()
        position += 1

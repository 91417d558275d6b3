"""Finds and replaces the roles that a definition names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from drorch.sources.postgresql.entries import Entry
from drorch.sources.postgresql.quoting import identifier
from drorch.sources.postgresql.tokens import Token, tokens

# After which words the names of roles stand, by kind of definition.
_BEFORE = {
    "ACL": ("TO", "FROM", "AUTHORIZATION"),
    "DEFAULT ACL": ("TO", "FROM", "ROLE"),
    "POLICY": ("TO",),
    "USER MAPPING": ("FOR",),
}
_NO_ROLE = {"PUBLIC", "CURRENT_USER", "CURRENT_ROLE", "SESSION_USER"}


def named_roles(entry: Entry) -> set[str]:
    """Return the roles that ``entry`` needs: owner, grantees, those of a policy or mapping."""
    found = {entry.owner} if entry.owner else set()
    if entry.kind in _BEFORE:
        found |= {token.name for token, is_role in _marked(entry.kind, entry.sql) if is_role}
    found |= {right[0] for right in entry.values.get("rights", ()) if right[0]}
    if entry.values.get("role"):
        found.add(entry.values["role"])
    return found


def with_roles(entry: Entry, mapping: Mapping[str, str]) -> str:
    """Return the definition with its roles replaced as ``mapping`` says."""
    if not mapping or entry.kind not in _BEFORE:
        return entry.sql
    return "".join(
        identifier(mapping[token.name]) if is_role and token.name in mapping else token.text
        for token, is_role in _marked(entry.kind, entry.sql)
    )


def _marked(kind: str, sql: str) -> Iterator[tuple[Token, bool]]:
    """Yield each token and whether it is a role: a name after one of the words, or after a comma behind such a name."""
    words = _BEFORE[kind]
    expected, was_role, depth, is_open = False, False, 0, True
    for token in tokens(sql):
        if token.kind == "space":
            yield token, False
            continue
        is_name = token.kind == "quoted" or (token.kind == "word" and token.keyword not in _NO_ROLE)
        is_role = expected and is_name
        yield token, is_role
        if kind == "POLICY" and token.keyword in ("USING", "WITH") and depth == 0:
            is_open = False  # an expression follows, which may hold any word
        depth += (token.text == "(") - (token.text == ")")
        listed = is_role or (expected and token.keyword in _NO_ROLE)
        expected = is_open and depth == 0 and (token.keyword in words or (token.text == "," and was_role))
        was_role = listed

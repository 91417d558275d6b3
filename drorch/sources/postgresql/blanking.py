"""Takes passwords out of definitions: pg_dump writes those of user mappings and subscriptions in clear."""

from __future__ import annotations

import re

from psycopg import Error as PsycopgError
from psycopg.pq import Conninfo

from drorch.sources.postgresql.location import connection_string
from drorch.sources.postgresql.quoting import literal
from drorch.sources.postgresql.tokens import Token, tokens

MARKER = "drorch-blanked"
_SECRET_WORD = re.compile(r"pass|secret|token|credential|private|(^|_)key$|api_?key", re.IGNORECASE)
_HARMLESS = {"password_required", "sslkey", "key"}
_WITH_OPTIONS = {"USER MAPPING", "SERVER", "FOREIGN DATA WRAPPER", "FOREIGN TABLE"}


def blank_secrets(kind: str, sql: str) -> tuple[str, bool]:
    """Return ``sql`` with every secret replaced by ``MARKER``, and whether there was one."""
    if kind == "SUBSCRIPTION":
        return _blank_connection(sql)
    if kind in _WITH_OPTIONS:
        return _blank_options(sql)
    return sql, False


def blank_conninfo(text: str) -> tuple[str, bool]:
    """Return a libpq connection string without its passwords; one that cannot be read is blanked whole."""
    try:
        options = [option for option in Conninfo.parse(text.encode("utf-8", "surrogateescape")) if option.val]
    except PsycopgError:
        return MARKER, True
    words = {option.keyword.decode(): (option.val or b"").decode("utf-8", "surrogateescape") for option in options}
    secret = [word for word in words if word in ("password", "sslpassword", "oauth_client_secret")]
    if not secret:
        return text, False
    return connection_string(words | dict.fromkeys(secret, MARKER)), True


def _blank_connection(sql: str) -> tuple[str, bool]:
    parts, found, follows = [], False, False
    for token in tokens(sql):
        text = token.text
        if token.kind == "string" and follows:
            blanked, found = blank_conninfo(token.content)
            text = literal(blanked).strip() if found else text
        if token.kind != "space":
            follows = token.keyword == "CONNECTION" and not found
        parts.append(text)
    return "".join(parts), found


def _blank_options(sql: str) -> tuple[str, bool]:
    """Blank ``name 'value'`` pairs whose name speaks of a secret, inside any ``OPTIONS (...)``."""
    parts: list[str] = []
    found, inside, before = False, False, Token("space", " ")
    for token in tokens(sql):
        text = token.text
        if token.text == "(" and before.keyword == "OPTIONS":
            inside = True
        elif token.text == ")":
            inside = False
        elif inside and token.kind == "string" and before.kind in ("word", "quoted") and _is_secret(before.name):
            text, found = literal(MARKER), True
        parts.append(text)
        if token.kind != "space":
            before = token
    return "".join(parts), found


def _is_secret(name: str) -> bool:
    return name.lower() not in _HARMLESS and _SECRET_WORD.search(name) is not None

"""Names and values as they stand in statements."""

from __future__ import annotations

from urllib.parse import quote

PUBLIC = "PUBLIC"
"""Everybody: no account, but rights may be granted to it."""


def identifier(name: str) -> str:
    """Return ``name`` as a quoted identifier."""
    return "`" + name.replace("`", "``") + "`"


def unquoted(text: str) -> str:
    """Return the name that a quoted identifier means."""
    return text[1:-1].replace(text[0] * 2, text[0])


def qualified(database: str, name: str) -> str:
    """Return ``name`` of ``database``, quoted."""
    return f"{identifier(database)}.{identifier(name)}"


def literal(text: str) -> str:
    """Return ``text`` as a string, whatever ``sql_mode`` says about backslashes: there is none in it."""
    if "\\" in text or "\0" in text:
        return f"_utf8mb4 x'{text.encode('utf-8', 'surrogateescape').hex()}'"
    return "'" + text.replace("'", "''") + "'"


def account(name: str) -> str:
    """Return ``user@host``, or a role, as it stands in a statement."""
    user, at, host = name.rpartition("@")
    if not at:
        return name if name == PUBLIC else identifier(name)
    return f"{identifier(user)}@{identifier(host)}"


def shown(name: str) -> str:
    """Return ``name`` for people: in one line, what cannot be shown as a percent code."""
    return "".join(one if one.isprintable() else quote(one, safe="", errors="surrogateescape") for one in name)


def printable(name: str) -> str:
    """Return ``name`` so that it fits into one line and stays unique: what cannot be shown, and ``%``, is a percent code."""
    return "".join(
        one if one.isprintable() and one != "%" else quote(one, safe="", errors="surrogateescape") for one in name
    )

"""Names of files are bytes. Here they become text for JSON and for people, and come back; nothing is normalised."""

from __future__ import annotations

SEPARATOR = b"/"


def text_of(raw: bytes) -> str:
    """Return a name as JSON holds it: bytes that are no UTF-8 as lone surrogates."""
    return raw.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Return the name that ``text_of`` gave; raises ``UnicodeEncodeError`` for surrogates that it never makes."""
    return text.encode("utf-8", "surrogateescape")


def shown(raw: bytes) -> str:
    """Return a name for a message: one line, and only what can be printed."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def components(path: bytes) -> tuple[bytes, ...]:
    """Return the names along a relative path; none for the base. Tuples sort in the order of a walk."""
    return tuple(path.split(SEPARATOR)) if path else ()


def is_safe(path: bytes) -> bool:
    """Whether a path stays below its base, whatever wrote it: no empty name, ``.``, ``..`` or NUL."""
    return b"\0" not in path and not any(name in (b"", b".", b"..") for name in components(path))


def below(directory: bytes, path: bytes) -> bool:
    """Whether ``path`` is ``directory`` or lies in it."""
    return not directory or path == directory or path.startswith(directory + SEPARATOR)

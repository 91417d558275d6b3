"""What may be an object's name: the last gate before a path or a URL is made of it."""

from __future__ import annotations

import re

from drorch.errors import Bug

LONGEST_NAME_BYTES = 200
LARGEST_OBJECT_BYTES = 64 * 2**20

# No segment starts with a full stop: "..", and hidden files such as our own temporary ones, are never objects.
_SEGMENT = r"[a-z0-9][a-z0-9._+~-]*"
_NAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*", re.ASCII)
_PREFIX = re.compile(rf"(?:{_SEGMENT}/)*(?:{_SEGMENT})?", re.ASCII)


def is_name(text: str) -> bool:
    """Whether ``text`` may name an object."""
    return len(text) <= LONGEST_NAME_BYTES and _NAME.fullmatch(text) is not None


def check_name(name: str) -> None:
    """Raise ``Bug`` unless ``name`` may name an object."""
    if not is_name(name):
        raise Bug(f"not an object's name: {name[:LONGEST_NAME_BYTES]!r}")


def check_prefix(prefix: str) -> None:
    """Raise ``Bug`` unless ``prefix`` may begin a name (empty: every name)."""
    if len(prefix) > LONGEST_NAME_BYTES or _PREFIX.fullmatch(prefix) is None:
        raise Bug(f"not the beginning of an object's name: {prefix[:LONGEST_NAME_BYTES]!r}")


def check_range(name: str, offset: int, length: int) -> None:
    """Raise ``Bug`` unless the range asks for something."""
    check_name(name)
    if offset < 0 or length < 1:
        raise Bug(f"a range of {length} bytes from {offset} of {name}")


def check_content(name: str, size_bytes: int) -> None:
    """Raise ``Bug`` unless an object of this name and size may be put."""
    check_name(name)
    if size_bytes > LARGEST_OBJECT_BYTES:
        raise Bug(f"an object of {size_bytes} bytes: {name}")


def folder_below(prefix: str, name: str) -> str | None:
    """Return ``prefix`` + the next segment of ``name`` + ``/``; ``None`` when ``name`` lies in no further folder."""
    segment, slash, _rest = name[len(prefix) :].partition("/")
    return f"{prefix}{segment}/" if slash else None

"""Settings of roles and databases as SQL: ``ALTER ... SET name TO value``."""

from __future__ import annotations

from collections.abc import Iterator

from drorch.sources.postgresql.quoting import identifier, literal, unquoted

_LISTS = {  # settings whose value is a list of names: each name is an argument of its own
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
}


def is_list_setting(name: str) -> bool:
    """Whether the value of the setting is a list of names."""
    return name.lower() in _LISTS


def setting_assignment(name: str, value: str) -> str:
    """Return ``name TO value`` for a value as the catalog holds it."""
    return f"{setting_name(name)} to {setting_value(value, is_list=is_list_setting(name))}"


def setting_name(name: str) -> str:
    """Return the name of a setting, which may have a prefix, as SQL."""
    return ".".join(identifier(part) for part in name.split("."))


def setting_value(value: str, *, is_list: bool) -> str:
    """Return the value as SQL."""
    if not is_list:
        return literal(value)
    parts = [part.strip() for part in _split_list(value)]
    return ", ".join(literal((unquoted(part) or (part,))[0]) for part in parts) or "''"


def _split_list(value: str) -> Iterator[str]:
    start, inside = 0, False
    for position, char in enumerate(value):
        if char == '"':
            inside = not inside
        elif char == "," and not inside:
            yield value[start:position]
            start = position + 1
    if value[start:].strip():
        yield value[start:]

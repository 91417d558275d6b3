"""Reads facts, which come from a file, and lists names for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drorch.sources.interface import Json

_SHOWN = 8


def items(facts: Mapping[str, Json], key: str) -> list[Any]:
    """Return the list that is at ``key``; empty if there is none."""
    value = facts.get(key)
    return list(value) if isinstance(value, (list, tuple)) else []


def number(facts: Mapping[str, Json], key: str) -> int:
    """Return the number that is at ``key``; 0 if there is none."""
    value = facts.get(key)
    return value if isinstance(value, int) else 0


def listed(names: Sequence[str]) -> str:
    """Return the first names and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

"""What a YAML file says before anyone asked what it means: scalars, lists and maps that know their place.

Types are decided by the reader of a field, never by the look of a value: ``00678`` stays the text it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from drorch.policy.problems import BUILT_IN, Place

_PLAIN_EVERYWHERE = re.compile(r"[A-Za-z0-9_./+][A-Za-z0-9_./+@%-]*(?::[A-Za-z0-9_./+@%-]+)*")
_READS_AS_OTHER = re.compile(r"(?i)[-+.]?[0-9].*|~|null|true|false|yes|no|on|off|y|n|[-+]?\.(inf|nan)")
_NUMBER_WITH_UNIT = re.compile(r"0|[1-9][0-9]*(?:\.[0-9]+)?(?:[smhdw%]|[kKMGTP]?i?B)?")


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text. ``is_plain``: without quotes. ``is_filled``: a ``{column}`` in it was replaced from a list."""

    place: Place
    text: str
    is_plain: bool = True
    is_filled: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A YAML sequence."""

    place: Place
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A YAML map; keys are unique. ``keys`` gives the place of every key."""

    place: Place
    entries: Mapping[str, Node]
    keys: Mapping[str, Place]

    def get(self, key: str) -> Node | None:
        """Return the value of ``key``, or ``None``."""
        return self.entries.get(key)

    def at(self, key: str) -> Place:
        """Return the place of ``key``, or that of the map."""
        return self.keys.get(key, self.place)


Node: TypeAlias = Scalar | Listing | Section
Plain: TypeAlias = "str | tuple[Plain, ...] | Mapping[str, Plain]"


def built_in(value: Plain, place: Place = BUILT_IN) -> Node:
    """Return the node of a value that drorch itself supplies."""
    if isinstance(value, str):
        return Scalar(place, value)
    if isinstance(value, Mapping):
        entries = {key: built_in(item, place) for key, item in value.items()}
        return Section(place, entries, dict.fromkeys(entries, place))
    return Listing(place, tuple(built_in(item, place) for item in value))


def merged(base: Section, over: Section) -> Section:
    """Return ``base`` with ``over`` laid on it: maps key by key, lists and scalars replace. Places are kept."""
    entries = dict(base.entries)
    keys = dict(base.keys)
    for key, node in over.entries.items():
        below = entries.get(key)
        entries[key] = merged(below, node) if isinstance(below, Section) and isinstance(node, Section) else node
        keys[key] = over.keys[key]
    return Section(over.place, entries, keys)


def replaced(node: Node, rewrite: Callable[[str], str]) -> Node:
    """Return ``node`` with every scalar's text given through ``rewrite``; keys and places stay."""
    if isinstance(node, Scalar):
        text = rewrite(node.text)
        return node if text == node.text else replace(node, text=text, is_filled=True)
    if isinstance(node, Listing):
        return Listing(node.place, tuple(replaced(item, rewrite) for item in node.items))
    return Section(node.place, {key: replaced(item, rewrite) for key, item in node.entries.items()}, node.keys)


def flow_text(node: Node) -> str:
    """Return ``node`` as one line of YAML that reads back as the same."""
    if isinstance(node, Scalar):
        return scalar_text(node)
    if isinstance(node, Listing):
        return "[" + ", ".join(flow_text(item) for item in node.items) + "]"
    return "{" + ", ".join(f"{key_text(key)}: {flow_text(item)}" for key, item in node.entries.items()) + "}"


def scalar_text(node: Scalar) -> str:
    """Return the scalar quoted unless it may stand plain in every context and is no number by mistake."""
    if _PLAIN_EVERYWHERE.fullmatch(node.text) and (
        not _READS_AS_OTHER.fullmatch(node.text)
        or (node.is_plain and _NUMBER_WITH_UNIT.fullmatch(node.text))
        or (node.is_plain and node.text in {"true", "false"})
    ):
        return node.text
    return json.dumps(node.text, ensure_ascii=False)


def key_text(key: str) -> str:
    """Return ``key`` as it may stand before a colon."""
    return key if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", key) else json.dumps(key, ensure_ascii=False)

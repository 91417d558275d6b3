"""The tables of docs/FORMAT.md about evidence, as the code says them: field by field, kind by kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from drorch.evidence.drill_fields import drill_fields
from drorch.evidence.drill_report import DrillReport
from drorch.evidence.ledger_entry import FACTS
from tests.support.statements import passing_report, sign_off

_PLAIN = {str: "text", int: "number", bool: "true or false", datetime: "time", list: "list", dict: "object"}


def record_rows() -> Iterator[str]:
    """Yield a row for every structure of a drill's record: its name, and its fields with their types in their order."""
    waiting: list[Any] = [DrillReport]
    told = []
    while waiting:
        kind = waiting.pop(0)
        if kind in told:
            continue
        told.append(kind)
        hints = get_type_hints(kind)
        words = []
        for field in fields(kind):
            words.append(f"`{field.name}` {_type(hints[field.name])}")
            waiting += [one for one in _kinds(hints[field.name]) if is_dataclass(one)]
        yield f"| {kind.__name__} | {', '.join(words)} |"


def enumeration_rows() -> Iterator[str]:
    """Yield a row for every set of words in a record."""
    seen: dict[str, Any] = {}
    waiting: list[Any] = [DrillReport]
    done = set()
    while waiting:
        kind = waiting.pop(0)
        if kind in done:
            continue
        done.add(kind)
        for hint in get_type_hints(kind).values():
            for one in _kinds(hint):
                if is_dataclass(one):
                    waiting.append(one)
                elif isinstance(one, type) and issubclass(one, Enum):
                    seen[one.__name__] = one
    for name in sorted(seen):
        yield f"| {name} | {', '.join(f'`{one.value}`' for one in seen[name])} |"


def section_rows() -> Iterator[str]:
    """Yield a row for every section of a predicate: its keys in their order."""
    for name, section in drill_fields(passing_report()).items():
        yield f"| `{name}` | {', '.join(f'`{key}`' for key in section)} |"


def sign_off_row() -> str:
    """Return the row of a sign-off's predicate."""
    from drorch.evidence.sign_off import encode_sign_off
    from drorch.ids import Digest

    predicate = json.loads(encode_sign_off(sign_off(Digest(bytes(32)))))["predicate"]
    return f"| `sign-off` | {', '.join(f'`{key}`' for key in predicate)} |"


def kind_rows() -> Iterator[str]:
    """Yield a row for every kind of entry: the facts that must stand."""
    for kind, facts in FACTS.items():
        words: Mapping[str, type] = facts
        listed = ", ".join(f"`{name}` {_PLAIN[of]}" for name, of in words.items()) or "none"
        yield f"| `{kind.value}` | {listed} |"


def every_row() -> list[str]:
    """Return all of them."""
    return [*record_rows(), *enumeration_rows(), *section_rows(), sign_off_row(), *kind_rows()]


def _kinds(hint: Any) -> list[Any]:
    arguments = [one for one in get_args(hint) if one not in (NoneType, Ellipsis)]
    return [inner for one in arguments for inner in _kinds(one)] if arguments else [hint]


def _type(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        (inner,) = [one for one in arguments if one is not NoneType]
        return f"{_type(inner)} or null"
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is not None:
        return "object of text"
    return _PLAIN[hint] if hint in _PLAIN else str(hint.__name__)

"""Which tables come without their rows (``exclude_data``), and what else would tell of those rows."""

from __future__ import annotations

import sqlite3
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from drorch.errors import CaptureFailed
from drorch.sources.interface import Json
from drorch.sources.sqlite.definitions import TableRows

EXCLUDED = "excluded_data"
UNUSED = "exclude_data_unused"
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # SQLite's own idea of equal names
_INTERNAL = "sqlite_"
_STATISTICS = "sqlite_stat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """``kept`` are read; of the tables in ``excluded`` only the definition is. ``unused`` are patterns that fit no table."""

    kept: tuple[TableRows, ...]
    excluded: tuple[str, ...]
    unused: tuple[str, ...]


def exclude(connection: sqlite3.Connection, found: Sequence[TableRows], patterns: Sequence[str]) -> Exclusion:
    """Part the tables by shell patterns of ``NAME`` or ``main.NAME``; ASCII letters of either case are the same.

    Planner statistics of an excluded table are left out with it: they hold some of its values. What SQLite keeps
    for itself, such as the last numbers of AUTOINCREMENT columns, stays.

    Raises:
        CaptureFailed: a pattern fits a virtual table or a part of one, which would come back broken without its rows.
        sqlite3.Error: as SQLite says.
    """
    if not patterns:
        return Exclusion(kept=tuple(found), excluded=(), unused=())
    kinds = _kinds(connection)
    fitting = {pattern: [name for name in kinds if _fits(name, pattern)] for pattern in patterns}
    names = {name for some in fitting.values() for name in some}
    _refuse_virtual({name for name in names if kinds[name] in ("virtual", "shadow")})
    excluded = tuple(rows.table for rows in found if rows.table in names)
    kept = [_without_statistics(rows, excluded) for rows in found if rows.table not in names]
    return Exclusion(
        kept=tuple(kept),
        excluded=excluded,
        unused=tuple(pattern for pattern, some in fitting.items() if not some),
    )


def told(facts: Mapping[str, Json], key: str = EXCLUDED) -> tuple[str, ...]:
    """Return what the facts of a snapshot list under ``key``; those of older versions may not have it."""
    listed = facts.get(key)
    return tuple(str(name) for name in listed) if isinstance(listed, list | tuple) else ()


def _kinds(connection: sqlite3.Connection) -> dict[str, str]:
    """Return every table of users and its kind: ``table``, ``virtual`` or ``shadow``."""
    rows = connection.execute("SELECT name, type FROM pragma_table_list WHERE schema='main' AND type<>'view'")
    listed = ((bytes(name).decode(), bytes(kind).decode()) for name, kind in rows)
    return {name: kind for name, kind in listed if not name.translate(_LOWER).startswith(_INTERNAL)}


def _fits(name: str, pattern: str) -> bool:
    lower = name.translate(_LOWER)
    return any(fnmatchcase(shown, pattern.translate(_LOWER)) for shown in (lower, f"main.{lower}"))


def _refuse_virtual(names: set[str]) -> None:
    if names:
        raise CaptureFailed(
            f"exclude_data names {min(names)}, a virtual table or a part of one",
            expected="patterns of ordinary tables",
            found=", ".join(sorted(names)),
            hint="a virtual table comes back broken without its rows; write patterns that fit no such table",
        )


def _without_statistics(rows: TableRows, excluded: Sequence[str]) -> TableRows:
    if not excluded or not rows.table.translate(_LOWER).startswith(_STATISTICS):
        return rows
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in excluded)
    return replace(rows, condition=f"tbl COLLATE NOCASE NOT IN ({listed})")

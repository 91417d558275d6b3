"""Whether there is a place for what is restored: tablespaces and free disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from drorch.quantities import format_size
from drorch.sources.interface import Content, Finding, Json, Level, RestoreChoices
from drorch.sources.nearest import nearest
from drorch.sources.postgresql.fact_values import items, listed, number
from drorch.sources.postgresql.session import Session

_DEFAULT = "pg_default"


def tablespace_findings(
    server: Session, facts: Mapping[str, Json], choices: RestoreChoices, *, is_created: bool
) -> Iterator[Finding]:
    """Yield where the tablespaces of the source go. ``is_created``: the restore makes the database itself."""
    own = str(facts.get("tablespace") or _DEFAULT)
    names = list(dict.fromkeys([own, *(str(name) for name in items(facts, "tablespaces"))]))
    for unknown in sorted(set(choices.map_tablespaces) - {*names, _DEFAULT}):
        text = f"nothing in the snapshot is in a tablespace {unknown}"
        remedy = nearest(unknown, names) or f"it knows {listed(names)}"
        yield Finding(level=Level.STOP, text=text, remedy=remedy)
    yield from _unfit(server, sorted(set(choices.map_tablespaces.values())))
    if own in choices.map_tablespaces and not is_created:
        text = f"the database keeps its own tablespace; {own} is mapped only where an object names it"
        yield Finding(level=Level.NOTE, text=text)
    to_default = [name for name in names if name not in choices.map_tablespaces and name != _DEFAULT]
    if to_default:
        text = f"what was in tablespace {listed(to_default)} goes to the default tablespace"
        yield Finding(level=Level.NOTE, text=text, remedy="--map-tablespace OLD=NEW puts it elsewhere")


def _unfit(server: Session, wanted: list[str]) -> Iterator[Finding]:
    for name in wanted:
        allowed = server.value(
            "select pg_catalog.has_tablespace_privilege(oid, 'CREATE') from pg_catalog.pg_tablespace where spcname = $1",
            name,
        )
        if allowed is None:
            text = f"the server has no tablespace {name}"
            yield Finding(level=Level.STOP, text=text, remedy=f"CREATE TABLESPACE {name} LOCATION '...'")
        elif allowed != "t":
            text = f"the account may not use the tablespace {name}"
            yield Finding(level=Level.STOP, text=text, remedy=f"GRANT CREATE ON TABLESPACE {name} TO the account")


def room_findings(server: Session, content: Content, choices: RestoreChoices, *, is_local: bool) -> Iterator[Finding]:
    """Compare free disk with the size, where server and drorch are on one machine and drorch may look."""
    needed = max(sum(stream.size_bytes for stream in content.streams()), 0)
    place = _place(server, content.facts, choices) if is_local else None
    if place is None:
        return
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return
    size = number(content.facts, "size_bytes")
    if free < needed:
        yield Finding(level=Level.STOP, text=f"{format_size(free)} are free, the rows alone need {format_size(needed)}")
    elif free < size and not choices.tables:
        yield Finding(level=Level.NOTE, text=f"{format_size(free)} are free, the source took {format_size(size)}")
    else:
        yield Finding(level=Level.OK, text=f"{format_size(free)} are free")


def _place(server: Session, facts: Mapping[str, Json], choices: RestoreChoices) -> Path | None:
    """Return the directory that takes what is put nowhere else; ``None`` if the account may not know."""
    mapped = choices.map_tablespaces.get(str(facts.get("tablespace") or _DEFAULT))
    if mapped is not None:
        sql = "select pg_catalog.pg_tablespace_location(oid) from pg_catalog.pg_tablespace where spcname = $1"
        location = server.value(sql, mapped)
        if location:
            return Path(location)
    # Not SHOW, which is an error to those who may not know it.
    directory = server.value("select setting from pg_catalog.pg_settings where name = 'data_directory'")
    return None if not directory else Path(directory)

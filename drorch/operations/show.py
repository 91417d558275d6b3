"""Say what is in one snapshot: with a private key its tables or paths, with rows and sizes; without, what everybody may know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from drorch.operations.content import SnapshotContent
from drorch.repository.reader import SnapshotReader
from drorch.sources.interface import Content, Json, StoredStream, StreamKind, table_of

FILES = "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One table, path or other thing of a snapshot. ``rows`` is ``None`` where none are counted."""

    name: str
    kind: str
    size_bytes: int
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What a private key shows of a snapshot: the first parts, how many more there are, and what its server was."""

    parts: tuple[Part, ...]
    left_out: int
    facts: Mapping[str, Json] = field(default_factory=dict)


def run(reader: SnapshotReader, *, paths: Callable[[Content], Iterable[Part]], limit: int) -> Inside:
    """Return at most ``limit`` parts, tables by name, paths in the order of a walk; raises what reading the snapshot raises.

    ``paths`` yields the names of a file tree. The facts are those of the capture, its closing facts among them.
    """
    content = SnapshotContent(reader)
    facts: dict[str, Any] = {**content.facts, **reader.body.closing_facts}
    found = iter(paths(content) if facts.get("engine") == FILES else _parts(content))
    first = tuple(islice(found, limit))
    return Inside(parts=first, left_out=sum(1 for _ in found), facts=facts)


def _parts(content: Content) -> Iterator[Part]:
    """Yield the tables, each with all of its streams together, and then what else there is."""
    tables: dict[tuple[str, str], list[StoredStream]] = {}
    others = []
    for stream in content.streams():
        if stream.spec.kind is StreamKind.TABLE:
            tables.setdefault(table_of(stream.spec), []).append(stream)
        else:
            others.append(stream)
    for (schema, table), streams in sorted(tables.items()):
        yield Part(
            name=f"{schema}.{table}" if schema else table.removeprefix("table/"),
            kind="table",
            size_bytes=sum(stream.size_bytes for stream in streams),
            rows=sum(stream.rows or 0 for stream in streams),
        )
    for stream in others:
        kind = stream.spec.kind.name.lower().replace("_", " ")
        yield Part(name=stream.spec.name, kind=kind, size_bytes=stream.size_bytes, rows=None)

"""Which definitions belong to a few tables: what they need, what is their own, and what must stay behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drorch.errors import TargetRefused
from drorch.sources.nearest import nearest
from drorch.sources.postgresql import entries as sections
from drorch.sources.postgresql.entries import Entry
from drorch.sources.postgresql.inventory import display_name
from drorch.sources.postgresql.quoting import unquoted

# A table's own parts: they follow it if all that they need comes too.
_OWN = {
    "ACL",
    "CHECK CONSTRAINT",
    "COMMENT",
    "CONSTRAINT",
    "DEFAULT",
    "FK CONSTRAINT",
    "INDEX",
    "INDEX ATTACH",
    "POLICY",
    "ROW SECURITY",
    "RULE",
    "SECURITY LABEL",
    "SEQUENCE",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
    "STATISTICS",
    "TABLE ATTACH",
    "TABLE DATA",
    "TRIGGER",
}
_TOLD = {"FK CONSTRAINT", "TRIGGER", "RULE", "POLICY", "TABLE ATTACH"}  # whose absence somebody would miss
_NAMED_AFTER_TABLE = {
    "CHECK CONSTRAINT",
    "CONSTRAINT",
    "DEFAULT",
    "FK CONSTRAINT",
    "POLICY",
    "ROW SECURITY",
    "RULE",
    "TRIGGER",
}
_NEVER_DRAWN_IN = {"TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """``entries`` in stream order, ``tables`` with rows to load, ``structure_only`` drawn in as parents, ``left_out`` for people."""

    entries: tuple[Entry, ...]
    tables: frozenset[tuple[str, str]]
    left_out: tuple[str, ...]


def wanted_names(texts: Sequence[str]) -> set[tuple[str, str]]:
    """Return the (schema, table) pairs that ``schema.table`` texts mean; raise ``TargetRefused``."""
    found = set()
    for text in texts:
        parts = unquoted(text)
        if len(parts) != 2:
            raise TargetRefused(
                "not the name of a table", expected='schema.table, or "schema"."table"', found=text[:200]
            )
        found.add((parts[0], parts[1]))
    return found


def select(stream: Iterable[Entry], texts: Sequence[str]) -> Selection:
    """Choose the definitions for the tables named by ``texts``; raise ``TargetRefused`` if one is not in the snapshot."""
    wanted = wanted_names(texts)
    everything = {entry.number: entry for entry in stream}
    tables = {
        entry.number for entry in everything.values() if entry.kind == "TABLE" and (entry.schema, entry.name) in wanted
    }
    missing = wanted - {(everything[number].schema, everything[number].name) for number in tables}
    if missing:
        names = [display_name(*pair) for pair in sorted(missing)]
        existing = [display_name(entry.schema, entry.name) for entry in everything.values() if entry.kind == "TABLE"]
        raise TargetRefused("the snapshot has no such table", found=", ".join(names), hint=nearest(names[0], existing))
    _add_partitions(everything, tables)
    chosen, told = _Chooser(everything, tables).choose()
    loaded = frozenset((everything[number].schema, everything[number].name) for number in tables)
    return Selection(
        entries=tuple(everything[number] for number in sorted(chosen)), tables=loaded, left_out=tuple(told)
    )


def _add_partitions(everything: dict[int, Entry], tables: set[int]) -> None:
    """A partitioned table means its partitions, at every depth."""
    by_parent: dict[int, list[int]] = {}
    for entry in everything.values():
        if entry.kind == "TABLE ATTACH":
            children = [number for number in entry.depends if _is_child(everything, entry, number)]
            for parent in entry.depends:
                if parent not in children:
                    by_parent.setdefault(parent, []).extend(children)
    waiting = list(tables)
    while waiting:
        for child in by_parent.get(waiting.pop(), ()):
            if child not in tables:
                tables.add(child)
                waiting.append(child)


def _is_child(everything: dict[int, Entry], attach: Entry, number: int) -> bool:
    entry = everything[number]
    return entry.kind == "TABLE" and (entry.schema, entry.name) == (attach.schema, attach.name)


class _Chooser:
    def __init__(self, everything: dict[int, Entry], tables: set[int]) -> None:
        self._all = everything
        self._tables = tables
        self._schemas = {entry.name: entry.number for entry in everything.values() if entry.kind == "SCHEMA"}
        self._sets: dict[tuple[str, str], list[int]] = {}
        for entry in everything.values():
            if entry.kind == "SEQUENCE SET":
                self._sets.setdefault((entry.schema, entry.name), []).append(entry.number)
        self._chosen: set[int] = set()
        self._told: list[str] = []

    def choose(self) -> tuple[set[int], list[str]]:
        for number in sorted(self._tables):
            self._draw_in(number)
        # In stream order: a part's own parts (a comment on an index) come after it.
        for entry in self._all.values():
            if (
                entry.kind in _OWN
                and entry.number not in self._chosen
                and any(number in self._chosen for number in entry.depends)
            ):
                self._follow(entry)
        for number in sorted(self._chosen):
            entry = self._all[number]
            if entry.kind == "SEQUENCE":
                self._chosen.update(self._sets.get((entry.schema, entry.name), ()))
        return self._chosen, self._told

    def _draw_in(self, number: int) -> None:
        """Choose an entry, all that it needs, and the schemas that they live in."""
        waiting = [number]
        while waiting:
            entry = self._all[waiting.pop()]
            if entry.number in self._chosen:
                continue
            self._chosen.add(entry.number)
            waiting.extend(entry.depends)
            if entry.schema in self._schemas:
                waiting.append(self._schemas[entry.schema])

    def _follow(self, entry: Entry) -> None:
        if not self._belongs(entry):
            return
        needed = self._needs(entry)
        blocked = [
            number
            for number in needed
            if self._all[number].kind in _NEVER_DRAWN_IN or self._all[number].section == sections.POST
        ]
        if blocked:
            if entry.kind in _TOLD:
                others = ", ".join(
                    sorted({self._all[number].label for number in blocked if self._all[number].kind in _NEVER_DRAWN_IN})
                )
                self._told.append(
                    f"{entry.label}: left out"
                    + (f", it needs {others}" if others else ", it needs what is not restored")
                )
            return
        self._draw_in(entry.number)

    def _belongs(self, entry: Entry) -> bool:
        """Whether it is a part of something chosen, and not of another table that shares a function or key with it."""
        chosen = [self._all[number] for number in entry.depends if number in self._chosen]
        if entry.kind in _NAMED_AFTER_TABLE:
            return any(
                one.kind == "TABLE" and one.schema == entry.schema and (entry.name + " ").startswith(one.name + " ")
                for one in chosen
            )
        return bool(chosen)

    def _needs(self, entry: Entry) -> set[int]:
        found: set[int] = set()
        waiting = [number for number in entry.depends if number not in self._chosen]
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                waiting.extend(other for other in self._all[number].depends if other not in self._chosen)
        return found

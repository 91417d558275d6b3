"""Which columns hold floats: servers before 12 print them differently, so a row digest must not take their text.

A plain ``real`` or ``double precision`` (or a domain of it) can be normalised by whoever digests the row. Floats inside arrays,
ranges, composites and geometric types cannot, short of parsing each type; such columns are only marked
(``nested_floats``), and a row digest that meets them is comparable between servers from 12 on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from drorch.sources.postgresql.session import Session

_SCALARS = {700: "float4", 701: "float8"}
_GEOMETRIC = {600, 601, 602, 603, 604, 628, 718}  # point lseg path box polygon line circle


@dataclass(kw_only=True)
class ColumnTypes:
    """What the types of some columns are made of: ``base`` for domains, ``parts`` for everything else."""

    base: dict[int, int] = field(default_factory=dict)
    parts: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def scalar(self, oid: int) -> str | None:
        """Return ``float4`` or ``float8`` if values of type ``oid`` are that."""
        while oid in self.base:
            oid = self.base[oid]
        return _SCALARS.get(oid)

    def has_float(self, oid: int) -> bool:
        """Whether a value of type ``oid`` holds a float anywhere."""
        seen: set[int] = set()
        waiting = [oid]
        while waiting:
            one = waiting.pop()
            if one in _SCALARS or one in _GEOMETRIC:
                return True
            if one not in seen:
                seen.add(one)
                waiting.extend(self.parts.get(one, ()))
                waiting.extend([self.base[one]] if one in self.base else [])
        return False


def column_types(session: Session, wanted: Iterable[int]) -> ColumnTypes:
    """Look the types up, and what they are made of, level by level."""
    found = ColumnTypes()
    known: set[int] = set()
    waiting = set(wanted)
    while waiting := waiting - known:
        known |= waiting
        below: set[int] = set()
        for oid, base, parts in _look_up(session, waiting):
            if base:
                found.base[oid] = base
            if parts:
                found.parts[oid] = parts
            below |= {base, *parts} - {0}
        waiting = below
    return found


def _look_up(session: Session, oids: set[int]) -> list[tuple[int, int, tuple[int, ...]]]:
    multirange = " or r.rngmultitypid = t.oid" if session.server_version >= 140_000 else ""
    rows = session.run(
        f"""select t.oid, t.typbasetype, case when t.typlen = -1 then t.typelem else 0 end,
          (select r.rngsubtype from pg_catalog.pg_range r where r.rngtypid = t.oid{multirange}),
          case when t.typtype = 'c' then (select pg_catalog.json_agg(a.atttypid::pg_catalog.int8) from pg_catalog.pg_attribute a
            where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) end
        from pg_catalog.pg_type t where t.oid = any ($1::pg_catalog.oid[])""",
        "{" + ",".join(map(str, sorted(oids))) + "}",
    )
    return [
        (
            int(oid or 0),
            int(base or 0),
            tuple(part for part in (int(element or 0), int(subtype or 0), *json.loads(members or "[]")) if part),
        )
        for oid, base, element, subtype, members in rows
    ]

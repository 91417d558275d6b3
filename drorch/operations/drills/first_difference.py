"""Which row differs: found by the buckets of the row digest, named by its key, never by what is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from drorch.errors import SourceError
from drorch.format.digests import RowSet
from drorch.format.row_buckets import differing_buckets, hashed_rows, rows_of
from drorch.sources.interface import Asks, Bytes, DatabaseProof, StreamSpec

_BUCKETS_LOOKED_AT = 4  # one changed row differs in two
_ROWS_KEPT = 100
_LONGEST_VALUE = 60

Pieces = Callable[[], Iterable[Bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoSides:
    """One table in the snapshot and in the restored database; each side can be read as often as is needed."""

    table: StreamSpec
    row_format: int
    canonical_columns: Mapping[int, str]
    rows_key: bytes
    expected: RowSet
    found: RowSet
    snapshot: Pieces
    restored: Pieces


def first_difference(sides: TwoSides, asks: Asks, proof: DatabaseProof) -> str:
    """Return what is different about one row: ``no row with id = 2741177``."""
    buckets = differing_buckets(sides.expected.buckets, sides.found.buckets)[:_BUCKETS_LOOKED_AT]
    if not buckets:
        return ""
    missing, more = _unmatched(sides, buckets)
    key = _Key.of(sides.table, asks, proof)
    if missing:
        return _about(key, missing[0], sides.restored, sides, is_missing=True)
    return _about(key, more[0], sides.snapshot, sides, is_missing=False) if more else ""


def _unmatched(sides: TwoSides, buckets: Sequence[int]) -> tuple[list[bytes], list[bytes]]:
    """Return some rows that only the snapshot has, and some that only the restored table has; hashes alone are kept of all."""
    waiting: Counter[bytes] = Counter(hashed for hashed, _ in _hashed(sides, sides.snapshot, buckets))
    more: list[bytes] = []
    for hashed, row in _hashed(sides, sides.restored, buckets):
        if waiting[hashed]:
            waiting[hashed] -= 1
        elif len(more) < _ROWS_KEPT:
            more.append(row)
    missing: list[bytes] = []
    for hashed, row in _hashed(sides, sides.snapshot, buckets):
        if waiting[hashed] and len(missing) < _ROWS_KEPT:
            waiting[hashed] -= 1
            missing.append(row)
    return missing, more


def _hashed(sides: TwoSides, pieces: Pieces, buckets: Sequence[int]) -> Iterator[tuple[bytes, bytes]]:
    return hashed_rows(pieces(), sides.row_format, sides.canonical_columns, sides.rows_key, buckets)


@dataclass(frozen=True, slots=True)
class _Key:
    """Where the key of a row is."""

    proof: DatabaseProof
    table: StreamSpec
    names: tuple[str, ...]
    places: tuple[int, ...]

    @classmethod
    def of(cls, table: StreamSpec, asks: Asks, proof: DatabaseProof) -> _Key:
        columns = proof.columns(table)
        try:
            names = proof.key_columns(asks, table)
        except SourceError:  # a table that is not there has no key either
            names = ()
        if any(name not in columns for name in names):
            names = ()
        return cls(proof, table, names, tuple(columns.index(name) for name in names))

    def values(self, row: bytes) -> tuple[str | None, ...]:
        values = self.proof.texts(self.table, row)
        return tuple(values[place] if place < len(values) else None for place in self.places)

    def shown(self, row: bytes) -> str:
        pairs = zip(self.names, self.values(row), strict=True)
        return ", ".join(f"{name} = {_short(value)}" for name, value in pairs)


def _about(key: _Key, row: bytes, other_side: Pieces, sides: TwoSides, *, is_missing: bool) -> str:
    if not key.names:
        side = "a row of the snapshot is not there" if is_missing else "a row is there that the snapshot has not"
        return f"{side}; the table has no primary key to name it by"
    wanted = key.values(row)
    for rows in rows_of(other_side(), sides.row_format):
        for candidate in rows:
            if key.values(candidate) == wanted:
                return f"the row with {key.shown(row)} is another one: {_columns(key, row, candidate)}"
    return f"{'no row' if is_missing else 'one row too many,'} with {key.shown(row)}"


def _columns(key: _Key, one: bytes, other: bytes) -> str:
    names = key.proof.columns(key.table)
    left, right = key.proof.texts(key.table, one), key.proof.texts(key.table, other)
    differing = [name for name, a, b in zip(names, left, right, strict=False) if a != b]
    return f"column{'' if len(differing) == 1 else 's'} {', '.join(differing[:5]) or 'unknown'}"


def _short(value: str | None) -> str:
    if value is None:
        return "NULL"
    text = "".join(one if one.isprintable() else "?" for one in value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."

"""Does every table hold the rows that it held at the backup? By the digests taken then, of what is read back now.

A table that was loaded by one session lies in the order in which it was captured, so the digest of its bytes decides at the cost of
one BLAKE3. Only where that differs are rows digested, for then their order may be all that differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

from drorch.evidence.drill_checks import Check, CheckResult, Compared, Difference, Outcome
from drorch.format.digests import RowSet, StreamCounts, StreamDigest
from drorch.format.entries import ROW_FORMAT_NONE, Entry
from drorch.operations.drills.checking import of_differences, worst
from drorch.operations.drills.first_difference import TwoSides, first_difference
from drorch.operations.drills.stored_tables import TABLES, Backup, StoredTable, row_set, stored_tables, table_name
from drorch.operations.drills.traps import SAMPLED_BYTES, TrapsSeen
from drorch.quantities import counted
from drorch.sources.interface import Bytes, Capture, DatabaseProof, StreamKind, StreamSpec

TITLE = "content equals the snapshot"
_OLDEST_ALIKE = 12  # servers before print floats inside of arrays and composites otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The restored database, captured, and the snapshot that it must equal. ``only`` names tables when not all were restored.

    ``reference`` opens a capture of the snapshot's definitions as the sandbox's server prints them, where that can be had.
    """

    backup: Backup
    rows_key: bytes
    facts: Mapping[str, object]
    capture: Capture
    proof: DatabaseProof
    traps: TrapsSeen
    only: tuple[str, ...] = ()
    reference: Callable[[], AbstractContextManager[Capture | None]] = nullcontext


def compare_content(restored: Restored) -> CheckResult:
    """Compare every table of the snapshot, and look for tables with rows that it does not have."""
    stored = stored_tables(restored.backup)
    if restored.only:
        stored = {name: one for name, one in stored.items() if name in restored.only}
    there = _captured(restored.capture)
    jobs = max(1, restored.capture.parallel)
    by_size = sorted(
        stored.values(), key=lambda one: one.size_bytes, reverse=True
    )  # nobody waits for a large one at the end
    with ThreadPoolExecutor(jobs, thread_name_prefix="compare") as pool:
        found = dict(
            zip((one.name for one in by_size), pool.map(partial(_compare, restored, there), by_size), strict=True)
        )
    compared = [found[name] for name in stored]
    compared += [] if restored.only else list(_tables_more(restored, stored, there))
    return _result(stored, compared)


def _result(stored: Mapping[str, StoredTable], compared: Sequence[tuple[Compared, Difference | None]]) -> CheckResult:
    tables = {name for name, one in stored.items() if one.whole.kind == StreamKind.TABLE.value}
    large = len(stored) > len(tables)  # large objects are no table, though they are compared like one
    good = {one.name for one, _ in compared if one.outcome is Outcome.OK}
    outcome = worst(one.outcome for one, _ in compared)
    differences = [difference for _, difference in compared if difference is not None]
    shown, told = of_differences(differences)
    rows = sum(table.rows for table in stored.values())
    size = sum(table.size_bytes for table in stored.values())
    if not stored:
        outcome, told = Outcome.INCONCLUSIVE, ("the snapshot has no table: nothing was compared",)
    elif not rows and outcome is Outcome.OK:
        outcome, told = Outcome.FINDING, ("every table was empty at the backup: no row proves anything",)
    return CheckResult(
        check=Check.CONTENT,
        title=TITLE,
        outcome=outcome,
        expected=f"{counted(len(tables), 'table')}{' and the large objects' if large else ''} with {counted(rows, 'row')}, {size:,} bytes, as at the backup",
        found=f"{len(good & tables):,} as at the backup{', the large objects too' if good - tables else ''}",
        note=f"{len(good & tables):,} of {len(tables):,} table{'' if len(tables) == 1 else 's'}{', large objects' if good - tables else ''}",
        differences=shown,
        compared=tuple(one for one, _ in compared),
        told=told,
    )


def _captured(capture: Capture) -> dict[str, list[StreamSpec]]:
    found: dict[str, list[StreamSpec]] = {}
    for spec in capture.streams():
        if spec.kind.value in TABLES:
            found.setdefault(table_name(spec.name), []).append(spec)
    return found


def _compare(
    restored: Restored, there: Mapping[str, list[StreamSpec]], table: StoredTable
) -> tuple[Compared, Difference | None]:
    specs = there.get(table.name)
    expected = _told(table.rows, table.whole.bytes_digest.hex() if table.parts == 1 else "")
    if specs is None:
        return _differs(table.name, expected, "no such table")
    if table.parts == 1 and len(specs) == 1:
        counts = _digest(restored, specs[0], None, with_rows=False)
        if counts.bytes_digest == table.whole.bytes_digest:
            return Compared(name=table.name, outcome=Outcome.OK, expected=expected, found=expected), None
    return _compare_rows(restored, table, specs, expected)


def _compare_rows(
    restored: Restored, table: StoredTable, specs: Sequence[StreamSpec], expected: str
) -> tuple[Compared, Difference | None]:
    """Compare whatever the order of the rows."""
    wanted = row_set(restored.backup, table.name)
    key = restored.rows_key if wanted is not None else None
    counts = [_digest(restored, spec, key, with_rows=True, like=table.whole) for spec in specs]
    rows = sum(one.rows or 0 for one in counts)
    if wanted is None:
        told = _told(rows, counts[0].bytes_digest.hex() if len(counts) == 1 else "")
        outcome = Outcome.FAIL if rows != table.rows else Outcome.INCONCLUSIVE
        return _differs(table.name, expected, told, "no digest of rows was taken at the backup", outcome)
    found = RowSet.merge(counts)
    expected = _told(wanted.rows, _row_digest(wanted))
    told = _told(found.rows, _row_digest(found))
    if found == wanted:
        return Compared(name=table.name, outcome=Outcome.OK, expected=expected, found=told), None
    if _may_be_printed_otherwise(restored, table):
        why = "a server before 12 prints floats inside of arrays otherwise"
        return _differs(table.name, expected, told, why, Outcome.INCONCLUSIVE)
    return _differs(table.name, expected, told, _first(restored, table, specs, wanted, found))


def _first(restored: Restored, table: StoredTable, specs: Sequence[StreamSpec], wanted: RowSet, found: RowSet) -> str:
    sides = TwoSides(
        table=specs[0],
        row_format=table.whole.row_format,
        canonical_columns=table.whole.canonical_columns,
        rows_key=restored.rows_key,
        expected=wanted,
        found=found,
        snapshot=lambda: _stored_rows(restored.backup, table.name),
        restored=lambda: _restored_rows(restored.capture, specs),
    )
    return first_difference(sides, restored.capture, restored.proof)


def _stored_rows(backup: Backup, table: str) -> Iterable[Bytes]:
    for entry in backup.entries():
        if entry.kind in TABLES and table_name(entry.name) == table:
            yield from backup.stream(entry)


def _restored_rows(capture: Capture, specs: Sequence[StreamSpec]) -> Iterable[Bytes]:
    for spec in specs:
        with capture.open(spec) as pieces:
            yield from pieces


def _digest(
    restored: Restored, spec: StreamSpec, rows_key: bytes | None, *, with_rows: bool, like: Entry | None = None
) -> StreamCounts:
    form = spec.row_format.value if with_rows else ROW_FORMAT_NONE
    columns = like.canonical_columns if like is not None else {}
    digest = StreamDigest(form, columns, rows_key)
    head = bytearray()
    with restored.capture.open(spec) as pieces:
        for piece in pieces:
            digest.feed(piece)
            if len(head) < SAMPLED_BYTES:
                head += piece[: SAMPLED_BYTES - len(head)]
    if not with_rows:
        restored.traps.look(spec, bytes(head))
    return digest.finish()


def _tables_more(
    restored: Restored, stored: Mapping[str, StoredTable], there: Mapping[str, list[StreamSpec]]
) -> Iterable[tuple[Compared, Difference | None]]:
    """Yield tables with rows that the snapshot has none of; those left out at the backup came back empty."""
    for name in sorted(there.keys() - stored.keys()):
        rows = sum(_digest(restored, spec, None, with_rows=True).rows or 0 for spec in there[name])
        if rows:
            yield _differs(name, "no rows in the snapshot", _told(rows, ""))


def _may_be_printed_otherwise(restored: Restored, table: StoredTable) -> bool:
    major = str(restored.facts.get("server_version", "")).partition(".")[0]
    return (
        bool(table.whole.attributes.get("nested_floats"))
        and restored.facts.get("engine") == "postgresql"
        and major.isdigit()
        and int(major) < _OLDEST_ALIKE
    )


def _differs(
    name: str, expected: str, found: str, first: str = "", outcome: Outcome = Outcome.FAIL
) -> tuple[Compared, Difference | None]:
    difference = Difference(name=name, expected=_short(expected), found=_short(found), first=first)
    return Compared(name=name, outcome=outcome, expected=expected, found=found), difference


def _told(rows: int, digest: str) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}" + (f", digest {digest}" if digest else "")


def _short(told: str) -> str:
    """Return the text with its digest as people compare it: ``9c41..e7``; the whole one is in the statement."""
    before, word, digest = told.partition("digest ")
    return f"{before}digest {digest[:4]}..{digest[-2:]}" if word else told


def _row_digest(rows: RowSet) -> str:
    counts = StreamDigest(ROW_FORMAT_NONE, {}, None)
    counts.feed(rows.buckets)
    return counts.finish().bytes_digest.hex()

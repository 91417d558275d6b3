"""``drorch snapshots``: list what can be restored; ``show`` tells one snapshot's public facts."""

from __future__ import annotations

from collections.abc import Iterable

import click

from drorch.catalog.interface import CopyState, SnapshotRecord
from drorch.cli.addresses import complete_source
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import Output, local_time, table, utc_time
from drorch.cli.repositories import Where, repository, store_options
from drorch.operations.listing import list_repository
from drorch.quantities import format_size
from drorch.wiring import Wiring


@click.command(epilog="Example: drorch snapshots lamdong-land --limit 10")
@click.argument("source", required=False, metavar="[POLICY[/NAME]]", shell_complete=complete_source)
@click.option("--limit", type=click.IntRange(1), default=40, show_default=True, help="At most so many, newest first.")
@store_options
@common_options
def command(source: str | None, limit: int, where: Where, invocation: Invocation) -> int:
    """List what can be restored, newest first.

    The list comes from the catalog; with --store it is read from the bucket itself, without catalog or private key.
    """
    with invocation.wiring(invocation.settings_or_bare()) as wiring:
        rows = _from_store(wiring, where, source, invocation) if where.store else _from_catalog(wiring, source, limit)
        zone = str(wiring.settings.time_zone)
    shown = rows[:limit]
    if invocation.output.as_json:
        invocation.output.document("drorch.snapshots/1", {"ok": True, "snapshots": [_document(*row) for row in shown]})
    elif shown:
        invocation.output.lines(_lines(shown, zone))
    else:
        _tell_none(invocation.output, source)
    return 0


def _from_catalog(wiring: Wiring, source: str | None, limit: int) -> list[tuple[SnapshotRecord, tuple[str, ...]]]:
    catalog = wiring.catalog()
    found = catalog.snapshots(source=source, limit=limit) or catalog.snapshots(policy=source, limit=limit)
    copies: dict[str, list[str]] = {}
    for copy in catalog.copies():
        if copy.state is CopyState.COMPLETE:
            copies.setdefault(copy.snapshot, []).append(copy.store)
    return [(record, tuple(copies.get(record.snapshot, ()))) for record in found]


def _from_store(
    wiring: Wiring, where: Where, source: str | None, invocation: Invocation
) -> list[tuple[SnapshotRecord, tuple[str, ...]]]:
    listing = list_repository(repository(wiring, where, invocation.output))
    for problem in listing.problems:
        invocation.output.message(f"note  {problem.store}: {problem.error.message}")
    wanted = (one for one in listing.snapshots if source in (None, one.record.source, one.record.policy))
    newest_first = sorted(wanted, key=lambda one: (one.record.restore_point, one.record.snapshot), reverse=True)
    return [(one.record, one.stores) for one in newest_first]


def _lines(rows: Iterable[tuple[SnapshotRecord, tuple[str, ...]]], zone: str) -> list[str]:
    cells = [("SNAPSHOT", "SOURCE", "RESTORE POINT", "TABLES", "READ", "STORES")]
    for record, stores in rows:
        moment = local_time(record.restore_point, zone)[:16]
        state = "" if record.result.value == "complete" else " (partial)"
        cells.append(
            (
                record.snapshot[:8],
                record.source + state,
                moment,
                f"{record.tables:,}",
                format_size(record.bytes_read),
                ", ".join(stores) or "none",
            )
        )
    return table(cells, right=frozenset({3, 4}))


def _document(record: SnapshotRecord, stores: tuple[str, ...]) -> dict[str, object]:
    return {
        "snapshot": record.snapshot,
        "source": record.source,
        "policy": record.policy,
        "engine": record.engine,
        "restore_point": utc_time(record.restore_point),
        "result": record.result.value,
        "lane": record.lane,
        "sequence": record.sequence,
        "tables": record.tables,
        "rows": record.rows,
        "bytes_read": record.bytes_read,
        "bytes_stored": record.bytes_stored,
        "stores": list(stores),
    }


def _tell_none(output: Output, source: str | None) -> None:
    of = f" of {source}" if source else ""
    output.lines([f"There is no snapshot{of} yet. `drorch backup POLICY` makes one."])

"""``drorch snapshots``: list what can be restored; ``show`` tells all that is known of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import click

from drorch.catalog.interface import CopyState, SnapshotRecord
from drorch.cli.addresses import complete_snapshot, complete_source
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import Output, labelled, local_time, printable, table, utc_time, wrapped
from drorch.cli.private_keys import key_options, read_recipient
from drorch.cli.repositories import Where, known_lanes, repository, store_options
from drorch.errors import PARTIAL
from drorch.operations import held as holding
from drorch.operations import show as showing
from drorch.operations.choose import choose
from drorch.operations.held import HeldReport
from drorch.operations.listing import list_repository
from drorch.operations.show import Inside, Part
from drorch.quantities import counted, format_size
from drorch.repository.listing import ListedSnapshot
from drorch.repository.reader import SnapshotReader
from drorch.wiring import Wiring, nothing_named

SHOWN_FACTS = ("engine", "server_version", "library_version", "encoding", "size_bytes")
FETCH_THREADS = 2


class _ListUnlessTold(click.Group):
    """``drorch snapshots [POLICY]`` is ``drorch snapshots list [POLICY]``."""

    default_command = "list"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See ``click.Group``."""
        if not args or (args[0] not in self.commands and args[0] not in ("--help", "-h")):
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ListUnlessTold, epilog="Example: drorch snapshots lamdong-land")
def command() -> None:
    """List what can be restored, or show what is in one snapshot.

    `drorch snapshots [POLICY]` is short for `drorch snapshots list [POLICY]`.
    """


@command.command(
    "list", epilog="Example: drorch snapshots list lamdong-land --limit 10", short_help="List snapshots, newest first."
)
@click.argument("source", required=False, metavar="[POLICY[/NAME]]", shell_complete=complete_source)
@click.option("--limit", type=click.IntRange(1), default=40, show_default=True, help="At most so many, newest first.")
@store_options
@common_options
def list_snapshots(source: str | None, limit: int, where: Where, invocation: Invocation) -> int:
    """List what can be restored, newest first.

    The list comes from the catalog; with --store it is read from the bucket itself, without catalog or private key.
    """
    settings = invocation.settings_or_bare()
    if settings.file is None and where.store is None:
        raise nothing_named()
    with invocation.wiring(settings) as wiring:
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


@command.command(
    epilog="Example: drorch snapshots show latest:lamdong-land --key custodians.key",
    short_help="Show one snapshot: where it is and, with a key, its tables or paths.",
)
@click.argument("snapshot", metavar="SNAPSHOT|latest:POLICY[/NAME]", shell_complete=complete_snapshot)
@click.option(
    "--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most so many tables or paths."
)
@key_options
@store_options
@common_options
def show(
    snapshot: str,
    limit: int,
    key_path: Path | None,
    passphrase_file: Path | None,
    where: Where,
    invocation: Invocation,
) -> int:
    """Show what is known of one snapshot: when it was taken, what it needs and where it lies.

    With --key also what only recipients may read: its tables or paths with rows and sizes. It is read from the
    stores, and works on a bare machine with --store.
    """
    with invocation.wiring(invocation.settings_or_bare()) as wiring:
        opened = repository(wiring, where, invocation.output)
        known = known_lanes(wiring, snapshot)
        chosen = choose(opened, snapshot, lanes=known.wanted, lanes_of_others=known.of_others)
        inside = None
        if key_path is not None:
            recipient = read_recipient(key_path, passphrase_file)
            with closing(
                SnapshotReader(opened, chosen.link, [recipient], threads=FETCH_THREADS, stores=chosen.stores)
            ) as reader:
                inside = showing.run(reader, paths=wiring.paths_of, limit=limit)
        zone = str(wiring.settings.time_zone)
    if invocation.output.as_json:
        invocation.output.document("drorch.snapshot/1", {"ok": True, **_described(chosen, inside)})
    else:
        invocation.output.lines(_told(chosen, inside, zone))
    return 0


@command.command(epilog="Example: drorch snapshots held", short_help="List what is pinned or held, and why.")
@common_options
def held(invocation: Invocation) -> int:
    """List what is pinned or held, by whose word, and until when.

    It is read from the signed lists in the stores, not from the catalog. Exit 3 when a store could not be asked.
    """
    with invocation.wiring(invocation.settings()) as wiring:
        report = holding.run(wiring.repository(), now=wiring.clock.now())
        zone = str(wiring.settings.time_zone)
    if invocation.output.as_json:
        invocation.output.document("drorch.snapshots-held/1", _held_document(report))
    else:
        invocation.output.lines(_held_lines(report, zone))
    return PARTIAL if report.failures else 0


def _held_lines(report: HeldReport, zone: str) -> Iterator[str]:
    for one in report.held:
        until = f" until {local_time(one.word.until, zone)[:16]}" if one.word.until else ""
        of = f" of {one.source}" if one.source else ""
        why = f": {one.word.reason}" if one.word.reason else ""
        text = f"{one.run.short}{of}  {one.word.kind.words}{until} in {', '.join(one.stores)}{why}"
        yield from wrapped(printable(text), 10)
    if not report.held:
        yield "nothing is pinned or held"
    for store, error in report.failures.items():
        yield from wrapped(printable(f"  FAIL  {store}: {error.message}"), 8)


def _held_document(report: HeldReport) -> dict[str, object]:
    return {
        "ok": not report.failures,
        "held": [
            {
                "snapshot": str(one.run),
                "source": one.source,
                "restore_point": None if one.restore_point is None else utc_time(one.restore_point),
                "kind": one.word.kind.name.lower(),
                "reason": one.word.reason,
                "until": None if one.word.until is None else utc_time(one.word.until),
                "stores": list(one.stores),
            }
            for one in report.held
        ],
        "failures": [
            {"store": store, "error": error.slug, "message": error.message} for store, error in report.failures.items()
        ],
    }


def _packs(chosen: ListedSnapshot) -> int:
    return sum(need.count for need in chosen.link.manifest.needs)


def _told(chosen: ListedSnapshot, inside: Inside | None, zone: str) -> Iterator[str]:
    manifest = chosen.link.manifest
    things = "files" if manifest.engine == showing.FILES else "tables"
    rows = "" if manifest.engine == showing.FILES else f", {counted(manifest.rows, 'row')}"
    policy = manifest.source.partition("/")[0]
    moment = local_time(manifest.restore_point, zone)
    facts = [
        ("snapshot", str(manifest.run)),
        ("source", manifest.source + (f" ({manifest.engine})" if manifest.engine else "")),
        ("restore point", f"{moment}; taken until {local_time(manifest.ended, zone)}"),
        ("result", manifest.result.name.lower()),
        ("read", f"{format_size(manifest.bytes_read)} in {manifest.tables:,} {things}{rows}"),
        ("stored", f"{format_size(manifest.bytes_stored)} were new; it needs {counted(_packs(chosen), 'pack')}"),
        ("stores", ", ".join(chosen.stores)),
        ("lane", f"{chosen.link.lane}, number {manifest.sequence}"),
        ("policy", f"{str(manifest.policy_digest)[:16]}... (drorch policy show {policy} --at TIME)"),
    ]
    for label, text in facts:
        yield from labelled(label, printable(text), column=18)
    if inside is None:
        yield ""
        yield from wrapped(f"The names of its {things} are sealed: --key FILE shows them.", 0)
        return
    for label, text in _shown_facts(inside.facts):
        yield from labelled(label, printable(text), column=18)
    yield ""
    cells = [("NAME", "ROWS", "SIZE"), *(_cells(part) for part in inside.parts)]
    yield from table(cells, right=frozenset({1, 2}))
    if inside.left_out:
        yield f"and {inside.left_out:,} more; --limit shows them"


def _shown_facts(facts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name in SHOWN_FACTS:
        if isinstance(value := facts.get(name), str):
            yield name.replace("_", " "), value


def _cells(part: Part) -> tuple[str, str, str]:
    kind = "" if part.kind in ("table", "file") else f"  ({part.kind})"
    return printable(part.name) + kind, "" if part.rows is None else f"{part.rows:,}", format_size(part.size_bytes)


def _described(chosen: ListedSnapshot, inside: Inside | None) -> dict[str, object]:
    manifest = chosen.link.manifest
    return {
        "snapshot": str(manifest.run),
        "source": manifest.source,
        "policy": manifest.source.partition("/")[0],
        "policy_sha256": str(manifest.policy_digest),
        "engine": manifest.engine or "",
        "restore_point": utc_time(manifest.restore_point),
        "started_at": utc_time(manifest.started),
        "ended_at": utc_time(manifest.ended),
        "result": manifest.result.name.lower(),
        "lane": str(chosen.link.lane),
        "sequence": manifest.sequence,
        "tables": manifest.tables,
        "rows": manifest.rows,
        "bytes_read": manifest.bytes_read,
        "bytes_stored": manifest.bytes_stored,
        "packs": _packs(chosen),
        "stores": list(chosen.stores),
        "opened": inside is not None,
        "facts": {} if inside is None else dict(inside.facts),
        "parts": []
        if inside is None
        else [
            {"name": part.name, "kind": part.kind, "rows": part.rows, "size_bytes": part.size_bytes}
            for part in inside.parts
        ],
        "parts_left_out": 0 if inside is None else inside.left_out,
    }


def _from_catalog(wiring: Wiring, source: str | None, limit: int) -> list[tuple[SnapshotRecord, tuple[str, ...]]]:
    """Return what the catalog lists, without what a prune gave up everywhere."""
    catalog = wiring.catalog()
    copies: dict[str, list[str]] = {}
    states: set[tuple[str, CopyState]] = set()
    for copy in catalog.copies():
        states.add((copy.snapshot, copy.state))
        stores = copies.setdefault(copy.snapshot, [])
        if copy.state is CopyState.COMPLETE:
            stores.append(copy.store)
    given_up = {snapshot for snapshot, state in states if state is CopyState.ABSENT}
    given_up -= {snapshot for snapshot, state in states if state is not CopyState.ABSENT}
    most = limit + len(given_up)
    found = catalog.snapshots(source=source, limit=most) or catalog.snapshots(policy=source, limit=most)
    return [(one, tuple(copies.get(one.snapshot, ()))) for one in found if one.snapshot not in given_up]


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

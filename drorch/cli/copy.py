"""``drorch copy``: bring a store up that was away, so that every snapshot is where the policies promise it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import click

from drorch import __version__
from drorch.cli.addresses import complete_store
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import wrapped
from drorch.cli.progress import Silent, observer, summed
from drorch.errors import PARTIAL, SecretUnavailable
from drorch.format.signing import SigningKey
from drorch.operations import copy
from drorch.operations.initialise import help_objects
from drorch.operations.spool import ShipReport, is_empty, ship
from drorch.quantities import counted, format_size
from drorch.repository.copy_report import CopyReport
from drorch.wiring import Wiring, claim_lives, help_files


@click.command(epilog="Example: drorch copy --to dalat")
@click.option(
    "--to", "target", required=True, metavar="STORE", shell_complete=complete_store, help="The store to fill."
)
@click.option("--from", "source", metavar="STORE", shell_complete=complete_store, help="Read only from this store.")
@click.option("--new", "is_new", is_flag=True, help="The store is new and empty: make it a copy of the others.")
@click.option("--repair", is_flag=True, help="Read all that STORE has, and put anew what is gone or altered.")
@common_options
def command(target: str, source: str | None, is_new: bool, repair: bool, invocation: Invocation) -> int:
    """Copy to a store what it missed while it was away; the next backup then uses it again.

    Needs no private key: objects are copied as they are, each is checked first, and nothing is overwritten. It may be
    killed and run again. With --repair also what it has is looked at: damage is mended from the other stores. Exit 3 when something could not be copied; it is named. The credentials are those of drorch.yaml:
    they must be able to list and read everywhere and to write to STORE.
    """
    settings = invocation.settings()
    settings.require_role("maintenance", "copy between stores")
    with invocation.wiring(settings) as wiring:
        for name in (target, source):
            if name is not None:
                settings.require_store(name)
        bars = observer(invocation.output, "copied")
        with bars or nullcontext(Silent()) as watching:
            progress = summed(watching, "copied", unit="bytes")
            repository, shipped = wiring.repository(), _shipped(wiring, target, progress)
            is_alone = shipped is not None and len(repository.replicas) == 1
            report = (
                CopyReport.of_nothing()
                if is_alone
                else copy.run(
                    repository,
                    copy.CopyRequest(
                        to=target,
                        source=source,
                        new=wiring.replica(target) if is_new else None,
                        repair=repair,
                        help_objects=help_objects(help_files(), __version__),
                    ),
                    wiring.catalog(),
                    clock=wiring.clock,
                    progress=progress,
                    key=_maintenance_key(wiring),
                )
            )
        if shipped is not None:
            report = report.plus(shipped.copied)
    if invocation.output.as_json:
        invocation.output.document("drorch.copy/1", _document(target, report, shipped))
    elif report.problems or not invocation.output.quiet:
        invocation.output.lines(_lines(target, report, repair=repair))
        invocation.output.lines(_spool_lines(shipped))
    return PARTIAL if report.problems else 0


def _shipped(wiring: Wiring, target: str, progress: Callable[[int], None]) -> ShipReport | None:
    """Ship what waits in the spool to the store called ``target``; ``None`` when nothing waits, or it does not answer."""
    spool, repository = wiring.spool(), wiring.repository()
    place = next((one for one in repository.replicas if one.name == target), None)
    if spool is None or place is None or is_empty(spool):
        return None
    catalog, lives = wiring.catalog(), claim_lives()
    return ship(
        spool,
        place,
        repository,
        catalog,
        clock=wiring.clock,
        progress=progress,
        is_idle=lambda: not any(lives(claim) for claim in catalog.claims()),
    )


def _maintenance_key(wiring: Wiring) -> SigningKey | None:
    """Return the key that says in the store which snapshots were given up; a copy goes without it, too."""
    try:
        return wiring.maintenance_key()
    except SecretUnavailable:
        return None


def _lines(target: str, report: CopyReport, *, repair: bool) -> Iterator[str]:
    whole = sum(one.is_whole for one in report.snapshots)
    if repair:
        word = "PARTIAL" if report.problems else "OK"
        put = (
            f"{counted(report.objects, 'object')} put anew, {format_size(report.bytes)}"
            if report.objects
            else "all was good"
        )
        yield from wrapped(f"{word}  {target} was read through: {put}; whole there: {counted(whole, 'snapshot')}", 4)
    elif not report.snapshots and not report.problems and not report.ledger_segments:
        yield f"OK  {target} has every snapshot that it can have; nothing was copied"
    else:
        word = "PARTIAL" if report.problems else "OK"
        count = counted(whole, "snapshot")
        yield f"{word}  {count} copied to {target}: {format_size(report.bytes)} in {counted(report.objects, 'object')}"
    if report.ledger_segments:
        count = counted(report.ledger_segments, "segment")
        yield f"  ok    {count} of the ledger, with what its entries name"
    for one in report.snapshots:
        if not one.is_whole:
            yield from wrapped(f"  FAIL  {one.link.manifest.run.short} of {one.link.manifest.source} is not whole", 8)
    for problem in report.problems:
        what = problem.name or f"lane {str(problem.lane)[:12]}..."
        yield from wrapped(f"  FAIL  {what}: {problem.error.message}", 8)
        if problem.error.hint:
            yield from wrapped(f"        {problem.error.hint}", 8)
    for link in report.swept:
        text = (
            f"{link.manifest.run.short} of {link.manifest.source} stays in the other stores: a prune of {target}"
            " took packs that it needs; the next backup stores them there anew"
        )
        yield from wrapped(f"  note  {text}", 8)
    for link in report.voided:
        text = (
            f"{link.manifest.run.short} of {link.manifest.source} stays in the other stores: {target} counts it as void"
        )
        yield from wrapped(f"  note  {text}", 8)


def _spool_lines(shipped: ShipReport | None) -> Iterator[str]:
    if shipped is not None and shipped.freed_bytes is None:
        yield "  note  the spool keeps what it has: not all arrived, or a backup is under way"
    elif shipped is not None and shipped.freed_bytes is not None:
        yield f"  note  the spool is empty again, {format_size(shipped.freed_bytes)} are free"


def _document(target: str, report: CopyReport, shipped: ShipReport | None) -> dict[str, object]:
    return {
        "ok": not report.problems,
        "to": target,
        "snapshots": [
            {
                "snapshot": str(one.link.manifest.run),
                "source": one.link.manifest.source,
                "state": "complete" if one.is_whole else "damaged",
            }
            for one in report.snapshots
        ],
        "voided": [str(link.manifest.run) for link in report.voided],
        "swept": [str(link.manifest.run) for link in report.swept],
        "spool_freed_bytes": None if shipped is None else shipped.freed_bytes,
        "ledger_segments": report.ledger_segments,
        "objects": report.objects,
        "bytes": report.bytes,
        "problems": [
            {
                "lane": str(problem.lane),
                "object": problem.name,
                "error": problem.error.slug,
                "message": problem.error.message,
            }
            for problem in report.problems
        ],
    }

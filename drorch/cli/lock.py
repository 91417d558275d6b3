"""``drorch lock``: the locks by which a bucket keeps objects from being deleted."""

from __future__ import annotations

from collections.abc import Iterator

import click

from drorch.cli.addresses import complete_store
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import local_time, printable, utc_time, wrapped
from drorch.errors import PARTIAL
from drorch.operations import extend_locks, observing
from drorch.operations.extend_locks import LockReport, StoreLocks
from drorch.quantities import format_promise


@click.group(epilog="Example: drorch lock extend --plan")
def command() -> None:
    """Keep the locks of what is needed long enough (`object_lock` of a store)."""


@command.command(epilog="Example: drorch lock extend")
@click.option("--plan", "plan_only", is_flag=True, help="Say what is due; change nothing.")
@click.option(
    "--store", "stores", multiple=True, metavar="STORE", shell_complete=complete_store, help="Only in this store."
)
@click.option("--ask", "asks", is_flag=True, help="Ask the store of every object: once after object_lock was written.")
@common_options
def extend(plan_only: bool, stores: tuple[str, ...], asks: bool, invocation: Invocation) -> int:
    """Extend locks that would end too early.

    It adds 60 days at once: run it daily, most days there is nothing to do.

    Needs no private key, but the role `maintenance`, the maintenance key and a credential that may set retention. Dates are the store's; a store
    whose clock is over an hour off is left alone. What a prune has let go is not extended. Exit 3 when a store or source was left out; it is named.
    """
    settings = invocation.settings()
    settings.require_role("maintenance", "extend locks")
    for name in stores:
        settings.require_store(name)
    with invocation.wiring(settings) as wiring:
        key = None if plan_only else wiring.maintenance_key()
        report = extend_locks.run(wiring.repository(), key=key, clock=wiring.clock, stores=stores or None, asks=asks)
        if not plan_only:
            observing.note_locks(wiring.catalog(), report, asked=asks, now=wiring.clock.now())
    output = invocation.output
    if output.as_json:
        output.document("drorch.lock-extend/1", _document(report, planned=plan_only))
    elif plan_only or report.problems or not output.quiet:
        output.lines(_lines(report, str(settings.time_zone), planned=plan_only))
    return PARTIAL if report.problems else 0


def _lines(report: LockReport, zone: str, *, planned: bool) -> Iterator[str]:
    objects = sum(one.objects for one in report.stores)
    word = "PLAN" if planned else "PARTIAL" if report.problems else "OK"
    verb = "would be extended" if planned else "extended"
    yield f"{word}  {_locks(objects)} {verb}" if objects else f"{word}  no lock is due"
    for one in report.stores:
        yield from wrapped(f"  ok    {_store_words(one, zone)}", 8)
    for name in report.without:
        yield f"  note  {name} locks nothing"
    for problem in report.problems:
        where = problem.store if problem.lane is None else f"{problem.store}, lane {str(problem.lane)[:12]}..."
        yield from wrapped(printable(f"  FAIL  {where}: {problem.error.message}"), 8)
        if problem.error.hint:
            yield from wrapped(f"        {problem.error.hint}", 8)


def _store_words(one: StoreLocks, zone: str) -> str:
    promised = f"{one.store} promises {format_promise(one.promised_seconds)}"
    if not one.objects or one.until is None:
        return f"{promised}; every lock is long enough"
    return f"{promised}; {_locks(one.objects)} until {local_time(one.until, zone)[:10]}"


def _locks(count: int) -> str:
    return "1 lock" if count == 1 else f"{count:,} locks"


def _document(report: LockReport, *, planned: bool) -> dict[str, object]:
    return {
        "ok": not report.problems,
        "planned": planned,
        "stores": [
            {
                "store": one.store,
                "promised_s": one.promised_seconds,
                "objects": one.objects,
                "lanes": one.lanes,
                "until": None if one.until is None else utc_time(one.until),
            }
            for one in report.stores
        ],
        "without": list(report.without),
        "problems": [
            {
                "store": one.store,
                "lane": "" if one.lane is None else str(one.lane),
                "error": one.error.slug,
                "message": one.error.message,
            }
            for one in report.problems
        ],
    }

"""What ``drorch pin`` and ``drorch hold`` have in common."""

from __future__ import annotations

from collections.abc import Iterator

from drorch.cli.invocation import Invocation
from drorch.cli.output import local_time, printable, utc_time, wrapped
from drorch.cli.times import parse_time
from drorch.errors import PARTIAL
from drorch.format.retire_list import HoldKind
from drorch.operations import hold
from drorch.operations.hold import HoldReport, HoldRequest


def say(kind: HoldKind, wanted: str, *, reason: str, until: str | None, release: bool, invocation: Invocation) -> int:
    """Put the word into every store, and tell where it is."""
    settings = invocation.settings()
    settings.require_role("maintenance", f"say that a snapshot is {kind.words}")
    request = HoldRequest(
        wanted=wanted,
        kind=kind,
        stands=not release,
        reason=reason,
        until=None if until is None else parse_time(until, settings.time_zone, end_of_day=True),
    )
    with invocation.wiring(settings) as wiring:
        report = hold.run(wiring.repository(), request, key=wiring.maintenance_key(), clock=wiring.clock)
    if invocation.output.as_json:
        invocation.output.document("drorch.hold/1", _document(report))
    elif report.failures or not invocation.output.quiet:
        invocation.output.lines(_lines(report, str(settings.time_zone)))
    return PARTIAL if report.failures else 0


def _lines(report: HoldReport, zone: str) -> Iterator[str]:
    word, manifest = report.word, report.snapshot.link.manifest
    state = f"is {word.kind.words}" if word.stands else f"is not {word.kind.words} any more"
    until = f" until {local_time(word.until, zone)[:16]}" if word.stands and word.until else ""
    mark = "PARTIAL" if report.failures else "OK"
    stores = ", ".join(report.stores)
    yield from wrapped(f"{mark}  {manifest.run.short} of {manifest.source} {state}{until} in {stores}", 4)
    for store, error in report.failures.items():
        yield from wrapped(printable(f"  FAIL  {store}: {error.message}"), 8)
        if error.hint:
            yield from wrapped(f"        {error.hint}", 8)


def _document(report: HoldReport) -> dict[str, object]:
    word = report.word
    return {
        "ok": not report.failures,
        "snapshot": str(word.run),
        "source": report.snapshot.link.manifest.source,
        "kind": word.kind.name.lower(),
        "stands": word.stands,
        "reason": word.reason,
        "until": None if word.until is None else utc_time(word.until),
        "stores": list(report.stores),
        "failures": [
            {"store": store, "error": error.slug, "message": error.message} for store, error in report.failures.items()
        ],
    }

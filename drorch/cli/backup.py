"""``drorch backup``: back up now."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import click

from drorch.cli.addresses import complete_source
from drorch.cli.failures import explain
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import Output, labelled, local_time, printable, utc_time, wrapped
from drorch.cli.progress import Silent, observer
from drorch.errors import DrorchError, Interrupted, SourceUnsupported, StoreUnavailable, Terminated, UsageInvalid
from drorch.ids import Digest
from drorch.operations.back_up import BackupReport
from drorch.operations.protect import Protection, Protector
from drorch.operations.room import require_room
from drorch.policy.explain import policy_text
from drorch.policy.model import Policy, SourcePromise
from drorch.quantities import format_duration, format_size
from drorch.settings import load_policies
from drorch.wiring import Wiring, liveness, this_machine

PARTIAL = 3
NOTHING_SUCCEEDED = 20
_LONGEST_ANSWER = 200


@dataclass(slots=True)
class _Results:
    """What became of each source, in the order asked for."""

    reports: list[BackupReport] = field(default_factory=list)
    failures: list[tuple[str, DrorchError]] = field(default_factory=list)


@click.command(epilog="Example: drorch backup lamdong-land")
@click.argument("addresses", nargs=-1, metavar="POLICY[/NAME]...", shell_complete=complete_source)
@click.option("--failed", is_flag=True, help="Only sources whose last backup was not good.")
@common_options
def command(addresses: tuple[str, ...], failed: bool, invocation: Invocation) -> int:
    """Back up every source of the policies named, now.

    A snapshot exists when it is committed in at least one store of its policy; one that reached only some of
    them, or that lacks what could not be read, is partial (exit 3). Without a terminal each source gives one line; with --quiet success gives none.
    """
    settings = invocation.settings()
    settings.require_role("backup", "back up")
    loaded = load_policies(settings)
    loaded.require()
    if not addresses and not failed:
        raise UsageInvalid(
            "which policy?", expected="the name of a policy or source", hint="`drorch status` lists them"
        )
    wanted = [loaded.find(address) for address in (addresses or [policy.name for policy in loaded.policies])]
    with invocation.wiring(settings) as wiring:
        pairs = [(policy, promise) for policy, promises in wanted for promise in promises]
        if failed:
            pairs = [pair for pair in pairs if not _was_good(wiring, pair[1].address)]
        return _run_all(wiring, pairs, invocation.output)


def _was_good(wiring: Wiring, address: str) -> bool:
    runs = wiring.catalog().runs(source=address, operation="backup", limit=1)
    return bool(runs) and runs[0].state.value == "complete"


def _run_all(wiring: Wiring, pairs: Sequence[tuple[Policy, SourcePromise]], output: Output) -> int:
    results = _Results()
    for policy, promise in pairs:
        try:
            report = _run_one(wiring, policy, promise, output)
        except (Interrupted, Terminated):
            raise
        except DrorchError as error:
            if len(pairs) == 1:
                raise _with_last_good(wiring, promise.address, error) from error
            results.failures.append((promise.address, error))
        else:
            _leave_out_silent_stores(wiring, report)
            results.reports.append(report)
            if not output.as_json and not (output.quiet and report.complete):
                output.lines(_report_lines(report, wiring, alone=len(pairs) == 1 and output.is_terminal))
    if output.as_json:
        output.document("drorch.backup/1", _document(results))
    elif results.failures:
        output.lines(_failure_lines(results, len(pairs)))
    return _exit_code(results)


def _leave_out_silent_stores(wiring: Wiring, report: BackupReport) -> None:
    for name, reason in report.dropped.items():
        if isinstance(reason, StoreUnavailable):
            wiring.leave_out(name, reason)


def _run_one(wiring: Wiring, policy: Policy, promise: SourcePromise, output: Output) -> BackupReport:
    if promise.needs_discovery:
        raise SourceUnsupported(
            f"{promise.address}: this version does not look for databases by itself",
            expected="`database:` or `for_each:`",
            found="`databases: {match: ...}`",
            hint="name each database in a policy of its own, or in a for_each list",
        )
    require_room(wiring.settings.own_directories(), wiring.settings.limits.keep_free_percent)
    source = wiring.source(promise)
    text = policy_text(policy)
    protection = Protection(
        address=promise.address,
        policy=policy.name,
        policy_text=text,
        policy_digest=Digest(hashlib.sha256(text.encode()).digest()),
        probes=policy.probes,
        rows_digest=getattr(promise.source, "rows_digest", "always") != "never",
    )
    if output.shows_progress:
        output.message(f"{promise.address}  {source.address} -> {', '.join(policy.stores)}")
    bars = observer(output, "rows")
    try:
        with bars or nullcontext(Silent()) as watching:
            return _protector(wiring, policy).run(protection, source, watching)
    except DrorchError as error:
        explain(error, policy, promise, source.address, wiring.settings)
        raise


def _protector(wiring: Wiring, policy: Policy) -> Protector:
    return Protector(
        repository=wiring.repository(policy.stores),
        host_key=wiring.writing_key(),
        catalog=wiring.catalog(),
        machine=this_machine(),
        is_alive=liveness(),
        cache=wiring.cache(),
        clock=wiring.clock,
        random_bytes=wiring.random_bytes,
    )


def _with_last_good(wiring: Wiring, address: str, error: DrorchError) -> DrorchError:
    """Add to an error what is still good: the newest snapshot of the source."""
    if not error.still_good:
        newest = wiring.catalog().newest_good(address)
        error.still_good = (
            "Nothing was stored; there is no snapshot of it yet."
            if newest is None
            else f"Nothing was stored; the last good snapshot is {newest.snapshot[:8]} of "
            f"{local_time(newest.restore_point, str(wiring.settings.time_zone))}."
        )
    return error


def _report_lines(report: BackupReport, wiring: Wiring, *, alone: bool) -> list[str]:
    snapshot = report.snapshot
    copies = f"{len(snapshot.copies)}/{len(snapshot.copies) + len(report.dropped)}"
    if not alone:
        word = "ok" if report.complete else "PARTIAL"
        sizes = f"read={_tight(report.bytes_read)} stored={_tight(snapshot.bytes_stored)}"
        count = sum(len(one.names) for one in report.left_out)
        told = f" left_out={count}" if count else ""
        line = f"{report.source} {word} {snapshot.run.short} {report.duration_seconds:.1f}s {sizes} copies={copies}"
        return [line + told]
    zone = str(wiring.settings.time_zone)
    head = "OK  " if report.complete else "PARTIAL  "
    state = "complete" if not report.incomplete else "incomplete"
    state += f", in {copies.replace('/', ' of ')} stores" if report.dropped else ""
    lines = ["", f"{head}snapshot {snapshot.run.short}, {state}, {format_duration(report.duration_seconds)}"]
    for reason in report.incomplete:
        lines += _row("partial", f"{reason}: it counts for no RPO, and `latest:` does not mean it")
    lines += _row("restore point", local_time(report.restore_point, zone))
    lines += _row("read", _what_was_read(report))
    lines += _row("stored", f"{format_size(snapshot.bytes_stored)} in each store ({_shares(report)})")
    for missing in report.left_out:
        lines += _row(missing.label, printable(missing.text))
    for name, answer in report.probes.items():
        lines += _row("probe", f"{name}: {printable(answer)[:_LONGEST_ANSWER]}")
    for name in snapshot.copies:
        lines += _row(name, "ok")
    for name, error in report.dropped.items():
        lines += _row(name, f"FAILED: {error.message}")
        lines += _row("", f"hint: {error.hint}") if error.hint else []
    lines += _row(
        "source busy" if report.counted == "files" else "database busy",
        f"{report.source_busy:.0%} of the time was spent waiting for it",
    )
    return lines


def _what_was_read(report: BackupReport) -> str:
    if report.facts.get("engine") != "files":
        return f"{format_size(report.bytes_read)} in {report.tables:,} tables, {report.rows:,} rows"
    size, unchanged = report.facts.get("file_bytes"), report.facts.get("unchanged_files")
    total = f" of {format_size(size)}" if isinstance(size, int) else ""
    known = f", {unchanged:,} of them unchanged" if isinstance(unchanged, int) else ""
    return f"{format_size(report.bytes_read)}{total} in {report.tables:,} files{known}"


def _row(label: str, text: str) -> list[str]:
    return labelled(label, text, column=18)


def _shares(report: BackupReport) -> str:
    totals = report.snapshot.totals
    everything = max(1, totals.new_bytes + totals.known_bytes)
    known = round(100 * totals.known_bytes / everything)
    return f"{known} % known, {100 - known} % new"


def _tight(size_bytes: int) -> str:
    return format_size(size_bytes).replace(" ", "")


def _failure_lines(results: _Results, asked: int) -> list[str]:
    good = asked - len(results.failures)
    word = "PARTIAL" if good else "FAIL"
    lines = ["", f"{word}  {good} of {asked} sources have a new snapshot; {len(results.failures)} have none"]
    by_cause: dict[str, list[str]] = {}
    for address, error in results.failures:
        by_cause.setdefault(error.message.partition(": ")[2] or error.message, []).append(address)
    for cause, addresses in sorted(by_cause.items(), key=lambda item: -len(item[1])):
        lines += wrapped(f"  {len(addresses):>3}  {cause}", 7)
        lines += wrapped("       " + " ".join(addresses), 7)
    return [*lines, "  try again: drorch backup --failed POLICY"]


def _exit_code(results: _Results) -> int:
    if not results.failures:
        return 0 if all(report.complete for report in results.reports) else PARTIAL
    if results.reports:
        return PARTIAL
    codes = {error.exit_code for _, error in results.failures}
    return codes.pop() if len(codes) == 1 else NOTHING_SUCCEEDED


def _document(results: _Results) -> dict[str, object]:
    from drorch.cli.output import error_fields

    return {
        "ok": not results.failures and all(report.complete for report in results.reports),
        "snapshots": [_snapshot(report) for report in results.reports],
        "failures": [{"source": address, "error": error_fields(error)} for address, error in results.failures],
    }


def _snapshot(report: BackupReport) -> dict[str, object]:
    snapshot = report.snapshot
    return {
        "source": report.source,
        "snapshot": str(snapshot.run),
        "state": "complete" if report.complete else "partial",
        "restore_point": utc_time(report.restore_point),
        "duration_s": round(report.duration_seconds, 3),
        "tables": report.tables,
        "rows": report.rows,
        "bytes_read": report.bytes_read,
        "bytes_stored": snapshot.bytes_stored,
        "objects_stored": snapshot.objects_stored,
        "chunks": {"new": snapshot.totals.new_chunks, "known": snapshot.totals.known_chunks},
        "copies": [{"store": name, "state": "complete"} for name in snapshot.copies]
        + [{"store": name, "state": "failed", "error": error.slug} for name, error in report.dropped.items()],
        "probes": dict(report.probes),
        "incomplete": list(report.incomplete),
        "left_out": [{"kind": one.kind, "names": list(one.names)} for one in report.left_out],
    }

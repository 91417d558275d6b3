"""``drorch backup``: back up now."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime

import click

from drorch.cli.addresses import complete_source
from drorch.cli.backup_profile import profile_lines, slowest_part
from drorch.cli.chosen import Chosen, Pair, choose_sources
from drorch.cli.fan_out import Results, failure_line, run_many, summary_lines
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import Output, error_fields, labelled, local_time, printable, utc_time, wrapped
from drorch.cli.runner import Runner
from drorch.clock import from_milliseconds
from drorch.errors import PARTIAL, DrorchError, Interrupted, Terminated, UsageInvalid
from drorch.operations.back_up import BackupReport
from drorch.operations.causes import common_code
from drorch.operations.interruption import Interruption
from drorch.policy.assembly import LoadedPolicies
from drorch.quantities import counted, format_duration, format_size
from drorch.settings import Settings, load_policies
from drorch.wiring import Wiring

_LONGEST_ANSWER = 200


@click.command(epilog="Example: drorch backup lamdong-land")
@click.argument("addresses", nargs=-1, metavar="POLICY[/NAME]...", shell_complete=complete_source)
@click.option("--failed", is_flag=True, help="Only sources without a good last occurrence.")
@click.option("--new", "only_new", is_flag=True, help="Only databases that nobody tried to back up yet.")
@click.option("--profile", is_flag=True, help="Also show where the time went, stage by stage.")
@click.option("--slot", type=int, hidden=True, help="The occurrence that the daemon runs: milliseconds since 1970.")
@click.option("--notify", is_flag=True, help="Tell people afterwards what is wrong; for cron, without a daemon.")
@common_options
def command(
    addresses: tuple[str, ...],
    failed: bool,
    only_new: bool,
    profile: bool,
    slot: int | None,
    notify: bool,
    invocation: Invocation,
) -> int:
    """Back up every source of the policies named, now.

    A snapshot exists when it is committed in at least one store of its policy; one that reached only some of
    them, or that lacks what could not be read, is partial (exit 3). Of many sources those that fail hold up
    no other: exit 3 when any succeeded. Without a terminal each source gives one line; with --quiet success
    gives none.
    """
    settings = invocation.settings()
    settings.require_role("backup", "back up")
    if notify:
        from drorch.cli.watch.looking import told_afterwards

        with told_afterwards(invocation, settings, " ".join(("drorch backup", *addresses)), addresses) as ended:
            ended.code = _back_up(addresses, failed, only_new, profile, slot, invocation, settings)
        return ended.code
    return _back_up(addresses, failed, only_new, profile, slot, invocation, settings)


def _back_up(
    addresses: tuple[str, ...],
    failed: bool,
    only_new: bool,
    profile: bool,
    slot: int | None,
    invocation: Invocation,
    settings: Settings,
) -> int:
    loaded = load_policies(settings)
    loaded.require_those(addresses)
    if not addresses and not failed and not only_new:
        raise UsageInvalid(
            "which policy?", expected="the name of a policy or source", hint="`drorch status` lists them"
        )
    with invocation.wiring(settings) as wiring:
        chosen = choose_sources(wiring, loaded, addresses, only_failed=failed, only_new=only_new)
        results = Results(chosen.found, [*chosen.failures, *_not_loaded(loaded, addresses)])
        asked = " ".join(addresses)
        runner = Runner(wiring, Interruption(), slot=None if slot is None else from_milliseconds(slot))
        if len(chosen.pairs) == 1 and not results.failures:
            _run_one(wiring, runner, chosen.pairs[0], results, invocation.output)
        else:
            _run_many(wiring, runner, chosen, results, asked, invocation.output)
        if profile and not invocation.output.as_json:
            invocation.output.lines([line for report in results.reports for line in profile_lines(report)])
        if invocation.output.as_json:
            invocation.output.document("drorch.backup/1", _document(results))
    return _exit_code(results)


def _not_loaded(loaded: LoadedPolicies, addresses: tuple[str, ...]) -> list[tuple[str, DrorchError]]:
    """Return what kept policy files from being loaded, where all policies are meant; the others run."""
    if addresses or not loaded.problems:
        return []
    return [(f"{counted(len({one.file for one in loaded.problems}), 'policy file')}", loaded.error())]


def _run_one(wiring: Wiring, runner: Runner, pair: Pair, results: Results, output: Output) -> None:
    """Run the one source with all that can be told of it; raises what the run raises."""
    policy, promise = pair
    try:
        report = runner.alone(policy, promise, output)
    except (Interrupted, Terminated):
        raise
    except DrorchError as error:
        raise _with_last_good(wiring, promise.address, error) from error
    results.reports.append(report)
    if not output.as_json and not (output.quiet and report.complete):
        output.lines(_report_lines(report, wiring, alone=output.is_terminal))
    if results.alarms and not output.as_json:
        output.lines(summary_lines(results, promise.policy_name))


def _run_many(wiring: Wiring, runner: Runner, chosen: Chosen, results: Results, asked: str, output: Output) -> None:
    if not chosen.pairs and len(results.failures) == 1:
        raise _with_last_good(wiring, *results.failures[0])
    shows_each = not (output.is_terminal or output.as_json)
    started = wiring.clock.monotonic_seconds()
    with closing(run_many(wiring, runner, chosen.pairs, asked, runner.interruption, output)) as ended:
        for pair, outcome in ended:
            results.add(pair[1].address, outcome)
            if shows_each:
                _tell_one(wiring, pair[1].address, outcome, output)
    results.sort([promise.address for _, promise in chosen.pairs])
    results.duration_seconds = wiring.clock.monotonic_seconds() - started
    if not output.as_json and (output.is_terminal or not results.are_good) and not (output.quiet and results.are_good):
        output.lines(summary_lines(results, asked))


def _tell_one(wiring: Wiring, address: str, outcome: BackupReport | DrorchError, output: Output) -> None:
    """Write the line of one of many sources."""
    if isinstance(outcome, DrorchError):
        lines = [] if output.quiet else [failure_line(address, outcome)]
    else:
        lines = [] if output.quiet and outcome.complete else _report_lines(outcome, wiring, alone=False)
    output.lines(lines)


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
    real = [name for name in snapshot.copies if not wiring.is_spool(name)]
    copies = f"{len(real)}/{len(real) + len(report.dropped)}"
    if not alone:
        word = "ok" if report.complete else "PARTIAL"
        sizes = f"read={_tight(report.bytes_read)} stored={_tight(snapshot.bytes_stored)}"
        count = sum(len(one.names) for one in report.left_out)
        told = f" left_out={count}" if count else ""
        line = f"{report.source} {word} {snapshot.run.short} {report.duration_seconds:.1f}s {sizes} copies={copies}"
        texts = [*report.incomplete, *_why_incomplete(report), *report.warnings]
        return [line + told, *(row for text in texts for row in wrapped(f"  {printable(text)}", 4))]
    zone = str(wiring.settings.time_zone)
    head = "OK  " if report.complete else "PARTIAL  "
    state = "complete" if not report.incomplete else "incomplete"
    state += f", in {copies.replace('/', ' of ')} stores" if report.dropped else ""
    lines = ["", f"{head}snapshot {snapshot.run.short}, {state}, {format_duration(report.duration_seconds)}"]
    for reason in report.incomplete:
        lines += _row("partial", f"{reason}: it counts for no RPO, and `latest:` does not mean it")
    for warning in report.warnings:
        lines += _row("warning", printable(warning))
    lines += _row("restore point", local_time(report.restore_point, zone))
    lines += _row("read", _what_was_read(report))
    lines += _row("stored", f"{format_size(snapshot.bytes_stored)} in each store ({_shares(report)})")
    for missing in report.left_out:
        lines += _row(missing.label, printable(missing.text))
    for name, answer in report.probes.items():
        lines += _row("probe", f"{name}: {printable(answer)[:_LONGEST_ANSWER]}")
    for name in snapshot.copies:
        until = snapshot.locked_until.get(name)
        if wiring.is_spool(name):
            lines += _row(name, "waits there for a store; `drorch copy --to STORE` ships it")
            continue
        lines += _row(name, f"ok, locked until {local_time(until, zone)[:10]}" if until else "ok")
    for name, error in report.dropped.items():
        lines += _row(name, f"FAILED: {error.message}")
        lines += _row("", f"hint: {error.hint}") if error.hint else []
    for reason in report.paused_for[:1]:
        times = f"{len(report.paused_for)} times, " if len(report.paused_for) > 1 else ""
        lines += _row("paused", f"{times}{format_duration(report.paused_seconds)} in all: {reason}")
    return [*lines, *_row("slowest part", slowest_part(report))]


def _why_incomplete(report: BackupReport) -> list[str]:
    """Return what makes a snapshot partial, by name: whoever reads the mail of cron must not have to look for it."""
    wanted = ("unread", "immutable_broken") if report.incomplete else ()
    return [f"{one.label}: {one.text}" for one in report.left_out if one.kind in wanted]


def _what_was_read(report: BackupReport) -> str:
    if report.facts.get("engine") != "files":
        rows = f" in {counted(report.tables, 'table')}, {counted(report.rows, 'row')}" if report.tables else ""
        return format_size(report.bytes_read) + rows
    size, unchanged = report.facts.get("file_bytes"), report.facts.get("unchanged_files")
    total = f" of {format_size(size)}" if isinstance(size, int) else ""
    known = f", {unchanged:,} of them unchanged" if isinstance(unchanged, int) else ""
    return f"{format_size(report.bytes_read)}{total} in {counted(report.tables, 'file')}{known}"


def _row(label: str, text: str) -> list[str]:
    return labelled(label, text, column=18)


def _shares(report: BackupReport) -> str:
    totals = report.snapshot.totals
    everything = max(1, totals.new_bytes + totals.known_bytes + totals.delta_bytes)
    known, deltas = (round(100 * part / everything) for part in (totals.known_bytes, totals.delta_bytes))
    told = [f"{deltas} % as deltas"] if totals.delta_bytes else []
    return ", ".join((*told, f"{known} % known", f"{max(0, 100 - known - deltas)} % new"))


def _tight(size_bytes: int) -> str:
    return format_size(size_bytes).replace(" ", "")


def _date_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else utc_time(moment)


def _exit_code(results: Results) -> int:
    if not results.failures:
        return 0 if results.are_good else PARTIAL
    return PARTIAL if results.reports else common_code([error for _, error in results.failures])


def _document(results: Results) -> dict[str, object]:
    return {
        "ok": results.are_good,
        "snapshots": [_snapshot(report) for report in results.reports],
        "failures": [{"source": address, "error": error_fields(error)} for address, error in results.failures],
        "discovered": [
            {
                "policy": found.policy,
                "server": found.server,
                "databases": len(found.promises),
                "expected": found.expected,
                "gone": list(found.gone),
            }
            for found in results.found
        ],
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
        "chunks": {
            "new": snapshot.totals.new_chunks,
            "known": snapshot.totals.known_chunks,
            "delta": snapshot.totals.delta_chunks,
        },
        "bytes": {
            "new": snapshot.totals.new_bytes,
            "known": snapshot.totals.known_bytes,
            "delta": snapshot.totals.delta_bytes,
            "delta_stored": snapshot.totals.delta_stored_bytes,
            "larger_cache_would_make_deltas": snapshot.totals.missed_bytes,
        },
        "paused_s": round(report.paused_seconds, 3),
        "busy": {part.value: round(share, 3) for part, share in report.busy.items()},
        "stages": [
            {
                "stage": one.stage.label,
                "part": one.stage.part.value,
                "seconds": round(one.seconds, 3),
                "threads": one.threads,
            }
            for one in report.stage_times
        ],
        "copies": [
            {"store": name, "state": "complete", "locked_until": _date_or_none(snapshot.locked_until.get(name))}
            for name in snapshot.copies
        ]
        + [{"store": name, "state": "failed", "error": error.slug} for name, error in report.dropped.items()],
        "probes": dict(report.probes),
        "incomplete": list(report.incomplete),
        "warnings": list(report.warnings),
        "group": report.group,
        "left_out": [{"kind": one.kind, "names": list(one.names)} for one in report.left_out],
    }

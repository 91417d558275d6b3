"""``drorch history``: what ran, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from drorch.catalog.interface import LogLine, RunRecord, RunState
from drorch.cli.addresses import complete_source
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.occurrences import show_occurrences
from drorch.cli.output import labelled, local_time, printable, table, utc_time, wrapped
from drorch.quantities import format_duration, format_size


@click.command(epilog="Example: drorch history lamdong-land --failed")
@click.argument("source", required=False, metavar="[POLICY[/NAME]]", shell_complete=complete_source)
@click.option("--failed", is_flag=True, help="Only runs that did not end well.")
@click.option("--run", "run_id", metavar="ID", help="One run, with its error and the last lines that it wrote.")
@click.option(
    "--occurrences", is_flag=True, help="What was due by the daemon's schedules, run or not, with the reason."
)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many, newest first.")
@common_options
def command(
    source: str | None, failed: bool, run_id: str | None, occurrences: bool, limit: int, invocation: Invocation
) -> int:
    """Show what ran and how it ended, newest first."""
    with invocation.wiring() as wiring:
        catalog, zone = wiring.catalog(), str(wiring.settings.time_zone)
        if occurrences:
            show_occurrences(catalog, source, invocation.output, zone, failed=failed, limit=limit)
            return 0
        if run_id is not None:
            runs: tuple[RunRecord, ...] = (catalog.find_run(run_id),)
        else:
            states = (
                [state for state in RunState if state not in (RunState.COMPLETE, RunState.RUNNING)] if failed else []
            )
            is_policy = source is not None and "/" not in source
            runs = catalog.runs(policy=source, states=states, limit=limit) if is_policy else ()
            runs = runs or catalog.runs(source=source, states=states, limit=limit)
        log = catalog.log_lines(runs[0].run_id) if run_id is not None else ()
    if invocation.output.as_json:
        invocation.output.document("drorch.history/1", _history(runs, log, run_id))
    elif run_id is not None:
        invocation.output.lines([*_detail(runs[0], zone), *_log_lines(log, zone)])
    else:
        invocation.output.lines(_lines(runs, zone) if runs else ["No run failed." if failed else "Nothing ran yet."])
    return 0


def _history(runs: Sequence[RunRecord], log: Sequence[LogLine], run_id: str | None) -> dict[str, object]:
    document: dict[str, object] = {"ok": True, "runs": [_document(run) for run in runs]}
    if run_id is not None:
        document["log"] = [{"at": utc_time(line.at), "text": line.text} for line in log]
    return document


def _log_lines(log: Sequence[LogLine], zone: str) -> Iterator[str]:
    """Yield what the run said, each line behind its time of day."""
    for line in log:
        text = f"{local_time(line.at, zone)[11:19]}  {printable(line.text)}"
        yield from wrapped(text, 12)


def _lines(runs: tuple[RunRecord, ...], zone: str) -> list[str]:
    cells = [("RUN", "STARTED", "SOURCE", "DID", "ENDED", "TOOK", "READ")]
    for run in runs:
        ended = run.state.value if run.error_slug is None else f"{run.state.value}: {run.error_slug}"
        cells.append(
            (
                run.run_id[:8],
                local_time(run.started_at, zone)[:16],
                run.source,
                run.operation,
                ended,
                _took(run),
                format_size(run.bytes_read) if run.bytes_read else "",
            )
        )
    if all(run.operation == "backup" for run in runs):  # the column would say nothing
        return table([(*row[:3], *row[4:]) for row in cells], right=frozenset({4, 5}))
    return table(cells, right=frozenset({5, 6}))


def _took(run: RunRecord) -> str:
    return "" if run.ended_at is None else format_duration((run.ended_at - run.started_at).total_seconds())


def _detail(run: RunRecord, zone: str) -> list[str]:
    lines = [f"{run.operation} of {run.source}: {run.state.value}"]
    for label, text in (
        ("run", run.run_id),
        ("started", local_time(run.started_at, zone)),
        ("took", _took(run)),
        ("host", f"{run.host}, process {run.pid}"),
        ("snapshot", run.snapshot or ""),
        ("error", f"{run.error_message} ({run.error_slug}, exit {run.error_code})" if run.error_slug else ""),
        ("hint", run.hint or ""),
    ):
        lines += labelled(label, text) if text else []
    return lines


def _document(run: RunRecord) -> dict[str, object]:
    return {
        "run": run.run_id,
        "source": run.source,
        "policy": run.policy,
        "operation": run.operation,
        "state": run.state.value,
        "started_at": utc_time(run.started_at),
        "ended_at": None if run.ended_at is None else utc_time(run.ended_at),
        "snapshot": run.snapshot,
        "bytes_read": run.bytes_read,
        "bytes_stored": run.bytes_stored,
        "error": None
        if run.error_slug is None
        else {"name": run.error_slug, "code": run.error_code, "message": run.error_message, "hint": run.hint},
    }

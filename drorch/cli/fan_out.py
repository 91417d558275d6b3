"""Many sources in one command: run at once, shown as one bar, told by cause."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from drorch.cli.chosen import Pair
from drorch.cli.output import WIDTH, Output, printable, wrapped
from drorch.cli.runner import Runner
from drorch.errors import DrorchError
from drorch.operations.at_once import Job, Limits, results
from drorch.operations.back_up import BackupReport
from drorch.operations.causes import CauseGroup, Failure, cause_of, grouped
from drorch.operations.estate.discover import Found
from drorch.operations.interruption import Interruption
from drorch.policy.discovery import server_of
from drorch.policy.order import unit_of, units_before
from drorch.quantities import counted, format_duration, format_size
from drorch.wiring import Wiring

if TYPE_CHECKING:
    from rich.progress import Progress

_MEMBER_COLUMN = 41
_MOST_MEMBER_LINES = 3


@dataclass(slots=True)
class Results:
    """What became of each source, in the order of their ends; and what the servers said before."""

    found: Sequence[Found] = ()
    failures: list[tuple[str, DrorchError]] = field(default_factory=list)
    reports: list[BackupReport] = field(default_factory=list)
    duration_seconds: float = 0.0

    def add(self, address: str, outcome: BackupReport | DrorchError) -> None:
        """Take what became of one source."""
        if isinstance(outcome, DrorchError):
            self.failures.append((address, outcome))
        else:
            self.reports.append(_without_lists(outcome))

    def sort(self, addresses: Sequence[str]) -> None:
        """Bring what ended in any order into the order of ``addresses``."""
        place = {address: number for number, address in enumerate(addresses)}
        self.failures.sort(key=lambda failure: place.get(failure[0], -1))
        self.reports.sort(key=lambda report: place.get(report.source, -1))

    @property
    def asked(self) -> int:
        """How many sources were to be backed up."""
        return len(self.reports) + len(self.failures)

    @property
    def alarms(self) -> list[str]:
        """What the servers have that is not as the policies expect."""
        lines: list[str] = []
        for one in self.found:
            count = len(one.promises)
            if one.expected not in (None, count):
                lines.append(
                    f"{one.policy}: expected {counted(one.expected, 'database')} on {one.server}, found {count}"
                )
            lines += [f"{address} is gone: drorch source retire {address} --reason TEXT" for address in one.gone]
        return lines

    @property
    def are_good(self) -> bool:
        """Whether everything is as it should be."""
        return not self.failures and not self.alarms and all(report.complete for report in self.reports)


def run_many(
    wiring: Wiring, runner: Runner, pairs: Sequence[Pair], asked: str, interruption: Interruption, output: Output
) -> Generator[tuple[Pair, BackupReport | DrorchError], None, None]:
    """Run the pairs, so many at once as ``limits`` says, and yield what became of each as it ends."""
    limits = wiring.settings.limits
    if output.shows_progress:
        output.message(f"{asked or 'all policies'}  {counted(len(pairs), 'source')}, {limits.parallel_runs} at a time")
    ended = results(
        _jobs(pairs),
        runner.among_others,
        limits=Limits(in_all=limits.parallel_runs, per_server=limits.parallel_per_server),
        monotonic_seconds=wiring.clock.monotonic_seconds,
        abandon=lambda error: interruption.end(terminated=isinstance(error, SystemExit)),
    )
    with (
        interruption.waited_for(),  # outermost: wherever a signal comes
        closing(ended),
        _Bar(len(pairs), is_shown=output.shows_progress and bool(pairs)) as bar,
    ):
        for unit, outcomes in ended:
            for pair, outcome in zip(unit, outcomes, strict=True):
                bar.advance(failed=isinstance(outcome, DrorchError))
                yield pair, outcome


def _jobs(pairs: Sequence[Pair]) -> list[Job[tuple[Pair, ...]]]:
    """Return a job for each source, and one for all sources of a consistency group."""
    units: dict[str, list[Pair]] = {}
    for pair in pairs:
        key = pair[1].address if pair[0].group is None else unit_of(pair[0])
        units.setdefault(key, []).append(pair)
    policies = {policy.name: policy for policy, _ in pairs}.values()
    return [
        Job(
            work=tuple(unit),
            server=server_of(unit[0][1].source) if len(unit) == 1 else "",
            name=unit_of(unit[0][0]),
            after=units_before([policy for policy, _ in unit], policies),
        )
        for unit in units.values()
    ]


def _without_lists(report: BackupReport) -> BackupReport:
    """Return the report without what grows with the database: hundreds of reports are kept until the end."""
    few = {name: value for name, value in report.facts.items() if isinstance(value, str | int | bool)}
    return replace(report, facts=few)


class _Bar:
    """One bar for all sources: how many ended, for how long, how many failed."""

    def __init__(self, total: int, *, is_shown: bool) -> None:
        self._total = total
        self._failed = 0
        self._progress: Progress | None = _progress() if is_shown else None

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.__enter__()
            self._task = self._progress.add_task("", total=self._total, told="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.__exit__(kind, error, trace)

    def advance(self, *, failed: bool) -> None:
        self._failed += failed
        if self._progress is not None:
            told = f"{self._failed} failed" if self._failed else ""
            self._progress.update(self._task, advance=1, told=told)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn(" "),
        BarColumn(46),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[told]}"),
        console=Console(stderr=True, width=WIDTH, highlight=False),
        refresh_per_second=5,
    )


def failure_line(address: str, error: DrorchError) -> str:
    """Return the one line of a source that failed, for those who read by program."""
    cause = cause_of(address, Failure.of(error))
    detail = f" ({cause.detail})" if cause.detail else ""
    line = printable(f"{address} FAILED {error.slug}: {cause.text}{detail}")
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def summary_lines(outcome: Results, asked: str) -> list[str]:
    """Return what many backups came to: the verdict, failures by cause, what was read and stored, what to try."""
    good, failed = len(outcome.reports), len(outcome.failures)
    word = "OK" if outcome.are_good else "PARTIAL" if good else "FAIL"
    none = f"; {failed} {'has' if failed == 1 else 'have'} none" if failed else ""
    took = "" if failed else f"; {format_duration(outcome.duration_seconds)}"
    lines = ["", f"{word}  {good} of {outcome.asked} sources have a new snapshot{none}{took}"]
    prefix = f"{asked}/" if asked and "/" not in asked and " " not in asked else ""
    lines += cause_lines(grouped((address, Failure.of(error)) for address, error in outcome.failures), prefix)
    lines += _copy_lines(outcome.reports)
    for warning in dict.fromkeys(f"{one.source}: {text}" for one in outcome.reports for text in one.warnings):
        lines += wrapped(f"  {printable(warning)}", 4)
    for alarm in outcome.alarms:
        lines += wrapped(f"  {alarm}", 4)
    if outcome.reports:
        read = sum(report.bytes_read for report in outcome.reports)
        stored = sum(report.snapshot.bytes_stored for report in outcome.reports)
        lines.append(f"  read {format_size(read)}   stored {format_size(stored)} in each store")
    if outcome.failures:
        lines += wrapped(f"  try again: drorch backup {f'{asked} ' if asked else ''}--failed", 4)
    return lines


def cause_lines(groups: Sequence[CauseGroup], prefix: str) -> list[str]:
    """Return one row for each cause: how many, why, who; names without ``prefix``, a few lines of them at most."""
    lines: list[str] = []
    for group in groups:
        members = [
            printable(address.removeprefix(prefix) + (f" ({detail})" if detail else ""))
            for address, detail in group.members
        ]
        head = (
            f"  {len(members)}  {printable(group.text)}"
            if len(groups) == 1
            else f"  {len(members):>3}  {printable(group.text)}"
        )
        fits = len(head) < _MEMBER_COLUMN - 1
        column = _MEMBER_COLUMN if fits else 7
        rows = _rows(members, WIDTH - column)
        if fits:
            lines.append(head.ljust(column) + rows.pop(0))
        else:
            lines += wrapped(head, 7)
        lines += [" " * column + row for row in rows]
    return lines


def _rows(members: Sequence[str], width: int) -> list[str]:
    """Return the members in rows of ``width``; what does not fit into the few rows allowed is counted."""
    rows, left = [""], list(members)
    while left:
        longer = f"{rows[-1]} {left[0]}".strip()
        if len(longer) <= width or not rows[-1]:
            rows[-1] = longer
            left.pop(0)
        elif len(rows) < _MOST_MEMBER_LINES:
            rows.append("")
        else:
            return [*rows, f"and {len(left)} more"]
    return rows


def _copy_lines(reports: Sequence[BackupReport]) -> list[str]:
    """Return, for each store that lacks some of the snapshots, how many and why."""
    lacking: dict[str, tuple[int, str]] = {}
    for report in reports:
        for store, error in report.dropped.items():
            lacking[store] = lacking.get(store, (0, ""))[0] + 1, error.message
    lines: list[str] = []
    for store, (count, message) in lacking.items():
        lines += wrapped(f"  {count} of them are not in {store}: {message}", 4)
    return lines

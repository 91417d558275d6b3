"""``drorch status``: what is protected, what is late and what needs somebody."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from datetime import datetime

import click

from drorch import __version__
from drorch.cli.addresses import complete_source
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import WIDTH, local_time, table, utc_time, wrapped
from drorch.clock import SystemClock
from drorch.errors import PolicyUnknown
from drorch.operations.overview import Overview, SourceStanding, Standing, Trouble, overview
from drorch.policy.problems import Problem
from drorch.quantities import format_promise
from drorch.settings import Settings, load_policies
from drorch.wiring import claim_lives

PARTIAL = 3
_MOST_PROBLEMS = 5  # with what is below them they fit on one screen of 24 lines or a little more
_MOST_ROWS = 10
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NO_DAEMON = "no daemon: nothing runs on schedule; cron can, with `drorch backup --quiet POLICY`"
_WORDS = {
    Standing.NEVER: "LATE",
    Standing.LATE: "LATE",
    Standing.GONE: "GONE",
    Standing.OPEN: "OPEN",
    Standing.FAILED: "FAILED",
    Standing.MISSED: "MISSED",
    Standing.PARTIAL: "COPIES",
}


@click.command(epilog="Example: drorch status --check --json")
@click.argument("source", required=False, metavar="[POLICY[/NAME]]", shell_complete=complete_source)
@click.option("--all", "show_all", is_flag=True, help="Every problem and every policy, however long it gets.")
@click.option("--check", is_flag=True, help="Exit 3 when something is wrong.")
@common_options
def command(source: str | None, show_all: bool, check: bool, invocation: Invocation) -> int:
    """Show what is protected, what is late and what needs you.

    Problems come first, each with what to try. With POLICY or POLICY/NAME it shows each of its sources.
    """
    settings = invocation.settings()
    loaded = load_policies(settings)
    with invocation.wiring(settings) as wiring:
        catalog, now = wiring.catalog(), SystemClock().now()
        found = overview(loaded.policies, loaded.problems, catalog, now=now, is_running=claim_lives())
    if source is not None:
        found = _only(found, source, [policy.name for policy in loaded.policies])
    if invocation.output.as_json:
        invocation.output.document("drorch.status/1", _document(found, settings))
    elif not (invocation.output.quiet and found.is_well):
        view = _View(found, settings, limited=not show_all and source is None)
        invocation.output.lines(view.lines(by_source=source is not None))
    return PARTIAL if check and not found.is_well else 0


def _only(found: Overview, source: str, policies: Sequence[str]) -> Overview:
    chosen = tuple(one for one in found.sources if source in (one.address, one.policy))
    if not chosen and not found.policy_problems:
        raise PolicyUnknown(f"there is no policy or source {source}", found=", ".join(policies[:10]) or "no policy")
    return Overview(at=found.at, sources=chosen, policy_problems=found.policy_problems)


class _View:
    """One overview at 80 columns."""

    def __init__(self, found: Overview, settings: Settings, *, limited: bool) -> None:
        self._found = found
        self._settings = settings
        self._zone = str(settings.time_zone)
        self._limited = limited

    def lines(self, *, by_source: bool) -> list[str]:
        """Return everything: header, problems, table, sums."""
        rows = self._by_source() if by_source else self._by_policy()
        return [*self._header(), *self._problems(), "", *rows, "", *self._sums()]

    def _header(self) -> list[str]:
        local = self._found.at.astimezone(self._settings.time_zone)
        shown = local_time(self._found.at, self._zone)
        moment = f"{_DAYS[local.weekday()]} {shown[:16]} {shown[20:]}"
        name = f"drorch {__version__} on {socket.gethostname()}, {self._settings.file}"
        if len(name) + 2 + len(moment) <= WIDTH:
            return [name.ljust(WIDTH - len(moment)) + moment]
        return [*wrapped(name, 2), moment.rjust(WIDTH)]

    def _problems(self) -> Iterator[str]:
        troubled = [one for one in self._found.sources if one.trouble is not None]
        total = len(troubled) + bool(self._found.policy_problems)
        if not total:
            return
        yield from ("", "PROBLEMS")
        yield from _policy_problem_lines(self._found.policy_problems)
        most = _MOST_PROBLEMS if self._limited else total
        for one in troubled[:most]:
            yield from _problem_lines(one)
        if len(troubled) > most:
            yield f"  and {len(troubled) - most} more: drorch status --all"

    def _by_policy(self) -> list[str]:
        head = ("POLICY", "SOURCES", "LAST GOOD", "RPO", "COPIES", "LAST DRILL", "NEXT DUE")
        names = list(dict.fromkeys(one.policy for one in self._found.protected))
        if not names:
            return wrapped("There is no policy yet. `drorch policy new NAME` writes one.", 0)
        most = _MOST_ROWS if self._limited else len(names)
        rows = [self._row(name, [one for one in self._found.protected if one.policy == name]) for name in names[:most]]
        more = [f"and {len(names) - most} more: drorch status --all"] if len(names) > most else []
        return [*_table_with_long_names([head, *rows]), *more]

    def _row(self, name: str, sources: Sequence[SourceStanding]) -> tuple[str, ...]:
        inside = sum(one.is_inside_rpo for one in sources)
        good = [one.newest_good.restore_point for one in sources if one.newest_good is not None]
        promise = format_promise(sources[0].rpo_target_seconds or 0)
        due = [one.due_at for one in sources if one.due_at is not None]
        worst = min(sources, key=lambda one: one.copies_complete)
        return (
            name,
            str(len(sources)) if inside == len(sources) else f"{inside}/{len(sources)}",
            self._moment(max(good)) if good else "never",
            f"{promise} {'ok' if inside == len(sources) else 'LATE'}",
            f"{worst.copies_complete} of {worst.copies_promised}",
            "never",
            self._due(min(due)) if due else "",
        )

    def _by_source(self) -> list[str]:
        rows = [("SOURCE", "SNAPSHOT", "LAST GOOD", "RPO", "COPIES", "LAST RUN", "NEXT DUE")]
        for one in self._found.sources:
            good = one.newest_good
            promise = "" if one.rpo_target_seconds is None else format_promise(one.rpo_target_seconds)
            rows.append(
                (
                    one.address,
                    "" if good is None else good.snapshot[:8],
                    "never" if good is None else self._moment(good.restore_point),
                    f"{promise} {'ok' if one.is_inside_rpo else 'LATE'}" if promise else "",
                    f"{one.copies_complete} of {one.copies_promised}",
                    "running" if one.is_running else "" if one.last_run is None else one.last_run.state.value,
                    "" if one.due_at is None else self._due(one.due_at),
                )
            )
        return _table_with_long_names(rows)

    def _moment(self, moment: datetime) -> str:
        local, today = moment.astimezone(self._settings.time_zone), self._found.at.astimezone(self._settings.time_zone)
        if local.date() == today.date():
            return f"today {local:%H:%M}"
        return f"{local:%d/%m %H:%M}" if (today - local).days < 300 else f"{local:%d/%m/%Y}"

    def _due(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._settings.time_zone):%d/%m %H:%M}"

    def _sums(self) -> list[str]:
        promised = self._found.protected
        total = len(promised)
        inside = sum(one.is_inside_rpo for one in promised)
        complete = sum(one.copies_complete == one.copies_promised > 0 for one in promised)
        running = [one.address for one in self._found.sources if one.is_running]
        daemon = _NO_DAEMON + (f"; running now: {', '.join(running)}" if running else "")
        lines = []
        if total:
            lines.append(f"Protected  {inside} of {total} sources are inside their RPO")
            lines.append(f"Proven     0 of {total} were restored by a drill: this version has no drills yet")
            lines.append(f"Copies     {complete} of {total} are in every store of their policy")
        return [*lines, *wrapped(f"Daemon     {daemon}", 11)]


def _policy_problem_lines(problems: Sequence[Problem]) -> Iterator[str]:
    if not problems:
        return
    first = problems[0]
    files = len({problem.file for problem in problems})
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    subject = first.file if files == 1 else f"{files} policy files"
    yield from wrapped(f"  FAILED  {subject}   not loaded: {count}", 10)
    yield from wrapped(f"          {first.location}  {first.message}", 10)
    yield "          try: drorch policy validate"


def _problem_lines(one: SourceStanding) -> Iterator[str]:
    trouble = one.trouble or Trouble(text="")
    word = _WORDS[one.standing]
    indent = 4 + len(word)
    yield from wrapped(f"  {word}  {one.address}   {trouble.text}", indent)
    if trouble.details:
        yield from wrapped(" " * indent + trouble.details, indent)
    if trouble.remedy:
        yield from wrapped(f"{' ' * indent}try: {trouble.remedy}", indent)


def _table_with_long_names(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the table; a name that would push it over 80 columns gets a line of its own."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1)
    shown = [(row[0] if len(row[0]) <= room else "", *row[1:]) for row in rows]
    lines: list[str] = []
    for row, line in zip(rows, table(shown, right=frozenset({1})), strict=True):
        lines += [line] if len(row[0]) <= room else [row[0], line]
    return lines


def _document(found: Overview, settings: Settings) -> dict[str, object]:
    return {
        "at": utc_time(found.at),
        "ok": found.is_well,
        "version": __version__,
        "host": socket.gethostname(),
        "settings": str(settings.file),
        "daemon": {"state": "absent"},
        "sources": [_source(one) for one in found.sources],
        "policy_problems": [
            {"file": one.file, "line": one.line, "column": one.column, "message": one.message}
            for one in found.policy_problems
        ],
    }


def _source(one: SourceStanding) -> dict[str, object]:
    good, last, trouble = one.newest_good, one.last_run, one.trouble
    return {
        "source": one.address,
        "policy": one.policy,
        "state": one.standing.value,
        "last_good_snapshot": None if good is None else good.snapshot,
        "restore_point": None if good is None else utc_time(good.restore_point),
        "rpo_target_s": one.rpo_target_seconds,
        "rpo_actual_s": None if one.rpo_actual_seconds is None else round(one.rpo_actual_seconds),
        "copies": {"complete": one.copies_complete, "promised": one.copies_promised},
        "last_run": None
        if last is None
        else {"run": last.run_id, "state": last.state.value, "started_at": utc_time(last.started_at)},
        "last_drill": None,
        "next_due": None if one.due_at is None else utc_time(one.due_at),
        "running": one.is_running,
        "problem": None
        if trouble is None
        else {
            "text": trouble.text,
            "details": trouble.details,
            "try": trouble.remedy,
            "code": trouble.code,
            "name": trouble.name,
            "hint": trouble.hint,
        },
    }

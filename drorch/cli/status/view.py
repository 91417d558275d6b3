"""One overview at 80 columns, on one screen: problems first, what has one cause told once, one line for each policy."""

from __future__ import annotations

from collections.abc import Sequence

from drorch import __version__
from drorch.cli.output import WIDTH, local_time, wrapped
from drorch.cli.status.fitting import cut_problems, cut_rows, height
from drorch.cli.status.moments import Moments
from drorch.cli.status.problems import Problems
from drorch.cli.status.sums import sums
from drorch.cli.status.tables import Tables
from drorch.operations.occurrences.standing import DaemonStanding
from drorch.operations.overview import Overview
from drorch.operations.watch.alert import Alert
from drorch.operations.watch.decide import SHOWN_BY_OVERVIEW
from drorch.operations.watch.facts import Facts
from drorch.settings import Settings

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LEAST_PROBLEM_LINES = 6
_ALL = "drorch status --all"


class View:
    """Lines for people. ``most_lines`` is what fits on their screen, ``None`` for everything."""

    def __init__(
        self,
        found: Overview,
        daemon: DaemonStanding,
        settings: Settings,
        host: str,
        *,
        most_lines: int | None,
        alerts: Sequence[Alert] = (),
        facts: Facts | None = None,
    ) -> None:
        self._found = found
        self._daemon = daemon
        self._alerts = [alert for alert in alerts if alert.code not in SHOWN_BY_OVERVIEW]
        self._facts = facts
        self._settings = settings
        self._host = host
        self._moments = Moments(now=found.at, zone=settings.time_zone)
        self._most_lines = most_lines

    def lines(self, *, only: str | None) -> list[str]:
        """Return everything: header, problems, table, sums. ``only`` is the policy or source that was asked for."""
        tables = Tables(self._found, self._daemon, self._facts, self._moments)
        header = self._header()
        ending = self._sums()
        rows = tables.by_policy() if only is None else tables.by_source()
        problems = list(Problems(self._found, self._alerts, self._moments).blocks())
        more = _ALL if only is None else f"drorch status {only} --all"
        if self._most_lines is not None:
            around = len(header) + 2 + (2 if problems else 0)
            if around + height(problems) + height(rows) + len(ending) > self._most_lines:
                ending = self._sums(is_brief=True)
            room = self._most_lines - around - len(ending)
            for_problems = max(_LEAST_PROBLEM_LINES, room - height(rows))
            problems = cut_problems(problems, for_problems, more)
            rows = cut_rows(rows, room - height(problems), more)
        shown = ["", "PROBLEMS", *(line for problem in problems for line in problem)] if problems else []
        return [*header, *shown, "", *(line for row in rows for line in row), "", *ending]

    def _sums(self, *, is_brief: bool = False) -> list[str]:
        return sums(self._found, self._daemon, self._facts, self._alerts, self._settings.time_zone, is_brief=is_brief)

    def _header(self) -> list[str]:
        local = self._found.at.astimezone(self._settings.time_zone)
        shown = local_time(self._found.at, str(self._settings.time_zone))
        moment = f"{_DAYS[local.weekday()]} {shown[:16]} {shown[20:]}"
        name = f"drorch {__version__} on {self._host}, {self._settings.file}"
        if len(name) + 2 + len(moment) <= WIDTH:
            return [name.ljust(WIDTH - len(moment)) + moment]
        return [*wrapped(name, 2), moment.rjust(WIDTH)]

"""Drills on the books: each recorded when it begins, sealed when it ends, and told whatever came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from drorch.errors import Bug, DrorchError
from drorch.evidence.drill_report import DrillReport, Machine
from drorch.operations.drills.books import DrillBooks
from drorch.operations.drills.covering import with_coverage
from drorch.operations.drills.due import SourceCoverage
from drorch.operations.drills.killed import report_of_killed
from drorch.operations.drills.request import DrillRequest, Means
from drorch.operations.drills.run import run
from drorch.operations.proof.recording import RecordedDrill

Seal = Callable[[DrillReport, str], RecordedDrill]
Covers = Callable[[datetime], Sequence[SourceCoverage]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """A report, where its evidence is, or why it is nowhere but in this machine's catalog."""

    report: DrillReport
    recorded: RecordedDrill | None
    not_recorded: DrorchError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillSession:
    """Drills and keeps the books; ``seal`` states, signs and enters a report into the ledger; ``coverage`` is asked before each is kept.

    Several threads may drill, when ``seal`` bears it.
    """

    books: DrillBooks
    seal: Seal
    coverage: Covers

    def drill(self, request: DrillRequest, means: Means, *, draw: str = "") -> Drilled:
        """Carry out one drill; raises what ``run.run`` raises, after it was recorded."""
        self.books.begin(request)
        try:
            report = run(request, means)
        except BaseException as error:
            self.books.failed(request.drill, error)
            raise
        return self._keep(with_coverage(report, self.coverage(report.declared_at)), draw)

    def tell_killed(self, machine: Machine) -> tuple[Drilled, ...]:
        """Record every drill of this machine whose process was killed; whoever ends a drill does not end its record."""
        now = self.books.clock.now()
        return tuple(self._keep_killed(report_of_killed(one, machine, now)) for one in self.books.killed())

    def _keep(self, report: DrillReport, draw: str) -> Drilled:
        recorded, problem = self._sealed(report, draw)
        self.books.end(report)
        return Drilled(report=report, recorded=recorded, not_recorded=problem)

    def _keep_killed(self, report: DrillReport) -> Drilled:
        recorded, problem = self._sealed(report, "")
        self.books.tell_killed(report)
        return Drilled(report=report, recorded=recorded, not_recorded=problem)

    def _sealed(self, report: DrillReport, draw: str) -> tuple[RecordedDrill | None, DrorchError | None]:
        """A store that takes no evidence takes nothing from the drill; it is told, and it costs the exit code. A bug stays one."""
        try:
            return self.seal(report, draw), None
        except Bug:
            raise
        except DrorchError as error:
            return None, error

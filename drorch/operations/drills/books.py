"""The books of drills in the catalog: what began, what came of it, what the last one found, and which were killed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from drorch.catalog.interface import Catalog, DrillRecord, IsAlive, PolicyText, RunOutcome, RunRecord, RunState
from drorch.clock import Clock
from drorch.errors import CatalogError
from drorch.evidence.drill_document import report_document
from drorch.evidence.drill_report import DrillReport, Earlier, Verdict
from drorch.ids import drill_id
from drorch.operations.drills.request import DrillRequest
from drorch.operations.drills.verdict import exit_code_of
from drorch.operations.machine import Machine
from drorch.operations.run_log import as_ours
from drorch.policy.explain import policy_text

OPERATION = "drill"
PASSED = (Verdict.PASS.value, Verdict.PASS_WITH_FINDINGS.value)
DECIDED = (*PASSED, Verdict.FAIL.value)
_RANDOM_BYTES = 10
_MOST_KILLED = 100


def new_drill_id(clock: Clock, random_bytes: Callable[[int], bytes]) -> str:
    """Return the id of a drill that is declared now."""
    return drill_id(round(clock.now().timestamp() * 1_000), random_bytes(_RANDOM_BYTES))


def as_record(report: DrillReport) -> DrillRecord:
    """Return the report as the catalog keeps it."""
    met = {True: "met", False: "missed", None: "not_measured"}[report.objectives_met]
    return DrillRecord(
        drill=report.drill,
        source=report.source,
        policy=report.policy.name,
        test=report.test.name,
        scenario=report.scenario.value,
        trigger=report.test.trigger,
        snapshot=None if report.snapshot is None else report.snapshot.id,
        store=None if report.snapshot is None else report.snapshot.store,
        verdict=report.verdict.value,
        objectives=met,
        declared_at=report.declared_at,
        ended_at=report.timeline[-1].at,
        scheduled_for=report.test.scheduled_for,
        rto_ms=report.rto.actual_ms,
        rpo_ms=report.rpo.actual_ms,
        operator=report.people.operator,
        verifier=report.people.verifier,
        summary=report.summary,
        document=report_document(report),
    )


def earlier_of(catalog: Catalog, source: str) -> Earlier | None:
    """Return the last drill of the source that came to a verdict; ``same_findings`` are all of its findings, to be held against new ones."""
    record = next(iter(catalog.drills(source=source, verdicts=DECIDED, limit=1)), None)
    if record is None:
        return None
    checks = record.document.get("checks", ())
    told = [str(text) for check in checks if isinstance(check, dict) for text in check.get("told", ())]
    return Earlier(
        drill=record.drill,
        at=record.declared_at,
        verdict=Verdict(record.verdict),
        rto_ms=record.rto_ms,
        same_findings=tuple(told),
    )


def last_store(catalog: Catalog, source: str) -> str | None:
    """Return the store that the last drill of the source read from."""
    return next((record.store for record in catalog.drills(source=source, limit=20) if record.store), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillBooks:
    """Keeps the books of this machine's drills."""

    catalog: Catalog
    machine: Machine
    is_alive: IsAlive
    clock: Clock

    def begin(self, request: DrillRequest) -> None:
        """Record that a drill begins; a process that is killed leaves this behind."""
        now = self.clock.now()
        digest, text = request.policy_digest, policy_text(request.policy)
        self.catalog.remember_policy(PolicyText(digest=digest, name=request.policy.name, text=text, first_seen_at=now))
        self.catalog.begin_run(
            RunRecord(
                run_id=request.drill.lower(),
                source=request.promise.address,
                policy=request.policy.name,
                operation=OPERATION,
                started_at=now,
                policy_digest=digest,
                host=self.machine.host,
                pid=self.machine.pid,
                process_started=self.machine.process_started,
                slot=request.scheduled_for,
            )
        )

    def end(self, report: DrillReport) -> None:
        """Record what came of a drill."""
        self.catalog.record_drill(as_record(report))
        snapshot = report.snapshot
        self.catalog.end_run(
            report.drill.lower(),
            RunOutcome(
                state=RunState.COMPLETE if report.verdict.value in PASSED else RunState.FAILED,
                ended_at=self.clock.now(),
                snapshot=None if snapshot is None else snapshot.id,
                tables=0 if snapshot is None else snapshot.tables,
                rows=0 if snapshot is None else snapshot.rows,
                bytes_read=0 if snapshot is None else snapshot.size_bytes,
                error_slug=None if report.verdict.value in PASSED else f"drill-{report.verdict.value}",
                error_code=exit_code_of(report) or None,
                error_message=None if report.verdict.value in PASSED else report.summary,
            ),
        )

    def failed(self, drill: str, error: BaseException) -> None:
        """Record a drill that ended without a verdict: no key, an interruption, a fault of ours."""
        with suppress(CatalogError):  # it is found as crashed later on; what ended it must be told
            self.catalog.end_run(
                drill.lower(), RunOutcome.of_error(as_ours(error, OPERATION), ended_at=self.clock.now())
            )

    def killed(self) -> tuple[RunRecord, ...]:
        """Return the drills of this machine whose process was killed and of which no verdict was recorded yet."""
        now = self.clock.now()
        self.catalog.recognise_crashed_runs(host=self.machine.host, is_alive=self.is_alive, now=now)
        crashed = self.catalog.runs(operation=OPERATION, states=(RunState.CRASHED,), limit=_MOST_KILLED)
        own = [run for run in crashed if run.host == self.machine.host]
        known = {record.drill for record in self.catalog.drills(verdicts=("inconclusive",))} if own else set()
        return tuple(run for run in own if run.run_id.upper() not in known)

    def tell_killed(self, report: DrillReport) -> None:
        """Record the report of a drill that was killed."""
        self.catalog.record_drill(as_record(report))

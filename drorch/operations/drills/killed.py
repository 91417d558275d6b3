"""The report of a drill whose process was killed: inconclusive, and kept like any other, so that nobody ends a drill by ending it."""

from __future__ import annotations

from datetime import datetime

from drorch.catalog.interface import RunRecord
from drorch.evidence.drill_report import (
    DrillReport,
    Machine,
    Measured,
    Moment,
    People,
    PolicyUsed,
    Scenario,
    TestUsed,
    Verdict,
)
from drorch.operations.drills.summing_up import REPORT_VERSION
from drorch.operations.drills.untried import nothing_tried

SUMMARY = "it proves neither: the drill was killed before it came to an end"


def report_of_killed(run: RunRecord, machine: Machine, now: datetime) -> DrillReport:
    """Return what can be said of a drill that left only its beginning behind; ``now`` is when that was noticed."""
    unknown = Measured(target_ms=0, actual_ms=None, not_measured="the drill was killed")
    return DrillReport(
        version=REPORT_VERSION,
        drill=run.run_id.upper(),
        scenario=Scenario.SINGLE_DATABASE,
        verdict=Verdict.INCONCLUSIVE,
        summary=SUMMARY,
        source=run.source,
        system_name=run.policy,
        policy=PolicyUsed(
            name=run.policy,
            text_digest=run.policy_digest,
            description="",
            security_level=0,
            owner="",
            custodian=None,
            successors=(),
            legal_basis=(),
            classification=None,
        ),
        test=TestUsed(
            name=run.policy, text_digest="", schedule=None, trigger="unknown", scheduled_for=run.slot, left_out={}
        ),
        people=People(operator=None, verifier=None, observers=(), custodians=(), quorum=None),
        snapshot=None,
        sandbox=None,
        machine=machine,
        timeline=(Moment(name="declared", at=run.started_at), Moment(name="found_killed", at=now)),
        checks=nothing_tried("the process was killed"),
        rto=unknown,
        rpo=unknown,
        newest_record=None,
        before=None,
        coverage=None,
    )

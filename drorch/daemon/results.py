"""What a run answered, as the end of each of its occurrences. The answer comes from another process: anything may be in it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from drorch.catalog.interface import OccurrenceState
from drorch.errors import PARTIAL, DrillFailed, DrillInconclusive, Interrupted, NothingDone, ObjectiveMissed, Terminated
from drorch.operations.occurrences.aftermath import may_pass
from drorch.operations.occurrences.entries import RunEnd
from drorch.operations.occurrences.journal_lines import RunTold, objects_of
from drorch.policy.occurrences.duty import Duty, DutyKind

_LONGEST_REASON = 500
_DRILL_ERRORS = {error.exit_code: error for error in (DrillFailed, ObjectiveMissed, DrillInconclusive)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How the process of a run ended, what it wrote, and how long it ran; ``code`` is negative when a signal ended it."""

    code: int
    document: Mapping[str, Any] | None
    seconds: float = 0.0

    @classmethod
    def of(cls, code: int, output: bytes, *, seconds: float = 0.0) -> Answer:
        """Return the answer in ``output``; what is no JSON object is no answer."""
        try:
            found = json.loads(output)
        except (ValueError, RecursionError):
            found = None
        return cls(code=code, document=found if isinstance(found, dict) else None, seconds=seconds)

    @property
    def told(self) -> RunTold:
        """What the journal says of it."""
        return RunTold(exit_code=self.code, seconds=self.seconds, document=self.document or {})

    @property
    def was_ended(self) -> bool:
        """Whether somebody ended it in order: it is to be run again, and nothing was wrong with it."""
        return self.code in (Interrupted.exit_code, Terminated.exit_code)


def ends_of(duties: Iterable[Duty], answer: Answer) -> Mapping[tuple[str, str], RunEnd]:
    """Return how the occurrence of each duty ended."""
    return {duty.key: _end(duty, answer) for duty in duties}


def _end(duty: Duty, answer: Answer) -> RunEnd:
    document = answer.document or {}
    if duty.kind is DutyKind.BACKUP:
        for snapshot in objects_of(document, "snapshots"):
            if snapshot.get("source") == duty.subject:
                return _of_snapshot(snapshot)
        for failure in objects_of(document, "failures"):
            if failure.get("source") in (duty.subject, duty.policy):
                return _of_error(failure.get("error"), duty)
    if isinstance(document.get("error"), dict):
        return _of_error(document["error"], duty)
    if duty.kind is DutyKind.DRILL and answer.code in _DRILL_ERRORS:
        return _of_drills(answer)
    return _of_code(answer, duty)


def _of_drills(answer: Answer) -> RunEnd:
    """Return how a restore test ended that did not pass: the verdict in words, of each source."""
    drills = [one for one in objects_of(answer.document or {}, "drills") if one.get("verdict") != "pass"]
    reason = "; ".join(f"{one.get('source')}: {one.get('summary')}" for one in drills)[:_LONGEST_REASON]
    slug = _DRILL_ERRORS[answer.code].slug
    run_id = str(drills[0].get("drill", "")) or None if drills else None
    return RunEnd(
        state=OccurrenceState.FAILED, reason=reason or f"exit code {answer.code}", error_slug=slug, run_id=run_id
    )


def _of_snapshot(snapshot: Mapping[str, Any]) -> RunEnd:
    run_id = str(snapshot.get("snapshot", "")) or None
    if snapshot.get("state") == "complete":
        return RunEnd(state=OccurrenceState.OK, run_id=run_id)
    found = (snapshot.get(key) for key in ("incomplete", "warnings"))
    reasons = [str(one) for listed in found if isinstance(listed, list) for one in listed]
    reasons += [
        f"{copy.get('store')}: {copy.get('error')}" for copy in objects_of(snapshot, "copies") if "error" in copy
    ]
    return RunEnd(state=OccurrenceState.PARTIAL, reason="; ".join(reasons)[:_LONGEST_REASON], run_id=run_id)


def _of_error(error: object, duty: Duty) -> RunEnd:
    told = error if isinstance(error, dict) else {}
    slug = str(told.get("name", "")) or None
    is_busy = slug == NothingDone.slug
    return RunEnd(
        state=OccurrenceState.FAILED,
        reason=str(told.get("message", "it did not say why"))[:_LONGEST_REASON],
        error_slug=slug,
        may_pass=(told.get("retryable") is True or may_pass(slug)) and not (is_busy and _wants_a_word(duty)),
    )


def _wants_a_word(duty: Duty) -> bool:
    """Whether nothing done means that a person must decide, not that something else runs."""
    return duty.kind is DutyKind.PRUNE


def _of_code(answer: Answer, duty: Duty) -> RunEnd:
    if answer.code == 0:
        return RunEnd(state=OccurrenceState.OK)
    if answer.code == PARTIAL:
        return RunEnd(state=OccurrenceState.PARTIAL, reason=_reasons(answer.document or {}))
    if answer.code < 0:
        name = signal.Signals(-answer.code).name if -answer.code in set(signal.Signals) else str(-answer.code)
        return RunEnd(state=OccurrenceState.FAILED, reason=f"its process was ended by {name}", may_pass=True)
    is_busy = answer.code == NothingDone.exit_code and not _wants_a_word(duty)
    reason = _reasons(answer.document or {}) or f"exit code {answer.code}"
    return RunEnd(state=OccurrenceState.FAILED, reason=reason, may_pass=is_busy)


def _reasons(document: Mapping[str, Any]) -> str:
    """Return what a partial answer says is wrong, as far as it says so in words."""
    told = [_reason(one) for key in ("failures", "problems", "findings") for one in objects_of(document, key)]
    return "; ".join(one for one in told if one)[:_LONGEST_REASON]


def _reason(told: Mapping[str, Any]) -> str:
    error = told.get("error")
    below = error.get("message", "") if isinstance(error, dict) else ""
    return str(told.get("message") or told.get("text") or below)

"""How a run ended whose daemon did not see its end: by what the run itself wrote into the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drorch.catalog.interface import Catalog, OccurrenceRecord, OccurrenceState, RunRecord, RunState
from drorch.errors import CaptureFailed, DrorchError, NothingDone, every_error
from drorch.operations.occurrences.entries import Entry, RunEnd

_LOOKED_AT = 20
_STATES = {RunState.COMPLETE: OccurrenceState.OK, RunState.PARTIAL: OccurrenceState.PARTIAL}
_PASSING = (RunState.CRASHED, RunState.INTERRUPTED, RunState.VOID)


def run_of(catalog: Catalog, record: OccurrenceRecord) -> RunRecord | None:
    """Return the last run that was started for an occurrence, ``None`` when none began or its kind keeps no such record."""
    runs = catalog.runs(source=record.subject, operation=record.kind, limit=_LOOKED_AT)
    return next((run for run in runs if run.slot == record.slot), None)


def end_of(run: RunRecord) -> RunEnd | None:
    """Return how a run ended, ``None`` while it has not."""
    if run.state is RunState.RUNNING:
        return None
    if run.state in _STATES:
        return RunEnd(state=_STATES[run.state], reason=run.error_message or "", run_id=run.run_id)
    return RunEnd(
        state=OccurrenceState.FAILED,
        reason=run.error_message or "its process was gone",
        error_slug=run.error_slug,
        may_pass=run.state in _PASSING or may_pass(run.error_slug),
        run_id=run.run_id,
    )


def ends_unseen(catalog: Catalog, entries: Sequence[Entry]) -> Mapping[tuple[str, str], RunEnd] | None:
    """Return how the occurrences of a job ended whose process nobody waits for; ``None`` while one of them goes on."""
    ends: dict[tuple[str, str], RunEnd] = {}
    for entry in entries:
        run = run_of(catalog, entry.record)
        end = failure(CaptureFailed("its run left no record")) if run is None else end_of(run)
        if end is None:
            return None
        ends[entry.duty.key] = end
    return ends


def may_pass(slug: str | None) -> bool:
    """Whether what failed with this slug may be gone at the next try: also another run that holds the source."""
    return slug == NothingDone.slug or any(error.slug == slug and error.retryable for error in every_error())


def failure(error: DrorchError) -> RunEnd:
    """Return the end of a run that ``error`` kept from beginning."""
    return RunEnd(
        state=OccurrenceState.FAILED, reason=error.message, error_slug=error.slug, may_pass=may_pass(error.slug)
    )

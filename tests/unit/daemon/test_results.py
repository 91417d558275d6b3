"""What another process answers may be anything: it ends the occurrences of its run, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from drorch.catalog.interface import OccurrenceState
from drorch.daemon.results import Answer, ends_of
from drorch.operations.occurrences.entries import RunEnd
from drorch.policy.occurrences.duty import Duty, DutyKind
from drorch.policy.schedule import parse_schedule

SINCE = datetime(2026, 11, 23, tzinfo=UTC)


def end(kind: DutyKind, code: int, output: bytes) -> RunEnd:
    duty = Duty(
        kind=kind, subject="land", policy="land", schedule=parse_schedule("0 1 * * *", ZoneInfo("UTC")), since=SINCE
    )
    (found,) = ends_of([duty], Answer.of(code, output)).values()
    return found


@pytest.mark.parametrize(
    ("kind", "code", "output", "state", "reason"),
    [
        (DutyKind.COPY, 0, b"[" * 1_000_000, OccurrenceState.OK, ""),
        (
            DutyKind.BACKUP,
            3,
            b'{"snapshots": [{"source": "land", "state": "partial", "incomplete": 5, "warnings": ["x"]}]}',
            OccurrenceState.PARTIAL,
            "x",
        ),
        (DutyKind.COPY, 3, b'{"problems": [{"error": "store-away"}]}', OccurrenceState.PARTIAL, ""),
        (DutyKind.COPY, 3, b'{"problems": [{"error": {"message": "away"}}]}', OccurrenceState.PARTIAL, "away"),
    ],
    ids=["nested too deeply", "numbers for lists", "words for objects", "an error in an object"],
)
def test_an_answer_of_another_shape(
    kind: DutyKind, code: int, output: bytes, state: OccurrenceState, reason: str
) -> None:
    found = end(kind, code, output)
    assert (found.state, found.reason) == (state, reason)

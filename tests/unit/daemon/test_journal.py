"""The daemon's log: every line fits the published form, and a run is one line with all that is known of it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from drorch.catalog.interface import DaemonRecord, OccurrenceRecord, OccurrenceState
from drorch.daemon.journal import Journal
from drorch.daemon.results import Answer
from tests.support.manual_clock import START, ManualClock

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs/monitoring/log.schema.json").read_text())
NIGHTLY = OccurrenceRecord(
    host="backup1",
    kind="backup",
    subject="land",
    epoch=0,
    slot=START,
    policy="land",
    state=OccurrenceState.OK,
    queued_at=START,
    last_slot=START,
    attempts=1,
    ended_at=START,
    run_id="7kq2m9xd",
)
SNAPSHOT = {
    "source": "land",
    "snapshot": "7kq2m9xd",
    "state": "complete",
    "tables": 212,
    "rows": 4_012_377,
    "bytes_read": 1_240_000_000,
    "bytes_stored": 5_600_000,
    "copies": [{"store": "hanoi", "state": "complete"}, {"store": "dalat", "state": "failed", "error": "store-denied"}],
}


def told(call: Any) -> dict[str, Any]:
    stream = io.StringIO()
    call(Journal(stream, ManualClock()))
    assert stream.getvalue().count("\n") == 1
    line: dict[str, Any] = json.loads(stream.getvalue())
    jsonschema.validate(line, SCHEMA)
    return line


def test_a_run_is_one_line_with_everything() -> None:
    answer = Answer(code=3, document={"snapshots": [{"source": "other"}, SNAPSHOT]}, seconds=8.3124)
    line = told(lambda journal: journal.ended((NIGHTLY,), answer))
    wanted = {
        "event": "run",
        "level": "info",
        "policy": "land",
        "source": "land",
        "state": "ok",
        "duration_s": 8.312,
        "exit_code": 3,
        "snapshot": "7kq2m9xd",
        "bytes_read": 1_240_000_000,
        "bytes_stored": 5_600_000,
        "stores": {"hanoi": "complete", "dalat": "failed"},
    }
    assert wanted.items() <= line.items()


@pytest.mark.parametrize(
    ("state", "attempts", "event", "level"),
    [
        (OccurrenceState.FAILED, 2, "run", "error"),
        (OccurrenceState.WAITING, 1, "run", "warning"),
        (OccurrenceState.PARTIAL, 1, "run", "warning"),
        (OccurrenceState.MISSED, 0, "not_run", "error"),
        (OccurrenceState.SKIPPED, 0, "not_run", "info"),
        (OccurrenceState.SUPERSEDED, 0, "not_run", "warning"),
    ],
)
def test_what_did_not_go_well_says_so(state: OccurrenceState, attempts: int, event: str, level: str) -> None:
    record = replace(NIGHTLY, state=state, attempts=attempts, reason="sổ khoá", not_before=START, run_id=None)
    line = told(lambda journal: journal.ended((record,), None))
    assert (line["event"], line["level"], line["reason"]) == (event, level, "sổ khoá")


@pytest.mark.parametrize(
    "document", [{"snapshots": "no list"}, {"snapshots": [1, None]}, {"snapshots": [{"source": 1}]}]
)
def test_an_answer_of_another_form_is_a_line_all_the_same(document: dict[str, Any]) -> None:
    line = told(lambda journal: journal.ended((NIGHTLY,), Answer(code=0, document=document)))
    assert (line["bytes_read"], line["stores"]) == (None, {})


def test_what_the_daemon_itself_does_is_told() -> None:
    daemon = DaemonRecord(
        host="backup1", pid=7, process_started="1", epoch=0, started_at=START, accounted_until=START, heartbeat_at=START
    )
    assert told(lambda journal: journal.started(daemon, ""))["reason"] is None
    assert told(lambda journal: journal.reloaded(("land.yaml:5:5  unknown key",)))["level"] == "warning"
    assert told(lambda journal: journal.troubled("the catalog cannot be written"))["event"] == "trouble"
    assert told(lambda journal: journal.stopping())["event"] == "daemon_stopping"

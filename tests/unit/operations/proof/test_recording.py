"""A drill is sealed: stated, signed, and in the ledger of every store, whatever its verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drorch.errors import EvidenceBroken
from drorch.evidence.drill_report import DrillReport, Verdict
from drorch.evidence.envelope import verify_envelope
from drorch.evidence.ledger_entry import EntryKind
from drorch.evidence.statement import read_statement
from drorch.operations.proof import recording
from tests.support.drill_reports import drill_report
from tests.support.ledgers import WRITER, objects, read, repository, two_stores, writer
from tests.support.statements import passing_report


@pytest.mark.parametrize(
    ("report", "kind"), [(passing_report(), EntryKind.DRILL), (drill_report(), EntryKind.DRILL_FAILED)]
)
def test_a_drill_is_kept_in_every_store_whether_it_passed_or_not(report: DrillReport, kind: EntryKind) -> None:
    hanoi, dalat = two_stores()
    recorded = recording.run(report, writer(repository(hanoi, dalat)))
    assert recorded.name == f"evidence/2026/{report.drill.lower()}.dsse"
    for store in (hanoi, dalat):
        raw = store.read(recorded.name, limit_bytes=2**26)
        verified = verify_envelope(raw, {WRITER.key_id: WRITER.public})
        assert read_statement(verified.payload) == report
        assert verified.digest == recorded.digest
    (entry,) = read(hanoi, dalat).entries()
    assert (entry.entry.kind, entry.entry.subject, entry.number) == (kind, report.drill, recorded.number)
    assert entry.entry.documents[0].digest == recorded.digest


def test_a_report_that_contradicts_itself_is_not_kept() -> None:
    hanoi, _ = two_stores()
    with pytest.raises(EvidenceBroken):
        recording.run(replace(drill_report(), verdict=Verdict.PASS), writer(repository(hanoi)))
    assert objects(hanoi) == objects(hanoi, "evidence/") == {}

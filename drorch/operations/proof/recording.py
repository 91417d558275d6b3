"""Seal what a drill found: state it, sign it with the machine's key, and enter it into the ledger of every store.

One that failed is kept exactly like one that passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drorch.errors import DrorchError
from drorch.evidence.drill_report import DrillReport, Verdict
from drorch.evidence.envelope import sign_envelope
from drorch.evidence.ledger_entry import Document, Entry, EntryKind
from drorch.evidence.ledger_segment import SegmentHead
from drorch.evidence.statement import encode_statement
from drorch.format import names
from drorch.format.objects import digest_of
from drorch.ids import Digest, KeyId
from drorch.operations.proof.appending import LedgerWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDrill:
    """Where a drill's evidence is now: ``name`` of the signed statement, ``number`` of its entry, ``head`` of the ledger with it."""

    name: str
    digest: Digest
    number: int
    head: SegmentHead
    signer: KeyId
    stores: tuple[str, ...]
    failures: Mapping[str, DrorchError] = field(default_factory=dict)


def statement_name(report: DrillReport) -> str:
    """Return the name of the object that holds a drill's signed statement."""
    return names.evidence_document(report.declared_at.year, f"{report.drill}.dsse")


def run(report: DrillReport, writer: LedgerWriter, *, draw: str = "") -> RecordedDrill:
    """State and keep it; ``draw`` is the subject of the ledger entry by which its source was drawn.

    Raises ``EvidenceBroken`` for a report that contradicts itself, and what ``LedgerWriter.append`` raises.
    """
    envelope = sign_envelope(encode_statement(report), (writer.key,))
    name, digest = statement_name(report), digest_of(envelope)
    entry = Entry(
        kind=EntryKind.DRILL_FAILED if report.verdict is Verdict.FAIL else EntryKind.DRILL,
        subject=report.drill,
        at=writer.clock.now(),
        facts={
            "test": report.test.name,
            "source": report.source,
            "snapshot": "" if report.snapshot is None else report.snapshot.id,
            "verdict": report.verdict.value,
            "draw": draw,
        },
        documents=(Document(name, digest),),
    )
    appended = writer.append([entry], {name: envelope})
    return RecordedDrill(
        name=name,
        digest=digest,
        number=appended.numbers[0],
        head=appended.head,
        signer=writer.key.key_id,
        stores=appended.stores,
        failures=appended.failures,
    )

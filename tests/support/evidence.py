"""Drills that were recorded and signed, and who trusts whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from drorch.evidence.dossier import Dossier
from drorch.evidence.drill_report import Draw, DrillReport, Selection
from drorch.evidence.envelope import sign_envelope
from drorch.evidence.ledger_entry import Document, Entry, EntryKind
from drorch.evidence.lots import Lot, commitment_of, draw, list_digest_of, lots_document
from drorch.evidence.month_rules import encode_month
from drorch.evidence.sign_off import TrustedPerson
from drorch.evidence.trusted_keys import TrustedKeys
from drorch.format.objects import digest_of
from drorch.format.signing import SigningKey
from drorch.operations.proof import recording, signing
from drorch.operations.proof.appending import LedgerWriter
from drorch.operations.proof.gathering import gather
from drorch.operations.proof.signing import SignRequest
from drorch.repository.opening import Repository
from drorch.storage.memory import MemoryStore
from tests.support.ledgers import ROOT, WRITER, repository, writer
from tests.support.repositories import ManualClock, seed
from tests.support.statements import OPERATOR, OPERATOR_PERSON, VERIFIER, VERIFIER_PERSON, passing_report

TRUSTED = TrustedKeys(root=ROOT[:16], people=(OPERATOR_PERSON, VERIFIER_PERSON))
DRAW = "lamdong-land-2026-11"
SEED = seed("draw")
LOTS = [Lot(f"d{number}", "large" if number % 2 else "small") for number in range(10)]


def undrawn(report: DrillReport) -> DrillReport:
    """Return the report with a snapshot that nobody drew."""
    assert report.snapshot is not None
    return replace(report, snapshot=replace(report.snapshot, draw=None, selection=Selection.LATEST))


@dataclass(frozen=True)
class Bench:
    """A repository in one store, with a machine that drills."""

    store: MemoryStore

    @property
    def repository(self) -> Repository:
        return repository(self.store)

    @property
    def writer(self) -> LedgerWriter:
        return replace(writer(self.repository), clock=ManualClock())

    def drill(self, report: DrillReport | None = None, *, draw: str = "") -> DrillReport:
        kept = report or undrawn(passing_report())
        recording.run(kept, self.writer, draw=draw)
        return kept

    def sign(
        self, person: TrustedPerson, key: SigningKey, *, agrees: bool = True, trusted: TrustedKeys = TRUSTED
    ) -> None:
        request = SignRequest(wanted="01KB3W0T", person=person, agrees=agrees, comment="", trusted=trusted)
        signing.sign(request, key, self.writer)

    def both_sign(self) -> None:
        self.sign(OPERATOR_PERSON, OPERATOR)
        self.sign(VERIFIER_PERSON, VERIFIER)

    def dossier(self) -> Dossier:
        return gather(self.repository)


def bench() -> Bench:
    return Bench(MemoryStore(ManualClock()))


def reported(month: str = "", key: SigningKey = WRITER) -> Bench:
    """Return a bench with nothing but a report of this month; ``month`` is what the page says instead, ``key`` who signed it."""
    made = bench()
    now = made.writer.clock.now()
    figures = {"month": month or f"{now:%Y-%m}", "is_over": False, "made_at": "now", "host": "backup1", "kept": True}
    envelope = sign_envelope(encode_month(figures), (key,))
    name = f"evidence/{now:%Y}/month-{now:%Y-%m}-1.dsse"
    entry = Entry(
        kind=EntryKind.REPORT_MONTH,
        subject=f"{now:%Y-%m}",
        at=now,
        facts={"month": f"{now:%Y-%m}"},
        documents=(Document(name, digest_of(envelope)),),
    )
    made.writer.append([entry], {name: envelope})
    return made


def drawn_bench(*, drilled: int = 3, **lies: Any) -> Bench:
    """Return a bench with a draw of three sources of which some were drilled; ``lies`` replace facts of the draw."""
    made = bench()
    excluded = {"d10": "retired"}
    drawn = list(draw(SEED, LOTS, 3))
    commitment = {
        "test": "sample",
        "commitment": commitment_of(SEED),
        "list_digest": list_digest_of(LOTS, excluded),
        "listed": len(LOTS),
        "count": 3,
    }
    facts = {
        "test": "sample",
        "seed": SEED.hex(),
        "count": 3,
        "list": lots_document(LOTS),
        "excluded": excluded,
        "drawn": drawn,
        **lies,
    }
    at = made.writer.clock.now()
    made.writer.append([Entry(kind=EntryKind.SEED_COMMITTED, subject=DRAW, at=at, facts=commitment)])
    made.writer.append([Entry(kind=EntryKind.DRAWN, subject=DRAW, at=at, facts=facts)])
    for number, source in enumerate(drawn[:drilled]):
        made.drill(drawn_report(source, number, drawn), draw=DRAW)
    return made


def drawn_report(source: str, number: int, drawn: list[str]) -> DrillReport:
    report = passing_report(f"01KB3W0T5Q8N2R7T4V6W1Y3Z{number:02d}")
    assert report.snapshot is not None
    told = Draw(
        seed=SEED.hex(), list_digest="11" * 32, candidates=len(LOTS), excluded={"d10": "retired"}, drawn=tuple(drawn)
    )
    return replace(report, source=source, snapshot=replace(report.snapshot, source=source, draw=told))


MACHINE = WRITER

"""Verify one drill, step by step: who vouches for the keys, the ledger, the statement, the draw, people's words, the time.

Every step is told, also when one before it failed; nothing is skipped silently. Trust comes from the reader's keys only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drorch.errors import DrorchError, EvidenceBroken
from drorch.evidence.dossier import OpenedDossier
from drorch.evidence.draw_rules import draw_steps
from drorch.evidence.drill_report import DrillReport
from drorch.evidence.envelope import check_signature, open_envelope
from drorch.evidence.ledger import NumberedEntry
from drorch.evidence.ledger_entry import EntryKind
from drorch.evidence.people_rules import people_steps
from drorch.evidence.signers import machine_keys, signer_step
from drorch.evidence.stamp_rules import ChecksStamp, stamp_steps
from drorch.evidence.statement import read_statement
from drorch.evidence.steps import Step, StepOutcome
from drorch.evidence.trusted_keys import TrustedKeys
from drorch.ids import Digest, grouped
from drorch.quantities import counted

OK, NOTE, UNKNOWN, FAIL = StepOutcome.OK, StepOutcome.NOTE, StepOutcome.UNKNOWN, StepOutcome.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedDrill:
    """One drill's entry, its report (``None``: it could not be read), the digest of its envelope, and the steps."""

    entry: NumberedEntry
    report: DrillReport | None
    digest: Digest
    steps: tuple[Step, ...]


def common_steps(opened: OpenedDossier) -> list[Step]:
    """Return what holds for everything in a dossier: its root and its ledger."""
    root = grouped(opened.trust.root_digest.raw[:16])
    steps = [
        Step("trust root", OK, f"{root}, as you were told")
        if opened.is_rooted
        else Step("trust root", UNKNOWN, f"{root} is not one that you were told")
    ]
    count = len(opened.entries)
    steps += [Step("ledger", FAIL, problem.words) for problem in opened.alarms]
    if not opened.alarms:
        steps.append(
            Step(
                "ledger",
                OK,
                f"{counted(count, 'entry')} in {counted(len(opened.chains), 'chain')}, none altered or taken out",
            )
        )
    return steps


def verify_drill(
    opened: OpenedDossier, entry: NumberedEntry, trusted: TrustedKeys, checks_stamp: ChecksStamp | None = None
) -> VerifiedDrill:
    """Verify the drill of a ledger entry; ``common_steps`` says the rest."""
    document = entry.entry.documents[0] if entry.entry.documents else None
    raw = None if document is None else opened.content(document)
    if document is None or raw is None:
        found = "none is named" if document is None else f"{document.name} is missing or altered"
        step = Step("statement", FAIL, found)
        return VerifiedDrill(entry=entry, report=None, digest=Digest(bytes(32)), steps=(step,))
    steps, report = _statement_steps(opened, entry, raw, trusted)
    if report is not None:
        steps += draw_steps(opened, entry, report)
    steps += people_steps(opened, entry.entry.subject, document.digest, trusted)
    steps += stamp_steps(opened, entry.entry.subject, raw, checks_stamp)
    steps += _superseded(opened, entry)
    return VerifiedDrill(entry=entry, report=report, digest=document.digest, steps=tuple(steps))


def _statement_steps(
    opened: OpenedDossier, entry: NumberedEntry, raw: bytes, trusted: TrustedKeys
) -> tuple[list[Step], DrillReport | None]:
    steps: list[Step] = []
    try:
        envelope = open_envelope(raw)
        chain = opened.chains[entry.chain]
        public, label = machine_keys(opened)[chain.key_id]
        check_signature(envelope, public)
        steps.append(signer_step(opened, chain.key_id, label, trusted, entry))
        report = read_statement(envelope.payload)
        _require_same_drill(entry, report)
    except DrorchError as error:
        steps.append(Step("statement", FAIL, f"{error.message}: {error.found}".removesuffix(": ")))
        return steps, None
    number, verdict = entry.number, report.verdict.value
    steps.append(Step("statement", OK, f"{verdict}, as its checks bear out; entry {number:,} of {label}"))
    return steps, report


def _require_same_drill(entry: NumberedEntry, report: DrillReport) -> None:
    """The entry must say of the drill what the drill says of itself."""
    facts = entry.entry.facts
    snapshot = "" if report.snapshot is None else report.snapshot.id
    kind = EntryKind.DRILL_FAILED if report.verdict.value == "fail" else EntryKind.DRILL
    said = (entry.entry.subject, facts["source"], facts["test"], facts["snapshot"], facts["verdict"], entry.entry.kind)
    stated = (report.drill, report.source, report.test.name, snapshot, report.verdict.value, kind)
    if said != stated:
        raise EvidenceBroken("the ledger says something else of this drill", expected=str(said), found=str(stated))


def _superseded(opened: OpenedDossier, entry: NumberedEntry) -> Iterator[Step]:
    for one in opened.about(entry.entry.subject, EntryKind.SUPERSEDED):
        yield Step("superseded", NOTE, f"by {one.entry.facts['by'] or 'nothing'}: {one.entry.facts['reason']}")

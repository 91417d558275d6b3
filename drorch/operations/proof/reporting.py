"""Make the reports of drills on paper, out of their signed statements: never out of the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo

from drorch.errors import EvidenceBroken
from drorch.evidence.dossier import Dossier, OpenedDossier, open_dossier
from drorch.evidence.envelope import check_signature, open_envelope
from drorch.evidence.ledger import NumberedEntry
from drorch.evidence.ledger_entry import EntryKind
from drorch.evidence.people_rules import read_signed
from drorch.evidence.signers import machine_keys
from drorch.evidence.stamp_rules import stamp_words
from drorch.evidence.statement import read_statement
from drorch.operations.proof.drill_paper import DrillPaper, drill_page
from drorch.operations.proof.paper_words import Language
from drorch.operations.proof.verifying import wanted_drills
from drorch.paper.typesetting import typeset

LANGUAGES: tuple[Language, ...] = ("vi", "en")


def run(dossier: Dossier, wanted: str, zone: tzinfo) -> Mapping[str, bytes]:
    """Return the PDFs of a drill, or of all of a month, by file name: ``ID.vi.pdf`` and ``ID.en.pdf``.

    Raises ``EvidenceBroken`` for a statement that is missing or altered, and what ``verifying.wanted_drills`` raises. Whether the reader
    trusts who signed is for ``evidence verify`` to say.
    """
    opened = open_dossier(dossier, None)
    return dict(pair for entry in wanted_drills(opened, wanted) for pair in _reports(opened, entry, zone))


def _reports(opened: OpenedDossier, entry: NumberedEntry, zone: tzinfo) -> Iterator[tuple[str, bytes]]:
    yield from papers_of(paper_of(opened, entry), zone)


def papers_of(paper: DrillPaper, zone: tzinfo) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of the PDF in each language."""
    for language in LANGUAGES:
        yield f"{paper.report.drill}.{language}.pdf", typeset(drill_page(paper, language, zone))


def paper_of(opened: OpenedDossier, entry: NumberedEntry) -> DrillPaper:
    """Return what the report of an entry shows; raise ``EvidenceBroken``."""
    document = entry.entry.documents[0]
    raw = opened.content(document)
    if raw is None:
        raise EvidenceBroken(f"{document.name} is missing or altered", hint="`drorch evidence verify` says more")
    envelope = open_envelope(raw)
    check_signature(envelope, machine_keys(opened)[opened.chains[entry.chain].key_id][0])
    drill = entry.entry.subject
    stamps = opened.about(drill, EntryKind.TIME_STAMPED)
    return DrillPaper(
        report=read_statement(envelope.payload),
        digest=document.digest,
        entry=entry.number,
        head=entry.segment.digest,
        signed=tuple(read_signed(opened, one).word for one in opened.about(drill, EntryKind.SIGNED)),
        timestamp=stamp_words(stamps[0].entry) if stamps else "none",
    )

"""Drills as the ledger knows them, for a catalog that has not seen them: what the signers of this repository stated, and who put a name to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from drorch.catalog.interface import SUPERSEDED, Catalog, DrillRecord, DrillSignature
from drorch.errors import EvidenceError, IntegrityError
from drorch.evidence.dossier import OpenedDossier
from drorch.evidence.envelope import check_signature, open_envelope
from drorch.evidence.ledger import NumberedEntry, ProblemKind
from drorch.evidence.ledger_entry import EntryKind
from drorch.evidence.people_rules import read_signed
from drorch.evidence.sign_off import PersonRole, TrustedPerson
from drorch.evidence.signers import machine_keys
from drorch.evidence.statement import read_statement
from drorch.ids import KeyId
from drorch.operations.drills.books import as_record
from drorch.operations.proof.gathering import open_ledger
from drorch.repository.opening import Repository

_READERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalledDrills:
    """How many drills the ledger tells, and why some of its statements or chains say nothing."""

    drills: int
    problems: tuple[str, ...]


def recall(repository: Repository, catalog: Catalog, people: Collection[TrustedPerson]) -> RecalledDrills:
    """Record the drills of every machine as their signed statements say, and the words of ``people`` on them; what the catalog has more stays.

    Raises what the last store raised when none shows its ledger.
    """
    return recall_from(open_ledger(repository), catalog, people)


def recall_from(opened: OpenedDossier, catalog: Catalog, people: Collection[TrustedPerson]) -> RecalledDrills:
    """Do what ``recall`` does with the part of the ledger that was read; raises nothing that a store met."""
    known = {record.drill for record in catalog.drills()}
    entries = {one.entry.subject: one for one in opened.drills()}
    problems: list[str] = []
    with ThreadPoolExecutor(_READERS, thread_name_prefix="statement") as readers:
        for found in readers.map(lambda one: _stated(opened, one), _not_yet(entries.values(), known)):
            if isinstance(found, str):
                problems.append(found)
            else:
                catalog.record_drill(found)
    there = {record.drill for record in catalog.drills()}
    for signature in _signatures(opened, there, {(one.public.key_id, one.identifier, one.role) for one in people}):
        catalog.record_drill_signature(signature)
    strangers = [one.words for one in opened.problems if one.kind is ProblemKind.UNSIGNED]
    return RecalledDrills(drills=len(entries) - len(problems), problems=(*problems, *strangers))


def _not_yet(entries: Iterable[NumberedEntry], known: set[str]) -> Iterator[NumberedEntry]:
    return (one for one in entries if one.entry.subject not in known)


def _stated(opened: OpenedDossier, entry: NumberedEntry) -> DrillRecord | str:
    """Return what the signed statement of an entry says, or why nothing can be believed of it."""
    document = entry.entry.documents[0] if entry.entry.documents else None
    raw = None if document is None else opened.content(document)
    if raw is None:
        return f"the statement of drill {entry.entry.subject} is missing or altered"
    try:
        envelope = open_envelope(raw)
        check_signature(envelope, machine_keys(opened)[opened.chains[entry.chain].key_id][0])
        report = read_statement(envelope.payload)
    except (EvidenceError, IntegrityError) as error:
        return f"the statement of drill {entry.entry.subject}: {error.message}"
    if report.drill != entry.entry.subject:
        return f"the statement of drill {entry.entry.subject} is of drill {report.drill}"
    return as_record(report)


def _signatures(
    opened: OpenedDossier, drills: set[str], known: set[tuple[KeyId, str, PersonRole]]
) -> Iterator[DrillSignature]:
    for entry in opened.entries:
        if entry.entry.kind is EntryKind.SUPERSEDED and entry.entry.subject in drills:
            said = entry.entry
            yield DrillSignature(drill=said.subject, person=said.facts["person"], role=SUPERSEDED, signed_at=said.at)
        if entry.entry.kind is not EntryKind.SIGNED or entry.entry.subject not in drills:
            continue
        try:
            word = read_signed(opened, entry).word
        except (EvidenceError, IntegrityError):
            continue  # `evidence verify` tells it; a list of drills shows the words that hold
        if word.drill == entry.entry.subject and (word.key, word.person, word.role) in known:
            yield DrillSignature(drill=word.drill, person=word.person, role=word.role.value, signed_at=word.at)

"""Add a person's word to a drill, or say that a drill is superseded: entries of the ledger, nothing is edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from drorch.errors import EvidenceBroken, SignOffRefused, UsageInvalid
from drorch.evidence.dossier import OpenedDossier, open_dossier
from drorch.evidence.envelope import sign_envelope
from drorch.evidence.ledger import NumberedEntry
from drorch.evidence.ledger_entry import Document, Entry, EntryKind
from drorch.evidence.people_rules import read_signed
from drorch.evidence.sign_off import (
    LONGEST_COMMENT,
    SignOff,
    TrustedPerson,
    encode_sign_off,
    require_separate_people,
)
from drorch.evidence.signers import machine_keys
from drorch.evidence.steps import StepOutcome
from drorch.evidence.trusted_keys import TrustedKeys
from drorch.evidence.verification import verify_drill
from drorch.format import names
from drorch.format.keyfile import KeyKind, PublicKey, encode_public
from drorch.format.objects import digest_of
from drorch.format.signing import SigningKey
from drorch.ids import KeyId
from drorch.operations.proof.appending import Appended, LedgerWriter
from drorch.operations.proof.gathering import gather
from drorch.operations.proof.verifying import wanted_drills


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRequest:
    """Who says what of which drill; ``trusted`` are the people and root of this installation."""

    wanted: str
    person: TrustedPerson
    agrees: bool
    comment: str
    trusted: TrustedKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The word that was said, the verdict of the drill that it is about, and where it is now."""

    word: SignOff
    verdict: str
    appended: Appended


def sign(request: SignRequest, key: SigningKey, writer: LedgerWriter) -> Signed:
    """Verify the drill, then sign its statement's digest with the person's own ``key`` and enter that into the ledger.

    Raises ``SignOffRefused`` for a key that is not the person's or is a machine's, for a person who would fill both roles or said this before;
    ``EvidenceBroken`` for a drill whose evidence does not hold; ``EvidenceUnknown``; and what ``LedgerWriter.append`` raises.
    """
    opened = open_dossier(gather(writer.repository), request.trusted.root)
    (entry,) = wanted_drills(opened, request.wanted)
    _require_fit(request, key, opened, entry)
    statement = entry.entry.documents[0].digest
    word = SignOff(
        drill=entry.entry.subject,
        statement=statement,
        person=request.person.identifier,
        name=request.person.name,
        role=request.person.role,
        key=key.key_id,
        agrees=request.agrees,
        comment=request.comment,
        at=writer.clock.now(),
    )
    documents = _documents(word, key, entry)
    appended = writer.append([_entry(word, documents)], documents)
    return Signed(word=word, verdict=entry.entry.facts["verdict"], appended=appended)


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """The drill that no longer stands, since when, and the entry that says so."""

    drill: str
    at: datetime
    appended: Appended


def supersede(
    wanted: str, by: str, *, reason: str, person: str, trusted: TrustedKeys, writer: LedgerWriter
) -> Superseded:
    """Say that a drill no longer stands, and which one stands in its place (``by``, or empty for none); both stay.

    Raises ``UsageInvalid`` for a drill that would supersede itself, ``EvidenceUnknown``, and what ``LedgerWriter.append`` raises.
    """
    opened = open_dossier(gather(writer.repository), trusted.root)
    (entry,) = wanted_drills(opened, wanted)
    successor = wanted_drills(opened, by)[0].entry.subject if by else ""
    if successor == entry.entry.subject:
        raise UsageInvalid("a drill cannot supersede itself", expected="another drill", found=successor)
    facts = {"by": successor, "reason": reason, "person": person}
    at = writer.clock.now()
    subject = entry.entry.subject
    appended = writer.append([Entry(kind=EntryKind.SUPERSEDED, subject=subject, at=at, facts=facts)])
    return Superseded(drill=subject, at=at, appended=appended)


def _require_fit(request: SignRequest, key: SigningKey, opened: OpenedDossier, entry: NumberedEntry) -> None:
    person = request.person
    if key.key_id != person.public.key_id:
        raise SignOffRefused(
            f"this key is not {person.identifier}'s",
            expected=f"key {str(person.public.key_id)[:16]}, as `people:` says",
            found=f"key {str(key.key_id)[:16]}",
        )
    if len(request.comment) > LONGEST_COMMENT:
        raise UsageInvalid(
            "a comment that is too long", expected=f"{LONGEST_COMMENT} characters", found=str(len(request.comment))
        )
    verified = verify_drill(opened, entry, request.trusted)
    failed = [step for step in verified.steps if step.outcome is StepOutcome.FAIL and step.name != "draw"]
    if failed or opened.alarms:
        words = failed[0].found if failed else opened.alarms[0].words
        raise EvidenceBroken(
            f"the evidence of drill {entry.entry.subject} does not hold: {words}", hint="nothing was signed"
        )
    _require_two_people(person, _machines(opened), opened, entry)


def _require_two_people(
    person: TrustedPerson, machines: Mapping[KeyId, str], opened: OpenedDossier, entry: NumberedEntry
) -> None:
    said = [read_signed(opened, one) for one in opened.about(entry.entry.subject, EntryKind.SIGNED)]
    before = [
        TrustedPerson(identifier=one.word.person, name=one.word.name, role=one.word.role, public=one.public)
        for one in said
    ]
    require_separate_people([*before, person], machines)
    if any(one.word.key == person.public.key_id for one in said):
        raise SignOffRefused(
            f"{person.identifier} signed drill {entry.entry.subject} before", expected="one word of each person"
        )


def _machines(opened: OpenedDossier) -> dict[KeyId, str]:
    return {key_id: label for key_id, (_, label) in machine_keys(opened).items()}


def _documents(word: SignOff, key: SigningKey, entry: NumberedEntry) -> dict[str, bytes]:
    year, short = word.at.year, str(word.key)[:16]
    public = PublicKey(kind=KeyKind(word.role.value), label=word.person, public=key.public)
    statement = entry.entry.documents[0].digest
    return {
        names.evidence_document(
            year, f"{word.drill}.{word.role.value}.{short}.{str(statement)[:8]}.dsse"
        ): sign_envelope(encode_sign_off(word), (key,)),
        names.evidence_document(year, f"{short}.{word.person}.pub"): encode_public(public).encode(),
    }


def _entry(word: SignOff, documents: Mapping[str, bytes]) -> Entry:
    return Entry(
        kind=EntryKind.SIGNED,
        subject=word.drill,
        at=word.at,
        facts={"person": word.person, "role": word.role.value, "key": str(word.key), "agrees": word.agrees},
        documents=tuple(Document(name, digest_of(content)) for name, content in documents.items()),
    )

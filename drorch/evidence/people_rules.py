"""Whose word stands behind a drill: sign-offs that fit, by people whom the reader trusts, two for two roles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drorch.errors import DrorchError, EvidenceBroken, SignOffRefused
from drorch.evidence.dossier import OpenedDossier
from drorch.evidence.envelope import check_signature, open_envelope
from drorch.evidence.ledger import NumberedEntry
from drorch.evidence.ledger_entry import EntryKind
from drorch.evidence.sign_off import PersonRole, SignOff, TrustedPerson, read_sign_off, require_separate_people
from drorch.evidence.steps import Step, StepOutcome
from drorch.evidence.trusted_keys import TrustedKeys
from drorch.format.keyfile import KeyKind, read_public
from drorch.format.signing import SigningPublic
from drorch.ids import Digest, KeyId


@dataclass(frozen=True, slots=True)
class ReadSignOff:
    """A sign-off whose signatures fit the key that lies beside it."""

    word: SignOff
    public: SigningPublic


def people_steps(opened: OpenedDossier, drill: str, statement: Digest, trusted: TrustedKeys) -> Iterator[Step]:
    """Yield a step for each sign-off, and one for each role that nobody filled."""
    read: list[ReadSignOff] = []
    machines = _machines(opened)
    for entry in opened.about(drill, EntryKind.SIGNED):
        try:
            one = read_signed(opened, entry)
            _require_fit(one, entry, statement, machines)
        except DrorchError as error:
            yield Step("sign-off", StepOutcome.FAIL, f"{error.message}: {error.found}".removesuffix(": "))
            continue
        read.append(one)
        yield _step(one, trusted, entry)
    try:
        require_separate_people([_person(one) for one in read], machines)
    except SignOffRefused as error:
        yield Step("sign-off", StepOutcome.FAIL, error.message)
    roles = {one.word.role for one in read}
    for role in PersonRole:
        if role not in roles:
            yield Step(
                "sign-off",
                StepOutcome.NOTE,
                f"not signed by {'an operator' if role is PersonRole.OPERATOR else 'a verifier'}",
            )


def read_signed(opened: OpenedDossier, entry: NumberedEntry) -> ReadSignOff:
    """Return the sign-off of an entry; raise ``EvidenceBroken`` when it is not there whole or its signatures do not fit."""
    contents = [opened.content(document) for document in entry.entry.documents]
    if len(contents) != 2 or contents[0] is None or contents[1] is None:
        raise EvidenceBroken(
            "a sign-off is missing or altered", found=", ".join(one.name for one in entry.entry.documents)
        )
    envelope = open_envelope(contents[0])
    key = read_public(contents[1].decode(errors="replace"))
    if not isinstance(key.public, SigningPublic):
        raise EvidenceBroken("a sign-off names a key that signs nothing", found=key.kind.value)
    check_signature(envelope, key.public)
    word = read_sign_off(envelope.payload)
    if word.key != key.public.key_id or key.kind is not KeyKind(word.role.value):
        raise EvidenceBroken("a sign-off names another key than it is signed by", found=str(word.key)[:16])
    return ReadSignOff(word, key.public)


def _require_fit(one: ReadSignOff, entry: NumberedEntry, statement: Digest, machines: Mapping[KeyId, str]) -> None:
    word, facts = one.word, entry.entry.facts
    if word.statement != statement or word.drill != entry.entry.subject:
        raise EvidenceBroken(
            f"{word.person} signed something else", expected=str(statement)[:16], found=str(word.statement)[:16]
        )
    if (facts["person"], facts["role"], facts["key"], facts["agrees"]) != (
        word.person,
        word.role.value,
        str(word.key),
        word.agrees,
    ):
        raise EvidenceBroken("the ledger says something else of a sign-off", found=word.person)
    if word.key in machines:
        raise SignOffRefused(
            f"{word.person} signed with the key of the machine {machines[word.key]}", found="no person"
        )


def _step(one: ReadSignOff, trusted: TrustedKeys, entry: NumberedEntry) -> Step:
    word = one.word
    words = f"{word.role.value} {word.person} ({word.name}) {'agrees' if word.agrees else 'OBJECTS'}"
    revoked = trusted.revoked.get(word.key)
    if revoked is not None and entry.entry.at >= revoked.since:
        return Step("sign-off", StepOutcome.FAIL, f"{words}, by a key that is revoked: {revoked.reason}")
    known = next((person for person in trusted.people if person.public.key_id == word.key), None)
    if known is None:
        return Step("sign-off", StepOutcome.UNKNOWN, f"{words}; you were not told that key")
    if (known.identifier, known.role) != (word.person, word.role):
        return Step("sign-off", StepOutcome.FAIL, f"{words}, by the key of {known.role.value} {known.identifier}")
    return Step("sign-off", StepOutcome.OK, words)


def _machines(opened: OpenedDossier) -> dict[KeyId, str]:
    return {signer.public.key_id: signer.label for record in opened.trust.records for signer in record.signers}


def _person(one: ReadSignOff) -> TrustedPerson:
    word = one.word
    return TrustedPerson(identifier=word.person, name=word.name, role=word.role, public=one.public)

"""A person's word on a drill: a statement of its own about the drill's signed statement, signed by the person's key.

The verdict is the machine's and stays what it is; whether a person stands for it is this. Operator and verifier are two people, each
known by a public key; a machine's key is neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from drorch.errors import EvidenceBroken, SignOffRefused
from drorch.evidence.statement_text import STATEMENT_TYPE, decode_text, encode_text, require_same
from drorch.format.fields import Bytes
from drorch.format.signing import SigningPublic
from drorch.ids import Digest, KeyId

PREDICATE_TYPE = "urn:drorch:sign-off:v1"
LONGEST_COMMENT = 2_000
_WHAT = "a sign-off"
_MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"


class PersonRole(Enum):
    """What a person signs as."""

    OPERATOR = "operator"
    VERIFIER = "verifier"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedPerson:
    """A person as drorch.yaml or a trust file names one: a public key, a name, a role."""

    identifier: str
    name: str
    role: PersonRole
    public: SigningPublic


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """What one person says of one drill. ``statement`` is the digest of the whole envelope that is spoken of."""

    drill: str
    statement: Digest
    person: str
    name: str
    role: PersonRole
    key: KeyId
    agrees: bool
    comment: str
    at: datetime


def encode_sign_off(word: SignOff) -> bytes:
    """Return the bytes that are signed."""
    return encode_text(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": f"drill {word.drill}", "digest": {"sha256": str(word.statement)}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "drill_id": word.drill,
                "person": word.person,
                "name": word.name,
                "role": word.role.value,
                "key": str(word.key),
                "agrees": word.agrees,
                "comment": word.comment,
                "at": word.at.astimezone(UTC).strftime(_MOMENT),
            },
        }
    )


def read_sign_off(raw: Bytes) -> SignOff:
    """Return what a sign-off says; raise ``EvidenceBroken``. Who signed it is checked elsewhere."""
    value = decode_text(raw, _WHAT)
    try:
        word = _word(value["subject"][0]["digest"]["sha256"], value["predicate"])
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise EvidenceBroken(f"{_WHAT} cannot be read", expected="its fields", found=str(error)[:80]) from error
    require_same(raw, encode_sign_off(word), _WHAT)
    return word


def require_separate_people(people: Iterable[TrustedPerson], machines: Mapping[KeyId, str]) -> None:
    """Raise ``SignOffRefused`` when two names share a key, one name has two roles, or a machine's key is a person's."""
    seen: dict[KeyId, TrustedPerson] = {}
    for person in people:
        key_id = person.public.key_id
        if key_id in machines:
            raise SignOffRefused(
                f"the key of {person.identifier} is that of the machine {machines[key_id]}",
                expected="a person's own key",
                found=f"key {str(key_id)[:16]}",
                hint="`drorch keys generate NAME --role operator` makes one, on that person's own machine",
            )
        other = seen.get(key_id)
        if other is not None and (other.identifier, other.role) != (person.identifier, person.role):
            raise SignOffRefused(
                f"{other.identifier} and {person.identifier} have the same key",
                expected="one key for each person, and one role for each key",
                found=f"key {str(key_id)[:16]}",
            )
        seen[key_id] = person
    _require_one_role(seen.values())


def _require_one_role(people: Iterable[TrustedPerson]) -> None:
    """Two keys of one person never fill both roles."""
    roles: dict[str, PersonRole] = {}
    for person in people:
        for who in (person.identifier, " ".join(person.name.casefold().split())):
            if roles.setdefault(who, person.role) is not person.role:
                raise SignOffRefused(
                    f"{person.name} would be operator and verifier",
                    expected="two people",
                    found="two keys of one",
                    hint="let somebody else verify",
                )


def _word(statement: Any, predicate: Any) -> SignOff:
    texts = [predicate[name] for name in ("drill_id", "person", "name", "comment", "at", "key")]
    if not all(isinstance(one, str) for one in (*texts, statement)) or not isinstance(predicate["agrees"], bool):
        raise TypeError("a field of another type")
    drill, person, name, comment, at, key = texts
    if len(comment) > LONGEST_COMMENT:
        raise ValueError("a comment that is too long")
    return SignOff(
        drill=drill,
        statement=Digest(bytes.fromhex(statement)),
        person=person,
        name=name,
        role=PersonRole(predicate["role"]),
        key=KeyId(bytes.fromhex(key)),
        agrees=predicate["agrees"],
        comment=comment,
        at=datetime.strptime(at, _MOMENT).replace(tzinfo=UTC),
    )

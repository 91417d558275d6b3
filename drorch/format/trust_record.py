"""One record of the trust chain (FORMAT 4): who may read, who may sign, and whose signatures ended where."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Self

from drorch.errors import Bug, FormatUnsupported, ObjectCorrupt
from drorch.format import names
from drorch.format.fields import Bytes, Fields, encode_fields, text_of, u8, u16, u32, u64
from drorch.format.objects import MAJOR, ObjectType
from drorch.format.signing import SigningKey, SigningPublic, sign_object
from drorch.ids import Digest, KeyId, LaneId, RepositoryId
from drorch.quantities import counted

ML_KEM_PUBLIC_BYTES = 1_568
P384_PUBLIC_BYTES = 97
LANE_PREFIX_BYTES = 6
MOST_RECIPIENTS = 32
NO_PREVIOUS = Digest(bytes(32))
_RECORD_FIELDS = range(16, 25)
_REPEATED = (18, 20, 21, 22)


class Role(IntEnum):
    """What a signer may do; the numbers are in the format."""

    WRITER = 1
    MAINTAINER = 2
    DRILL_HOST = 3


@dataclass(frozen=True, slots=True)
class Recipient:
    """A public key that may read what is sealed to it."""

    ml_kem_1024: bytes
    p384: bytes
    label: str = ""

    @property
    def recipient_id(self) -> KeyId:
        """SHA-256 of both halves."""
        return KeyId(hashlib.sha256(self.ml_kem_1024 + self.p384).digest())

    @classmethod
    def checked(cls, ml_kem_1024: bytes, p384: bytes, label: str) -> Self:
        """Return the recipient if both halves have their sizes; raise ``ObjectCorrupt``."""
        if (len(ml_kem_1024), len(p384)) != (ML_KEM_PUBLIC_BYTES, P384_PUBLIC_BYTES):
            raise ObjectCorrupt(
                "not a recipient's public key",
                expected=f"{ML_KEM_PUBLIC_BYTES} and {P384_PUBLIC_BYTES} bytes",
                found=f"{len(ml_kem_1024)} and {len(p384)}",
            )
        return cls(ml_kem_1024, p384, label)


@dataclass(frozen=True, slots=True)
class RootKey:
    """An offline key that says who may sign."""

    public: SigningPublic
    label: str = ""


@dataclass(frozen=True, slots=True)
class Signer:
    """A host's signing key and what it may sign."""

    public: SigningPublic
    role: Role
    label: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """A manifest by its number and digest."""

    sequence: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key that signs no more; for a writer, the last good manifest of each of its lanes that counts on."""

    key_id: KeyId
    last_good: Mapping[LaneId, Head]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRecord:
    """One link of the chain; the last one lists all keys in force."""

    number: int
    previous: Digest
    repository: RepositoryId
    roots: tuple[RootKey, ...]
    threshold: int
    recipients: tuple[Recipient, ...]
    signers: tuple[Signer, ...]
    revocations: tuple[Revocation, ...] = ()
    min_reader: int = MAJOR
    min_writer: int = MAJOR

    def __post_init__(self) -> None:
        problem = self._contradiction()
        if problem:
            raise Bug(problem)

    def sign(self, keys: Sequence[SigningKey], made_at: datetime) -> bytes:
        """Return the object ``trust/<number>``, signed by ``keys`` (root keys of the record before, or of record 0)."""
        return sign_object(
            ObjectType.TRUST,
            self._fields(),
            name=names.trust(self.number),
            repository=self.repository,
            lane=None,
            made_at=made_at,
            keys=keys,
        )

    @classmethod
    def decode(cls, payload: Bytes) -> Self:
        """Return what a payload of type 1 says; raise ``ObjectCorrupt``. The caller has verified who signed it."""
        what = "a trust record"
        fields = Fields.parse(payload, what=what, known=[*range(1, 7), *_RECORD_FIELDS], repeated=_REPEATED)
        try:
            return cls(
                number=fields.number(16, 4),
                previous=Digest(fields.exactly(17, 32)),
                repository=RepositoryId(fields.exactly(2, 16)),
                roots=tuple(_decode_root(raw) for raw in fields.many(18)),
                threshold=fields.number(19, 1),
                recipients=tuple(_decode_recipient(raw) for raw in fields.many(20)),
                signers=tuple(_decode_signer(raw) for raw in fields.many(21)),
                revocations=tuple(_decode_revocation(raw) for raw in fields.many(22)),
                min_reader=fields.number(23, 2),
                min_writer=fields.number(24, 2),
            )
        except Bug as error:
            raise ObjectCorrupt("a trust record contradicts itself", found=error.message) from error

    def _fields(self) -> list[tuple[int, Bytes]]:
        fields: list[tuple[int, Bytes]] = [(16, u32(self.number)), (17, self.previous.raw)]
        fields += [(18, _encode_public(root.public, root.label, 3)) for root in self.roots]
        fields.append((19, u8(self.threshold)))
        fields += [(20, _encode_recipient(recipient)) for recipient in self.recipients]
        fields += [(21, _encode_signer(signer)) for signer in self.signers]
        fields += [(22, _encode_revocation(revocation)) for revocation in self.revocations]
        return [*fields, (23, u16(self.min_reader)), (24, u16(self.min_writer))]

    def _contradiction(self) -> str:
        root_ids = {root.public.key_id for root in self.roots}
        prefixes = {signer.public.key_id.raw[:LANE_PREFIX_BYTES] for signer in self.signers}
        if len(root_ids) != len(self.roots):
            return "a root key stands twice"
        if not 1 <= self.threshold <= len(self.roots):
            return f"{self.threshold} of {len(self.roots)} root keys must sign"
        if len(self.recipients) > MOST_RECIPIENTS:
            return f"{counted(len(self.recipients), 'recipient')}, at most {MOST_RECIPIENTS} are allowed"
        if len(prefixes) != len(self.signers):
            return "two signers share the first bytes of their key ids"
        return ""


def _encode_public(public: SigningPublic, label: str, label_number: int) -> bytes:
    fields: list[tuple[int, Bytes]] = [(1, public.ed25519), (2, public.ml_dsa_87)]
    if label:
        fields.append((label_number, label.encode()))
    return encode_fields(fields, optional=(label_number,))


def _encode_recipient(recipient: Recipient) -> bytes:
    fields: list[tuple[int, Bytes]] = [(1, recipient.ml_kem_1024), (2, recipient.p384)]
    if recipient.label:
        fields.append((3, recipient.label.encode()))
    return encode_fields(fields, optional=(3,))


def _encode_signer(signer: Signer) -> bytes:
    fields: list[tuple[int, Bytes]] = [(1, signer.public.ed25519), (2, signer.public.ml_dsa_87), (3, u8(signer.role))]
    if signer.label:
        fields.append((4, signer.label.encode()))
    return encode_fields(fields, optional=(4,))


def _encode_revocation(revocation: Revocation) -> bytes:
    heads = sorted(revocation.last_good.items())
    fields: list[tuple[int, Bytes]] = [(1, revocation.key_id.raw)]
    fields += [(2, lane.raw + u64(head.sequence) + head.digest.raw) for lane, head in heads]
    return encode_fields(fields)


def _label(fields: Fields, number: int) -> str:
    return text_of(fields.maybe(number) or b"", "a label")


def _decode_root(raw: bytes) -> RootKey:
    fields = Fields.parse(raw, what="a root key", known=(1, 2, 3))
    return RootKey(SigningPublic.checked(fields.one(1), fields.one(2)), _label(fields, 3))


def _decode_recipient(raw: bytes) -> Recipient:
    fields = Fields.parse(raw, what="a recipient", known=(1, 2, 3))
    return Recipient.checked(fields.one(1), fields.one(2), _label(fields, 3))


def _decode_signer(raw: bytes) -> Signer:
    fields = Fields.parse(raw, what="a signer", known=(1, 2, 3, 4))
    role = fields.number(3, 1)
    if role not in set(Role):
        raise FormatUnsupported(
            "a signer has a role that this drorch does not know", expected="1 to 3", found=str(role)
        )
    return Signer(SigningPublic.checked(fields.one(1), fields.one(2)), Role(role), _label(fields, 4))


def _decode_revocation(raw: bytes) -> Revocation:
    fields = Fields.parse(raw, what="a revocation", known=(1, 2), repeated=(2,))
    heads = {}
    for head in fields.many(2):
        if len(head) != 56:
            raise ObjectCorrupt("a revocation is damaged", expected="heads of 56 bytes", found=f"{len(head)} bytes")
        heads[LaneId(head[:16])] = Head(int.from_bytes(head[16:24], "big"), Digest(head[24:]))
    return Revocation(KeyId(fields.exactly(1, 32)), heads)

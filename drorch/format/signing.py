"""Signed objects (FORMAT 3.1): every one carries an Ed25519 **and** an ML-DSA-87 signature of each signer.

Verification goes over the key pairs that the trust chain pins, never over the signatures that are found: whoever
strips one of the two signatures, or repeats one signer's, gets nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA87PrivateKey, MLDSA87PublicKey

from drorch.errors import Bug, ObjectCorrupt, SignatureInvalid
from drorch.format.derivation import derive
from drorch.format.fields import Bytes, Fields, encode_fields, time64, u8, u32
from drorch.format.objects import ObjectType, Unframed, digest_of, frame, unframe
from drorch.ids import Digest, KeyId, LaneId, RepositoryId

SEED_BYTES = 32
ED25519_PUBLIC_BYTES = 32
ML_DSA_PUBLIC_BYTES = 2_592
SIGNATURE_BYTES = 32 + 64 + 4_627
LANE_LESS_TYPES = frozenset({ObjectType.TRUST, ObjectType.KEY_BUNDLE, ObjectType.COURIER_LIST})
COMMON_FIELDS = range(1, 7)


@dataclass(frozen=True, slots=True)
class SigningPublic:
    """The public halves of one signer. Both always belong together; ``key_id`` names the pair."""

    ed25519: bytes
    ml_dsa_87: bytes

    @property
    def key_id(self) -> KeyId:
        """SHA-256 of both halves."""
        return KeyId(hashlib.sha256(self.ed25519 + self.ml_dsa_87).digest())

    @classmethod
    def checked(cls, ed25519: bytes, ml_dsa_87: bytes) -> Self:
        """Return the pair if both halves have their sizes; raise ``ObjectCorrupt``."""
        if (len(ed25519), len(ml_dsa_87)) != (ED25519_PUBLIC_BYTES, ML_DSA_PUBLIC_BYTES):
            raise ObjectCorrupt(
                "not a public signing key",
                expected=f"{ED25519_PUBLIC_BYTES} and {ML_DSA_PUBLIC_BYTES} bytes",
                found=f"{len(ed25519)} and {len(ml_dsa_87)}",
            )
        return cls(ed25519, ml_dsa_87)


class SigningKey:
    """A private signing key: two key pairs made from one 32-byte seed. Never shows its seed."""

    __slots__ = ("_ed25519", "_ml_dsa_87", "key_id", "public")

    def __init__(self, ed25519: Ed25519PrivateKey, ml_dsa_87: MLDSA87PrivateKey) -> None:
        self._ed25519 = ed25519
        self._ml_dsa_87 = ml_dsa_87
        self.public = SigningPublic(ed25519.public_key().public_bytes_raw(), ml_dsa_87.public_key().public_bytes_raw())
        self.key_id = self.public.key_id

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Return the key that the 32-byte ``seed`` stands for."""
        if len(seed) != SEED_BYTES:
            raise Bug(f"a signing seed of {len(seed)} bytes")
        return cls(
            Ed25519PrivateKey.from_private_bytes(derive(seed, b"drorch/1 signing ed25519")),
            MLDSA87PrivateKey.from_seed_bytes(derive(seed, b"drorch/1 signing ml-dsa-87")),
        )

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"

    def sign(self, message: bytes) -> bytes:
        """Return key id and both signatures over ``message``."""
        return self.key_id.raw + self._ed25519.sign(message) + self._ml_dsa_87.sign(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedObject:
    """What a signed object says, after every check of FORMAT 3.1. ``payload`` still has its fields 1-6."""

    payload: bytes
    signers: frozenset[KeyId]
    made_at: datetime
    attachment: bytes = field(repr=False)
    digest: Digest

    def fields(self, what: str, known: Iterable[int], repeated: Container[int] = ()) -> Fields:
        """Return the payload's fields; ``known`` names those beside the common 1-6."""
        return Fields.parse(self.payload, what=what, known={*COMMON_FIELDS, *known}, repeated=repeated)


def pre_authentication(object_type: ObjectType, payload: Bytes) -> bytes:
    """Return what is signed: the pre-authentication encoding of DSSE v1."""
    type_text = f"application/vnd.drorch.{int(object_type)}.v1".encode()
    return b"DSSEv1 %d %b %d %b" % (len(type_text), type_text, len(payload), bytes(payload))


def sign_object(
    object_type: ObjectType,
    fields: Iterable[tuple[int, Bytes]],
    *,
    name: str,
    repository: RepositoryId,
    lane: LaneId | None,
    made_at: datetime,
    keys: Sequence[SigningKey],
    attachment: bytes = b"",
    optional: Container[int] = (),
) -> bytes:
    """Return the object with the common fields, then ``fields`` (numbers from 16), signed by every key of ``keys``."""
    if (lane is None) != (object_type in LANE_LESS_TYPES):
        raise Bug(f"a {object_type.title} with the wrong lane")
    common: list[tuple[int, Bytes]] = [(1, u8(object_type)), (2, repository.raw), (3, name.encode())]
    if lane is not None:
        common.append((4, lane.raw))
    if attachment:
        common.append((5, digest_of(attachment).raw))
    common.append((6, time64(made_at)))
    payload = encode_fields([*common, *fields], optional=optional)
    message = pre_authentication(object_type, payload)
    signatures = [key.sign(message) for key in keys]
    body = b"".join((u32(len(payload)), payload, u8(len(signatures)), *signatures, attachment))
    return frame(object_type, body)


@dataclass(frozen=True, slots=True)
class _Envelope:
    payload: bytes
    signature_block: bytes
    attachment: bytes

    @property
    def signatures(self) -> tuple[tuple[KeyId, bytes, bytes], ...]:
        """Key id and both signatures of each signer; taken apart only when somebody looks at them."""
        block = self.signature_block
        starts = range(0, len(block), SIGNATURE_BYTES)
        return tuple(_signature(block[start : start + SIGNATURE_BYTES]) for start in starts)


def verify_object(
    raw: Bytes,
    *,
    expected_type: ObjectType,
    name: str,
    repository: RepositoryId | None,
    lane: LaneId | None,
    allowed: Mapping[KeyId, SigningPublic],
    threshold: int = 1,
) -> VerifiedObject:
    """Return what the object says, if it is the one that was asked for and those who may have signed it.

    ``allowed`` are the pinned key pairs; ``threshold`` of them must have signed. ``repository`` is ``None`` for ``trust/0`` only,
    which defines it. Raises ``ObjectCorrupt``, ``SignatureInvalid`` or ``FormatUnsupported``. Not checked: the fields from 16 on.
    """
    # 1. The frame, and nothing but lengths of the body.
    envelope = _split(unframe(raw, expected_type), expected_type)
    # 2. Both signatures of every pinned signer. A signature by a key that is not pinned is not looked at.
    signers = _verified_signers(envelope, expected_type, allowed)
    # 3. The threshold, over distinct pinned key pairs: a set, so that one signer's signature twice counts once.
    if threshold < 1 or len(signers) < threshold:
        raise SignatureInvalid(
            f"{name} is not signed by those who may sign it",
            expected=f"{threshold} of {len(allowed)} known keys",
            found=_named(envelope),
        )
    # 4. Only now the payload, beginning with its common fields.
    common = _common_fields(envelope.payload, expected_type)
    # 5. The signature covers the attachment by its digest only.
    _check_attachment(common, envelope.attachment, name)
    # 6. It must be the object that was asked for: a genuine one from elsewhere proves nothing here.
    _check_identity(common, expected_type, name, repository, lane)
    return VerifiedObject(
        payload=envelope.payload,
        signers=signers,
        made_at=common.time(6),
        attachment=envelope.attachment,
        digest=digest_of(raw),
    )


def unverified_payload(raw: Bytes, expected_type: ObjectType) -> bytes:
    """Return the payload without any check. Only for ``trust/0``, whose digest is pinned, and for inspection."""
    return _split(unframe(raw, expected_type), expected_type).payload


def _verified_signers(
    envelope: _Envelope, object_type: ObjectType, allowed: Mapping[KeyId, SigningPublic]
) -> frozenset[KeyId]:
    """Return the pinned signers whose two signatures are both right; raise ``SignatureInvalid`` if one is wrong."""
    message = pre_authentication(object_type, envelope.payload)
    signers = set()
    for key_id, ed25519, ml_dsa_87 in envelope.signatures:
        public = allowed.get(key_id)
        if public is None:
            continue
        if public.key_id != key_id:
            raise Bug("a pinned key stands under a foreign id")
        try:
            Ed25519PublicKey.from_public_bytes(public.ed25519).verify(ed25519, message)
            MLDSA87PublicKey.from_public_bytes(public.ml_dsa_87).verify(ml_dsa_87, message)
        except (InvalidSignature, ValueError) as error:
            raise SignatureInvalid(
                f"a signature of a {object_type.title} is wrong",
                expected=f"two signatures of key {str(key_id)[:16]}",
                found="one that does not fit key and content",
            ) from error
        signers.add(key_id)
    return frozenset(signers)


def _split(unframed: Unframed, object_type: ObjectType) -> _Envelope:
    header, body = unframed.header, unframed.body
    what = f"a {object_type.title}"
    if header:
        raise ObjectCorrupt(f"{what} is damaged", expected="an empty header", found=f"{len(header)} bytes")
    count_at = 4 + int.from_bytes(body[:4], "big")
    if len(body) < 5 or count_at >= len(body):
        raise ObjectCorrupt(f"{what} is damaged", expected="a whole payload", found=f"{len(body)} bytes")
    attachment_at = count_at + 1 + body[count_at] * SIGNATURE_BYTES
    if attachment_at > len(body):
        raise ObjectCorrupt(f"{what} is damaged", expected=f"{body[count_at]} signatures", found="fewer bytes")
    return _Envelope(
        payload=bytes(body[4:count_at]),
        signature_block=bytes(body[count_at + 1 : attachment_at]),
        attachment=bytes(body[attachment_at:]),
    )


def _signature(raw: bytes) -> tuple[KeyId, bytes, bytes]:
    return KeyId(raw[:32]), raw[32:96], raw[96:]


def _common_fields(payload: bytes, object_type: ObjectType) -> Fields:
    every_number = range(2**15)  # the rest is checked by whoever knows the type
    return Fields.parse(payload, what=f"a {object_type.title}", known=every_number, repeated=range(16, 2**15))


def _check_attachment(common: Fields, attachment: bytes, name: str) -> None:
    stated = common.maybe(5)
    actual = digest_of(attachment).raw if attachment else None
    if stated != actual:
        raise ObjectCorrupt(
            f"the attachment of {name} is not the one that was signed",
            expected=stated.hex() if stated else "none",
            found=actual.hex() if actual else "none",
        )


def _check_identity(
    common: Fields, object_type: ObjectType, name: str, repository: RepositoryId | None, lane: LaneId | None
) -> None:
    stated_lane = common.maybe(4)
    comparisons = (
        ("type", int(object_type), common.number(1, 1)),
        ("repository", common.exactly(2, 16).hex() if repository is None else str(repository), common.one(2).hex()),
        ("name", name, common.text(3)),
        ("lane", None if lane is None else str(lane), None if stated_lane is None else stated_lane.hex()),
    )
    for what, expected, found in comparisons:
        if expected != found:
            raise SignatureInvalid(
                f"{name} holds a signed object that belongs elsewhere",
                expected=f"{what} {expected}",
                found=f"{what} {found}"[:120],
            )


def _named(envelope: _Envelope) -> str:
    found = ", ".join(str(key_id)[:16] for key_id, _, _ in envelope.signatures[:3])
    return f"signatures of {found}" if found else "no signature"

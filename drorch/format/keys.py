"""Keys (FORMAT 5): recipients and what is sealed to them, and every key that is made from another."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey, MLKEM1024PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM1024P384PrivateKey,
    MLKEM1024P384PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from drorch.errors import Bug, KeyMissing, ObjectCorrupt
from drorch.format import names
from drorch.format.derivation import KEY_BYTES, derive
from drorch.format.fields import Bytes, Fields, encode_fields, u32
from drorch.format.objects import ObjectType
from drorch.format.signing import SigningKey, SigningPublic, VerifiedObject, sign_object, verify_object
from drorch.format.trust_record import LANE_PREFIX_BYTES, MOST_RECIPIENTS, Recipient
from drorch.ids import KeyId, LaneId, RepositoryId, RunId, grouped

SEED_BYTES = 32
P384_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
_SCALAR_BYTES = 48
_ML_KEM_SEED_BYTES = 64
_SUITE = Suite(KEM.MLKEM1024_P384, KDF.HKDF_SHA384, AEAD.AES_256_GCM)


class RecipientKey:
    """The private half of a recipient: an ML-KEM-1024 and a P-384 key made from one 32-byte seed. Never shows it."""

    __slots__ = ("_private", "_public")

    def __init__(self, ml_kem: MLKEM1024PrivateKey, p384: ec.EllipticCurvePrivateKey, label: str) -> None:
        self._private = MLKEM1024P384PrivateKey(ml_kem, p384)
        self._public = Recipient(
            ml_kem.public_key().public_bytes_raw(),
            p384.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
            label,
        )

    @classmethod
    def from_seed(cls, seed: bytes, label: str = "") -> Self:
        """Return the key that the 32-byte ``seed`` stands for."""
        if len(seed) != SEED_BYTES:
            raise Bug(f"a recipient's seed of {len(seed)} bytes")
        ml_kem_seed, scalar = _expand(seed)
        return cls(
            MLKEM1024PrivateKey.from_seed_bytes(ml_kem_seed), ec.derive_private_key(scalar, ec.SECP384R1()), label
        )

    def __repr__(self) -> str:
        return f"RecipientKey({self._public.recipient_id})"

    def public(self) -> Recipient:
        """Return the public half, which may be shown to anybody."""
        return self._public

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Return what was sealed to this key under ``info``; raise ``ObjectCorrupt``."""
        try:
            return _SUITE.decrypt(sealed, self._private, info)
        except (InvalidTag, ValueError) as error:
            raise ObjectCorrupt(
                "sealed run keys do not open",
                expected="keys sealed to this recipient and run",
                found="others, or damage",
            ) from error


@dataclass(frozen=True, slots=True)
class RunKeys:
    """The two secrets of a run. What opens them reads the run's records and the lane's chunk ids."""

    run_key: bytes = field(repr=False)
    lane_secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if (len(self.run_key), len(self.lane_secret)) != (KEY_BYTES, KEY_BYTES):
            raise Bug("run keys of a wrong size")

    def commitment(self) -> bytes:
        """Return what the signed run record says of them, so that all recipients open the same keys."""
        return hashlib.sha384(b"drorch/1 run commitment" + self.run_key + self.lane_secret).digest()


def _sealing_info(repository: RepositoryId, lane: LaneId, run: RunId, recipient_id: KeyId) -> bytes:
    return b"drorch/1 run key" + repository.raw + lane.raw + run.raw + recipient_id.raw


def seal_run_keys(run_keys: RunKeys, recipient: Recipient, repository: RepositoryId, lane: LaneId, run: RunId) -> bytes:
    """Return the keys sealed to ``recipient``, bound to that run. Raises ``ObjectCorrupt`` for a public key that is none."""
    info = _sealing_info(repository, lane, run, recipient.recipient_id)
    try:
        public = MLKEM1024P384PublicKey(
            MLKEM1024PublicKey.from_public_bytes(recipient.ml_kem_1024),
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), recipient.p384),
        )
    except ValueError as error:
        raise ObjectCorrupt("a recipient's public key is damaged", found=str(recipient.recipient_id)[:16]) from error
    return _SUITE.encrypt(run_keys.run_key + run_keys.lane_secret, public, info)


def open_run_keys(
    sealed: bytes, recipient_key: RecipientKey, repository: RepositoryId, lane: LaneId, run: RunId, commitment: bytes
) -> RunKeys:
    """Return the keys that were sealed for that run; raise ``ObjectCorrupt`` when they do not fit ``commitment``."""
    recipient_id = recipient_key.public().recipient_id
    opened = recipient_key.open(sealed, _sealing_info(repository, lane, run, recipient_id))
    if len(opened) != 2 * KEY_BYTES:
        raise ObjectCorrupt("sealed run keys are damaged", expected=f"{2 * KEY_BYTES} bytes", found=f"{len(opened)}")
    run_keys = RunKeys(opened[:KEY_BYTES], opened[KEY_BYTES:])
    if not hmac.compare_digest(run_keys.commitment(), commitment):
        raise ObjectCorrupt("sealed run keys are not those of the run record", expected="the keys that it commits to")
    return run_keys


@dataclass(frozen=True, slots=True)
class LaneKeys:
    """What is made from a lane secret. ``chunker_seed`` is an integer below 2^63, as the chunker takes it."""

    chunk_id_key: bytes = field(repr=False)
    index_key: bytes = field(repr=False)
    chunker_seed: int = field(repr=False)
    rows_key: bytes = field(repr=False)
    cache_key: bytes = field(repr=False)

    @classmethod
    def derive(cls, lane_secret: bytes) -> Self:
        """Return the keys of the lane that has this secret."""
        return cls(
            chunk_id_key=derive(lane_secret, b"drorch/1 chunk id"),
            index_key=derive(lane_secret, b"drorch/1 index"),
            chunker_seed=int.from_bytes(derive(lane_secret, b"drorch/1 chunker")[:8], "big") >> 1,
            rows_key=derive(lane_secret, b"drorch/1 rows"),
            cache_key=derive(lane_secret, b"drorch/1 base cache"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A verified run record (type 3): the run's keys, sealed to each recipient."""

    repository: RepositoryId
    lane: LaneId
    run: RunId
    commitment: bytes
    sealed: Mapping[KeyId, bytes]
    trust_number: int
    made_at: datetime
    signers: frozenset[KeyId]

    @classmethod
    def verify(
        cls,
        raw: Bytes,
        *,
        repository: RepositoryId,
        lane: LaneId,
        run: RunId,
        allowed: Mapping[KeyId, SigningPublic],
    ) -> Self:
        """Return the run record of ``run``; raise ``ObjectCorrupt``, ``SignatureInvalid`` or ``FormatUnsupported``."""
        verified = verify_object(
            raw,
            expected_type=ObjectType.RUN_RECORD,
            name=names.run_record(lane, run),
            repository=repository,
            lane=lane,
            allowed=allowed,
        )
        return cls._decode(verified, repository, lane, run)

    @classmethod
    def _decode(cls, verified: VerifiedObject, repository: RepositoryId, lane: LaneId, run: RunId) -> Self:
        fields = verified.fields("a run record", (16, 17, 18, 19), repeated=(18,))
        if fields.exactly(16, 16) != run.raw:
            raise ObjectCorrupt("a run record names another run", expected=str(run), found=fields.one(16).hex())
        sealed = fields.many(18)
        if len(sealed) > MOST_RECIPIENTS:
            raise ObjectCorrupt(
                "a run record is too long", expected=f"{MOST_RECIPIENTS} recipients", found=str(len(sealed))
            )
        return cls(
            repository=repository,
            lane=lane,
            run=run,
            commitment=fields.exactly(17, 48),
            sealed=dict(_decode_sealed(one) for one in sealed),
            trust_number=fields.number(19, 4),
            made_at=verified.made_at,
            signers=verified.signers,
        )

    def open(self, keys: Iterable[RecipientKey], further: Mapping[KeyId, bytes] | None = None) -> RunKeys:
        """Return the run's keys by the first of ``keys`` that they were sealed to, here or ``further`` (from key bundles).

        Raises ``KeyMissing`` when they were sealed to none of them, ``ObjectCorrupt`` when what opens does not fit.
        """
        tried: list[str] = []
        for key in keys:
            public = key.public()
            recipient_id = public.recipient_id
            tried.append(f"{public.label} {grouped(recipient_id.raw[:8])}".lstrip())
            sealed = self.sealed.get(recipient_id) or (further or {}).get(recipient_id)
            if sealed is not None:
                return open_run_keys(sealed, key, self.repository, self.lane, self.run, self.commitment)
        raise KeyMissing(
            f"no private key that opens run {self.run.short} was given",
            expected="the key " + " or ".join(grouped(recipient_id.raw[:8]) for recipient_id in self.sealed),
            found=", ".join(tried) or "no key",
            hint="the recovery sheet lists who can read; a key that was added later opens later runs only",
        )


def run_record(
    *,
    repository: RepositoryId,
    lane: LaneId,
    run: RunId,
    run_keys: RunKeys,
    recipients: Sequence[Recipient],
    trust_number: int,
    made_at: datetime,
    key: SigningKey,
) -> bytes:
    """Return the object ``r/<run>``: the run's keys sealed to every recipient, signed by the writer."""
    if not 1 <= len(recipients) <= MOST_RECIPIENTS:
        raise Bug(f"a run sealed to {len(recipients)} recipients")
    sealed = [
        (recipient.recipient_id, seal_run_keys(run_keys, recipient, repository, lane, run)) for recipient in recipients
    ]
    fields: list[tuple[int, Bytes]] = [(16, run.raw), (17, run_keys.commitment())]
    fields += [(18, encode_fields([(1, recipient_id.raw), (2, one)])) for recipient_id, one in sealed]
    fields.append((19, u32(trust_number)))
    return sign_object(
        ObjectType.RUN_RECORD,
        fields,
        name=names.run_record(lane, run),
        repository=repository,
        lane=lane,
        made_at=made_at,
        keys=(key,),
    )


@dataclass(frozen=True, slots=True)
class SealedAgain:
    """One run's keys, sealed later to a further recipient."""

    lane: LaneId
    run: RunId
    recipient_id: KeyId
    sealed: bytes


def key_bundle(
    *, repository: RepositoryId, number: int, sealed: Sequence[SealedAgain], made_at: datetime, key: SigningKey
) -> bytes:
    """Return the object ``keys/<number>``, signed by a maintainer."""
    fields: list[tuple[int, Bytes]] = [(16, u32(number))]
    fields += [(17, _encode_sealed_again(one)) for one in sealed]
    return sign_object(
        ObjectType.KEY_BUNDLE,
        fields,
        name=names.bundle(number),
        repository=repository,
        lane=None,
        made_at=made_at,
        keys=(key,),
    )


def read_key_bundle(
    raw: Bytes, *, repository: RepositoryId, number: int, allowed: Mapping[KeyId, SigningPublic]
) -> tuple[SealedAgain, ...]:
    """Return what a key bundle holds; raise ``ObjectCorrupt``, ``SignatureInvalid`` or ``FormatUnsupported``."""
    verified = verify_object(
        raw,
        expected_type=ObjectType.KEY_BUNDLE,
        name=names.bundle(number),
        repository=repository,
        lane=None,
        allowed=allowed,
    )
    fields = verified.fields("a key bundle", (16, 17), repeated=(17,))
    if fields.number(16, 4) != number:
        raise ObjectCorrupt("a key bundle has another number", expected=str(number), found=str(fields.number(16, 4)))
    return tuple(_decode_sealed_again(one) for one in fields.many(17))


def lane_for(writer_key_id: KeyId, lane_master: bytes, source: str, generation: int) -> tuple[LaneId, bytes]:
    """Return the lane of a writer's ``source`` and its secret; the next ``generation`` is a fresh lane."""
    message = b"\0".join((b"lane", source.encode(), u32(generation)))
    tail = hmac.digest(lane_master, message, "sha256")
    lane = LaneId(writer_key_id.raw[:LANE_PREFIX_BYTES] + tail[: 16 - LANE_PREFIX_BYTES])
    return lane, derive(lane_master, b"drorch/1 lane secret" + lane.raw)


@dataclass(frozen=True, slots=True)
class HostKey:
    """What a host keeps: a signing seed, and the master from which its writer's lane secrets are made."""

    signing_seed: bytes = field(repr=False)
    lane_master: bytes = field(repr=False)

    def signing_key(self) -> SigningKey:
        """Return the host's signing key."""
        return SigningKey.from_seed(self.signing_seed)


def _expand(seed: bytes) -> tuple[bytes, int]:
    candidates = 1
    while True:  # one round but for a chance of 2^-190
        stream = hashlib.shake_256(b"drorch/1 recipient" + seed).digest(_ML_KEM_SEED_BYTES + candidates * _SCALAR_BYTES)
        scalar = int.from_bytes(stream[-_SCALAR_BYTES:], "big")
        if 1 <= scalar < P384_ORDER:
            return stream[:_ML_KEM_SEED_BYTES], scalar
        candidates += 1


def _decode_sealed(raw: bytes) -> tuple[KeyId, bytes]:
    fields = Fields.parse(raw, what="sealed run keys", known=(1, 2))
    return KeyId(fields.exactly(1, 32)), fields.one(2)


def _encode_sealed_again(one: SealedAgain) -> bytes:
    return encode_fields([(1, one.lane.raw), (2, one.run.raw), (3, one.recipient_id.raw), (4, one.sealed)])


def _decode_sealed_again(raw: bytes) -> SealedAgain:
    fields = Fields.parse(raw, what="sealed run keys", known=(1, 2, 3, 4))
    return SealedAgain(
        LaneId(fields.exactly(1, 16)), RunId(fields.exactly(2, 16)), KeyId(fields.exactly(3, 32)), fields.one(4)
    )

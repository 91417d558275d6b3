"""DSSE envelopes: a payload signed by Ed25519 **and** ML-DSA-87 of each signer; verified by keys that the caller trusts, or not at all.

Keys never come from the envelope. One good signature of the two is worth nothing, and an envelope that names keys which the caller does
not know is `SignerUnknown`: consistent perhaps, and nobody's.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA87PublicKey

from drorch.errors import EvidenceBroken, SignerUnknown
from drorch.evidence.statement_text import decode_text, encode_text, require_same
from drorch.format.fields import Bytes
from drorch.format.objects import digest_of
from drorch.format.signing import SigningKey, SigningPublic
from drorch.ids import Digest, KeyId

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MOST_SIGNERS = 8
_ED25519_BYTES = 64
_WHAT = "a signed statement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An envelope that was read and not verified: nothing in it may be relied on."""

    payload: bytes
    signatures: Mapping[KeyId, tuple[bytes, bytes]] = field(repr=False)
    digest: Digest

    @property
    def named(self) -> tuple[KeyId, ...]:
        """The keys that it says it was signed by."""
        return tuple(self.signatures)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedStatement:
    """A payload of which every trusted signer's two signatures are right. ``digest`` is of the whole envelope."""

    payload: bytes
    signers: frozenset[KeyId]
    digest: Digest


def pre_authentication(payload: bytes) -> bytes:
    """Return what is signed: the pre-authentication encoding of DSSE v1."""
    return b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def sign_envelope(payload: bytes, keys: Sequence[SigningKey]) -> bytes:
    """Return the envelope of ``payload``, signed by every key of ``keys``."""
    message = pre_authentication(payload)
    signatures = {}
    for key in keys:
        both = key.sign(message)[len(key.key_id.raw) :]
        signatures[key.key_id] = both[:_ED25519_BYTES], both[_ED25519_BYTES:]
    return _encode(payload, signatures)


def open_envelope(raw: Bytes) -> Envelope:
    """Return what an envelope says, unverified; raise ``EvidenceBroken``."""
    value = decode_text(raw, _WHAT)
    if value.get("payloadType") != PAYLOAD_TYPE:
        raise EvidenceBroken(
            f"{_WHAT} of another kind", expected=PAYLOAD_TYPE, found=str(value.get("payloadType"))[:80]
        )
    payload = _bytes(value.get("payload"))
    signatures: dict[KeyId, tuple[bytes, bytes]] = {}
    listed = value.get("signatures")
    if not isinstance(listed, list) or not 0 < len(listed) <= 2 * MOST_SIGNERS or len(listed) % 2:
        raise EvidenceBroken(f"{_WHAT} is damaged", expected=f"1 to {MOST_SIGNERS} pairs of signatures", found="others")
    for ed25519, ml_dsa_87 in zip(listed[::2], listed[1::2], strict=True):
        key_id = _key_id(ed25519, "ed25519:")
        if key_id != _key_id(ml_dsa_87, "ml-dsa-87:") or key_id in signatures:
            raise EvidenceBroken(f"{_WHAT} is damaged", expected="two signatures of each signer", found="others")
        signatures[key_id] = _bytes(ed25519.get("sig")), _bytes(ml_dsa_87.get("sig"))
    require_same(raw, _encode(payload, signatures), _WHAT)
    return Envelope(payload=payload, signatures=signatures, digest=digest_of(raw))


def verify_envelope(raw: Bytes, trusted: Mapping[KeyId, SigningPublic]) -> VerifiedStatement:
    """Return what was signed by at least one key of ``trusted``, keys that the caller got elsewhere.

    Raises ``EvidenceBroken`` when a trusted key's signature is wrong, ``SignerUnknown`` when none of them is among the signers. What the
    payload says is not looked at.
    """
    envelope = open_envelope(raw)
    known = [key_id for key_id in envelope.signatures if key_id in trusted]
    for key_id in known:
        check_signature(envelope, trusted[key_id])
    if not known:
        raise SignerUnknown(
            f"{_WHAT} is by nobody whom you trust",
            expected=f"one of {len(trusted)} trusted keys",
            found=", ".join(str(key_id)[:16] for key_id in envelope.signatures),
        )
    return VerifiedStatement(payload=envelope.payload, signers=frozenset(known), digest=envelope.digest)


def check_signature(envelope: Envelope, public: SigningPublic) -> None:
    """Raise ``EvidenceBroken`` unless both signatures of that key are right."""
    ed25519, ml_dsa_87 = envelope.signatures.get(public.key_id, (b"", b""))
    message = pre_authentication(envelope.payload)
    try:
        Ed25519PublicKey.from_public_bytes(public.ed25519).verify(ed25519, message)
        MLDSA87PublicKey.from_public_bytes(public.ml_dsa_87).verify(ml_dsa_87, message)
    except (InvalidSignature, ValueError) as error:
        raise EvidenceBroken(
            "a signature does not fit what was signed",
            expected=f"two signatures of key {str(public.key_id)[:16]}",
            found="one that is wrong: the statement or the signature was altered",
        ) from error


def _encode(payload: bytes, signatures: Mapping[KeyId, tuple[bytes, bytes]]) -> bytes:
    listed = []
    for key_id, (ed25519, ml_dsa_87) in signatures.items():
        listed.append({"keyid": f"ed25519:{key_id}", "sig": base64.b64encode(ed25519).decode()})
        listed.append({"keyid": f"ml-dsa-87:{key_id}", "sig": base64.b64encode(ml_dsa_87).decode()})
    text = base64.b64encode(payload).decode()
    return encode_text({"payloadType": PAYLOAD_TYPE, "payload": text, "signatures": listed})


def _key_id(value: Any, prefix: str) -> KeyId:
    text = value.get("keyid") if isinstance(value, dict) else None
    try:
        if isinstance(text, str) and text.startswith(prefix):
            return KeyId(bytes.fromhex(text.removeprefix(prefix)))
    except ValueError:
        pass
    raise EvidenceBroken(f"{_WHAT} is damaged", expected=f"a key id that begins with {prefix}", found=str(text)[:80])


def _bytes(text: Any) -> bytes:
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise EvidenceBroken(f"{_WHAT} is damaged", expected="base 64", found=str(text)[:40])

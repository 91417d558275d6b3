"""Sealed bodies: a salt, then zstd-compressed bytes under AES-256-GCM (FORMAT 8 and 10)."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from drorch.errors import Bug, ObjectCorrupt
from drorch.format.compression import compress, declared_length, decompress
from drorch.format.derivation import SALT_BYTES, TAG_BYTES, derive_key_and_nonce
from drorch.format.fields import Bytes

_LEVEL = 6  # small bodies, written once a run


def seal_body(secret: bytes, info: bytes, salt: bytes, associated: bytes, plain: Bytes) -> bytes:
    """Return ``salt ‖ ciphertext and tag``; ``salt`` is 32 fresh random bytes."""
    if len(salt) != SALT_BYTES:
        raise Bug("a salt of a wrong size")
    key, nonce = derive_key_and_nonce(secret, info, salt)
    return salt + AESGCM(key).encrypt(nonce, compress(plain, _LEVEL), associated)


def open_body(secret: bytes, info: bytes, sealed: Bytes, associated: bytes, *, what: str, limit: int) -> bytes:
    """Return the plain bytes, at most ``limit``; raise ``ObjectCorrupt``."""
    view = memoryview(sealed)
    if len(view) < SALT_BYTES + TAG_BYTES:
        raise ObjectCorrupt(f"{what} is damaged", expected="salt, content and tag", found=f"{len(view)} bytes")
    key, nonce = derive_key_and_nonce(secret, info, view[:SALT_BYTES])
    try:
        frame = AESGCM(key).decrypt(nonce, view[SALT_BYTES:], associated)
    except InvalidTag as error:
        raise ObjectCorrupt(f"{what} fails its tag", expected="one of this run", found="another, or damage") from error
    return decompress(frame, declared_length(frame, limit), limit=limit)

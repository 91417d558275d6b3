"""HKDF-SHA384, the only way a key is made from another (FORMAT 5)."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from drorch.format.fields import Bytes

SALT_BYTES = 32
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


def derive(secret: Bytes, info: bytes, length: int = KEY_BYTES, *, salt: Bytes | None = None) -> bytes:
    """Return ``length`` bytes of HKDF-SHA384 over ``secret``."""
    return HKDF(algorithm=SHA384(), length=length, salt=None if salt is None else bytes(salt), info=info).derive(secret)


def derive_key_and_nonce(secret: Bytes, info: bytes, salt: Bytes) -> tuple[bytes, bytes]:
    """Return the AES-256 key and the nonce that belong to a salt."""
    both = derive(secret, info, KEY_BYTES + NONCE_BYTES, salt=salt)
    return both[:KEY_BYTES], both[KEY_BYTES:]

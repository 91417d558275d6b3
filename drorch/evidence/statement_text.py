"""The one byte form of statements and envelopes: JSON without spaces, keys in the order in which people read them.

Whoever reads one makes it again out of what it understood, and refuses it unless every byte is the same: nothing unknown, missing, twice
or of another type gets through, however it is spelled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from drorch.errors import EvidenceBroken
from drorch.format.fields import Bytes
from drorch.format.json_text import read_json

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
STATEMENT_LIMIT_BYTES = 48 * 2**20


def encode_text(value: Mapping[str, Any]) -> bytes:
    """Return ``value`` as it is signed and stored; the order of keys is kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def decode_text(raw: Bytes, what: str) -> Mapping[str, Any]:
    """Return the object that ``raw`` spells; raise ``EvidenceBroken``."""
    if len(raw) > STATEMENT_LIMIT_BYTES:
        raise EvidenceBroken(f"{what} is too long", expected=f"{STATEMENT_LIMIT_BYTES} bytes", found=f"{len(raw)}")
    try:
        value = read_json(raw)
    except ValueError as error:
        raise EvidenceBroken(f"{what} cannot be read", expected="a JSON object", found="other text") from error
    if not isinstance(value, dict):
        raise EvidenceBroken(f"{what} cannot be read", expected="a JSON object", found=type(value).__name__)
    return value


def require_same(raw: Bytes, again: bytes, what: str) -> None:
    """Raise ``EvidenceBroken`` unless ``raw`` is what we would have written."""
    if bytes(raw) == again:
        return
    pairs = enumerate(zip(bytes(raw), again, strict=False))
    at = next((place for place, (one, other) in pairs if one != other), min(len(raw), len(again)))
    raise EvidenceBroken(
        f"{what} is not as drorch writes it",
        expected=again[max(0, at - 30) : at + 30].decode(errors="replace"),
        found=bytes(raw)[max(0, at - 30) : at + 30].decode(errors="replace"),
        hint="a field is unknown, missing, of another type or spelled in another way; a newer drorch may know it",
    )

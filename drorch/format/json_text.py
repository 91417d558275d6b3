"""JSON inside structures: one byte form per value, and no surprise when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from drorch.errors import ObjectCorrupt
from drorch.format.fields import Bytes


def encode_json(value: Mapping[str, Any]) -> bytes:
    """Return ``value`` with sorted keys and no spaces, in UTF-8."""
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
    ).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def decode_json(raw: Bytes, what: str) -> Mapping[str, Any]:
    """Return the object that ``raw`` spells; raise ``ObjectCorrupt``."""
    try:
        value = json.loads(bytes(raw).decode())
    except (ValueError, RecursionError) as error:
        raise ObjectCorrupt(f"{what} is damaged", expected="a JSON object", found="other text") from error
    if not isinstance(value, dict):
        raise ObjectCorrupt(f"{what} is damaged", expected="a JSON object", found=f"a JSON {type(value).__name__}")
    return value

"""JSON inside structures: one byte form per value, and no surprise when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
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


def _refused(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if isfinite(number) else _refused(text)


_decoder = json.JSONDecoder(parse_float=_finite, parse_constant=_refused)


def read_json(raw: Bytes) -> Any:
    """Return the value that ``raw`` spells; raise ``ValueError``, also for what could not be written again: a lone surrogate, a number without end."""
    text = bytes(raw).decode()
    try:
        value = _decoder.decode(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return value


def decode_json(raw: Bytes, what: str) -> Mapping[str, Any]:
    """Return the object that ``raw`` spells; raise ``ObjectCorrupt``."""
    try:
        value = read_json(raw)
    except ValueError as error:
        raise ObjectCorrupt(f"{what} is damaged", expected="a JSON object", found="other text") from error
    if not isinstance(value, dict):
        raise ObjectCorrupt(f"{what} is damaged", expected="a JSON object", found=f"a JSON {type(value).__name__}")
    return value

"""Recognises the three degrees of state secrets, however they are spelled. Such sources are refused."""

from __future__ import annotations

import re
import unicodedata

_STATE_SECRETS = {
    "mat": "mật",
    "toimat": "tối mật",
    "tuyetmat": "tuyệt mật",
    "bimatnhanuoc": "bí mật nhà nước",
    "statesecret": "bí mật nhà nước",
}
_NOT_LETTERS = re.compile(r"[^a-z]+")


def state_secret_degree(text: str) -> str | None:
    """Return the degree that ``text`` names (mật, tối mật, tuyệt mật), ``None`` when it names none.

    Upper and lower case, composed and decomposed letters, missing diacritics, hyphens, underscores and a leading
    "độ" make no difference.
    """
    plain = unicodedata.normalize("NFKD", text.casefold().replace("đ", "d"))
    letters = _NOT_LETTERS.sub("", "".join(letter for letter in plain if not unicodedata.combining(letter)))
    return _STATE_SECRETS.get(letters) or _STATE_SECRETS.get(letters.removeprefix("do"))

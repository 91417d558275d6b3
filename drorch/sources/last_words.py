"""What a program said last, fit to be told: without the secrets it was given, without what moves a cursor."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

STRUCK_OUT = "(secret)"
_MOST_LINES = 10
_LONGEST_LINE = 400


def without_secrets(tail: bytes, secret_texts: Sequence[str], *, is_cut: bool) -> str:
    """Return the text of ``tail`` with every spelling of a secret struck out.

    A tail that ``is_cut`` at its front may begin in the midst of a secret: where there are any, its first line goes.
    """
    spellings = sorted({spelling for secret in secret_texts for spelling in _spellings(secret)}, key=len, reverse=True)
    if is_cut and spellings:
        tail = tail.partition(b"\n")[2]
    if spellings:
        tail = re.sub(b"|".join(map(re.escape, spellings)), STRUCK_OUT.encode(), tail)
    return tail.decode("utf-8", "replace")


def _spellings(secret: str) -> Iterator[bytes]:
    """Yield how programs write a secret: as it is, in a URL, in base 64."""
    raw = secret.encode("utf-8", "surrogateescape")
    if raw:
        yield raw
        yield quote(raw, safe="").encode()
        yield base64.b64encode(raw).rstrip(b"=")


def last_words(complaint: str) -> str:
    """Return the last line that is not a detail."""
    lines = _lines(complaint)
    told = [line for line in lines if "error:" in line] or lines
    return told[-1][:_LONGEST_LINE] if told else ""


def last_lines(complaint: str) -> tuple[str, ...]:
    """Return the last few lines, each cut, nothing in them that a terminal would obey."""
    return tuple(_printable(line[:_LONGEST_LINE]) for line in _lines(complaint)[-_MOST_LINES:])


def _lines(complaint: str) -> list[str]:
    return [line.strip() for line in complaint.splitlines() if line.strip()]


def _printable(line: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in line)

"""Bytes of files that people wrote, as text: UTF-8, with or without a byte order mark."""

from __future__ import annotations

import codecs
import re

from drorch.policy.problems import Place, Problems

LONGEST_FILE_BYTES = 4 * 2**20
# Control characters, surrogates, and the marks that turn text around on a terminal.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def decoded(file: str, content: bytes, problems: Problems) -> str | None:
    """Return the text of ``content``; ``None`` after telling why it is none. A byte order mark is dropped."""
    if len(content) > LONGEST_FILE_BYTES:
        problems.add(Place(file, 1, 1), f"the file has {len(content):,} bytes; at most {LONGEST_FILE_BYTES:,} are read")
        return None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        problems.add(Place(file, 1, 1), "the file is UTF-16; save it as UTF-8")
        return None
    body = content.removeprefix(codecs.BOM_UTF8)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        before = body[: error.start].decode("utf-8")
        line_start = before.rfind("\n") + 1
        place = Place(file, before.count("\n") + 1, len(before) - line_start + 1)
        byte = body[error.start]
        problems.add(place, f"byte {byte:02x} is not UTF-8; save the file as UTF-8 (not TCVN3, VNI or Windows-1258)")
        return None


def decoded_list(file: str, content: bytes, problems: Problems) -> str | None:
    """Return the text of a list that is printed line by line; ``None`` also after telling which character of it does not print."""
    text = decoded(file, content, problems)
    lines = [] if text is None else re.split(r"\r\n|\r|\n", text)
    for number, line in enumerate(lines, start=1):
        found = UNPRINTABLE.search(line)
        if found:
            place = Place(file, number, found.start() + 1)
            problems.add(place, f"a character that does not print stands here: U+{ord(found[0]):04X}")
            return None
    return text

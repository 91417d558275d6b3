"""Splits SQL that pg_dump wrote into words, so that a name or a string is never mistaken for a keyword."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*)
      | (?P<dollar>\$(?:[A-Za-z_\u0080-\uffff][\w]*)?\$)
      | (?P<string>[eE]'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<word>[A-Za-z_\u0080-\U0010ffff][\w$]*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL: ``kind`` is ``word``, ``quoted``, ``string``, ``space`` or ``other``."""

    kind: str
    text: str

    @property
    def keyword(self) -> str:
        """The upper-case word, or what it is."""
        return self.text.upper() if self.kind == "word" else self.text

    @property
    def name(self) -> str:
        """The name that a word or a quoted identifier means."""
        return self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text

    @property
    def content(self) -> str:
        """The text that a string constant means."""
        if self.text[0] in "eE":
            return re.sub(r"\\(.)|''", lambda match: match[1] or "'", self.text[2:-1], flags=re.DOTALL)
        return self.text[1:-1].replace("''", "'")


def tokens(sql: str) -> Iterator[Token]:
    """Yield the tokens of ``sql``; joined, their texts are ``sql`` again."""
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None:  # cannot be: the last alternative takes any character
            return
        kind, text = match.lastgroup or "other", match[0]
        if kind == "dollar":
            end = sql.find(text, match.end())
            text = sql[position : len(sql) if end < 0 else end + len(text)]
            kind = "other"
        yield Token(kind, text)
        position += len(text)

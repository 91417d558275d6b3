"""Kinds of single values: how a field's text is read, and how an editor is told about it (JSON Schema).

``read`` gives the value, or ``INVALID`` after it told ``problems`` why. No message shows what may be a secret.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from drorch.policy.classification import state_secret_degree
from drorch.policy.literals import why_literal_secret
from drorch.policy.nodes import Listing, Node, Scalar, Section
from drorch.policy.problems import Problems
from drorch.quantities import counted

_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_NUMBER = re.compile(
    r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|0x[0-9a-fA-F]+|0o[0-7]+|\.[0-9]+|\.inf|\.nan)"
)
_BOOLEAN_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false"}
_EMPTY_WORDS = {"", "~", "null"}
_SHOWN_LENGTH = 60


class Invalid(Enum):
    """The one value that stands for a value with problems."""

    INVALID = "invalid"


INVALID: Final = Invalid.INVALID


class Kind(Protocol):
    """How one value is read and described."""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """Return the checked value of the field ``key``, or ``INVALID`` and say why."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what may stand in the file."""
        ...


def shown(text: str) -> str:
    """Return ``text`` as a message may quote it: one line, not long."""
    line = " ".join(text.replace("`", "'").split())
    return f"`{line if len(line) <= _SHOWN_LENGTH else line[:_SHOWN_LENGTH] + '...'}`"


def nearest_word(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that is nearest to ``word``, if one is near."""
    import difflib

    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return matches[0] if matches else None


def nearest(word: str, known: Sequence[str]) -> str:
    """Return ``; did you mean `database`?`` for the known word that is nearest, or nothing."""
    match = nearest_word(word, known)
    return f"; did you mean `{match}`?" if match else ""


def scalar_of(node: Node, key: str, problems: Problems) -> Scalar | None:
    """Return ``node`` when it is one value that is not empty; say what is wrong otherwise."""
    if isinstance(node, Section):
        keys = list(node.entries)
        if len(keys) == 1 and isinstance(inner := node.entries[keys[0]], Scalar) and inner.text == "":
            problems.add(node.place, f'`{{{keys[0]}}}` needs quotes here: "{{{keys[0]}}}"')
        else:
            problems.add(node.place, f"`{key}` is one value, not a map")
        return None
    if isinstance(node, Listing):
        problems.add(node.place, f"`{key}` is one value, not a list")
        return None
    if (node.is_plain and node.text.lower() in _EMPTY_WORDS) or not node.text.strip():
        filled = "; its column is empty in the list" if node.is_filled else ""
        problems.add(node.place, f"`{key}` is empty{filled}")
        return None
    return node


def is_looking_like_number(node: Scalar) -> bool:
    """Return whether a YAML reader would take the text for a number."""
    return node.is_plain and not node.is_filled and _NUMBER.fullmatch(node.text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One line of text (with ``lines``: several). ``exact`` keeps the letters as composed: paths, arguments, SQL."""

    longest: int = 300
    pattern: str = ""
    meaning: str = ""
    lines: bool = False
    exact: bool = False

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        scalar = scalar_of(node, key, problems)
        if scalar is None or not _is_text(scalar, problems):
            return INVALID
        text = scalar.text if self.exact else unicodedata.normalize("NFC", scalar.text.strip())
        reason = why_literal_secret(text)
        if reason:
            problems.add(scalar.place, reason)
        elif len(text) > self.longest:
            problems.add(
                scalar.place, f"`{key}` has {counted(len(text), 'character')}; at most {self.longest} are allowed"
            )
        elif not self.lines and "\n" in text:
            problems.add(scalar.place, f"`{key}` is one line")
        elif self.pattern and not re.fullmatch(self.pattern, text):
            problems.add(scalar.place, f"{shown(text)} is not {self.meaning}")
        else:
            return text
        return INVALID

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": self.longest}
        if self.pattern:
            schema["pattern"] = f"^(?:{self.pattern})$"
        return schema


def _is_text(scalar: Scalar, problems: Problems) -> bool:
    if not scalar.is_plain or scalar.is_filled:
        return True
    if is_looking_like_number(scalar):
        if re.match(r"0[0-9]", scalar.text):
            problems.add(
                scalar.place,
                f'code {scalar.text[:20]} was read as a number and lost its zeros; write "{scalar.text[:20]}"',
            )
        else:
            problems.add(
                scalar.place, f'number {scalar.text[:20]} stands where text belongs; write "{scalar.text[:20]}"'
            )
        return False
    if scalar.text.lower() in _BOOLEAN_WORDS:
        problems.add(scalar.place, f'`{scalar.text}` is read as yes or no by many programs; write "{scalar.text}"')
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    """A whole number from ``low`` to ``high``; quoted only where a list filled it in."""

    low: int
    high: int

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        scalar = scalar_of(node, key, problems)
        if scalar is None:
            return INVALID
        if not _WHOLE_NUMBER.fullmatch(scalar.text):
            problems.add(scalar.place, f"{shown(scalar.text)} is not a whole number")
            return INVALID
        if not scalar.is_plain and not scalar.is_filled:
            problems.add(scalar.place, f"`{key}` is a number; write {scalar.text} without quotes")
            return INVALID
        value = int(scalar.text)
        if not self.low <= value <= self.high:
            problems.add(scalar.place, f"`{key}` is {value}; it must lie between {self.low} and {self.high}")
            return INVALID
        return value

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean:
    """``true`` or ``false``, nothing else."""

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        scalar = scalar_of(node, key, problems)
        if scalar is None:
            return INVALID
        if scalar.text not in {"true", "false"} or not (scalar.is_plain or scalar.is_filled):
            problems.add(scalar.place, f"{shown(scalar.text)} is neither `true` nor `false`")
            return INVALID
        return scalar.text == "true"

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of a few words; ``later`` are those that a later version will know, which is said."""

    options: tuple[str, ...]
    later: tuple[str, ...] = ()

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        scalar = scalar_of(node, key, problems)
        if scalar is None:
            return INVALID
        if scalar.text in self.options:
            return scalar.text
        options = ", ".join(f"`{option}`" for option in self.options)
        later = ", which a later version of drorch will know" if scalar.text in self.later else ""
        problems.add(scalar.place, f"`{key}` is {shown(scalar.text)}{later}; it must be one of {options}")
        return INVALID

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"enum": list(self.options)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationKind:
    """The classification of the data. State secrets are refused, however they are spelled."""

    options: tuple[str, ...]

    def read(self, node: Node, key: str, problems: Problems) -> Any:
        """See ``Kind``."""
        for text in _texts(node):
            degree = state_secret_degree(text)
            if degree:
                problems.add(
                    node.place,
                    f"`{key}` says {degree}: state secrets are outside what drorch may touch; use the products of "
                    "the Government Cipher Committee",
                    is_state_secret=True,
                )
                return INVALID
        return Choice(options=self.options).read(node, key, problems)

    def schema(self) -> dict[str, Any]:
        """See ``Kind``."""
        return {"enum": list(self.options)}


def _texts(node: Node) -> list[str]:
    if isinstance(node, Scalar):
        return [node.text]
    inner = node.items if isinstance(node, Listing) else tuple(node.entries.values())
    keys = list(node.entries) if isinstance(node, Section) else []
    return keys + [text for item in inner for text in _texts(item)]

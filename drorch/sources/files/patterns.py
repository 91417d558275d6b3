"""Patterns of paths, as .gitignore has them: ``*.tmp``, ``cache/`` (a directory), ``/a/b`` (from the top), ``**``, ``!keep``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

from drorch.errors import UsageInvalid
from drorch.sources.files.names import text_of


class Patterns:
    """A list of patterns; the last one that fits decides."""

    def __init__(self, patterns: Sequence[str], *, any_normal_form: bool = False) -> None:
        """Take the patterns; raise ``UsageInvalid`` for what is none.

        With ``any_normal_form`` a name fits however its accents are composed: what a person types is seldom what a scanner wrote.
        """
        self._normal = any_normal_form
        self.is_empty = not patterns
        wanted = [unicodedata.normalize("NFC", one) if any_normal_form else one for one in patterns]
        for text in wanted:  # a comment, a blank line, a bracket that is never closed: each would fit nothing, silently
            if not any(pattern.include is not None for pattern in _spec([text]).patterns):
                raise _unfit(text)
        self._spec = _spec(wanted)

    def fit(self, path: bytes, *, is_directory: bool = False) -> bool:
        """Whether a relative path, or a directory above it, is meant."""
        text = text_of(path)
        if self._normal:
            text = unicodedata.normalize("NFC", text)
        return self._spec.match_file(text + "/" if is_directory else text)


def _spec(patterns: Sequence[str]) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except (ValueError, re.error) as error:
        raise _unfit(str(error)) from error


def _unfit(found: str) -> UsageInvalid:
    return UsageInvalid(
        "not a pattern of paths", expected="as in .gitignore: *.tmp, cache/, /a/b, **, !keep", found=found[:200]
    )

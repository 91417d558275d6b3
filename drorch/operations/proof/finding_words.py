"""What a drill found, in Vietnamese: the sentences that drills write, as forms. What no form fits (names, a server's message) stays as it is."""

from __future__ import annotations

import re
from functools import cache

from drorch.operations.proof.finding_forms import FORMS
from drorch.operations.proof.paper_words import VIETNAMESE

_DEEPEST = 4  # sentences within sentences
_NOUNS = re.compile(
    r"(?<=\(\.\+\?\)\\ )(?P<stem>(?:foreign\\ )?(?!is\b|was\b|as\b|does\b)\w+?)(?P<ending>ies|(?<=process)es|s)\b"
)
_COPY = re.compile(r"([0-9a-z]{8}) in (\S+)")  # a snapshot in a store: too short for a form, which would fit anything


def in_vietnamese(text: str, depth: int = 0) -> str:
    """Return a sentence of a drill in Vietnamese; sentences inside of it too."""
    if text in VIETNAMESE:
        return VIETNAMESE[text]
    if copy := _COPY.fullmatch(text):
        return f"{copy[1]} trong {copy[2]}"
    for pattern, form in _patterns():
        found = pattern.fullmatch(text)
        if found is not None:
            inner = found.groups()
            return form.format(*(in_vietnamese(one, depth + 1) for one in inner) if depth < _DEEPEST else inner)
    for mark in ("; ", ", "):
        if mark in text and depth < _DEEPEST:
            return mark.join(in_vietnamese(part, depth + 1) for part in text.split(mark))
    return text


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    forms = sorted(FORMS.items(), key=lambda pair: -len(pair[0].replace("{}", "")))
    return tuple((re.compile(_pattern(english), re.DOTALL), words) for english, words in forms)


def _pattern(english: str) -> str:
    """Return what a form fits: the noun that is counted fits without its plural, too."""
    return _NOUNS.sub(_either, "(.+?)".join(map(re.escape, english.split("{}"))))


def _either(noun: re.Match[str]) -> str:
    ending = {"ies": "(?:ies|y)", "es": "(?:es)?", "s": "s?"}[noun["ending"]]
    return f"{noun['stem']}{ending}"

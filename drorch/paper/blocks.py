"""What a page can hold. Frozen values, texts ready to be read: whoever makes a page has chosen language, zone and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Tone: TypeAlias = Literal["good", "bad", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of the page, in a box at its top: one word, one sentence, and the figures that matter as pairs."""

    word: str
    tone: Tone
    statement: str
    figures: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A heading with pairs of label and value."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A heading with a table; ``widths`` are shares of the line."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """A heading with sentences."""

    title: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatures:
    """Boxes to sign in: of each the office, and what is known already."""

    title: str
    boxes: tuple[tuple[str, str], ...]


Block: TypeAlias = Answer | Facts | Grid | Notes | Signatures


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A report. ``language`` is ``vi`` or ``en``; ``foot`` stands on every sheet, before its number."""

    title: str
    subtitle: str
    language: Literal["vi", "en"]
    foot: str
    blocks: tuple[Block, ...]


def document_of(page: Page) -> dict[str, Any]:
    """Return the page as the typesetter takes it: each block with its kind."""
    return {
        "title": page.title,
        "subtitle": page.subtitle,
        "language": page.language,
        "foot": page.foot,
        "blocks": [_block(block) for block in page.blocks],
    }


def _block(block: Block) -> dict[str, Any]:
    return {"kind": type(block).__name__.lower(), **asdict(block)}


def pairs(rows: Sequence[tuple[str, str | None]], otherwise: str) -> tuple[tuple[str, str], ...]:
    """Return the rows with ``otherwise`` (``not measured``) in the place of what is missing."""
    return tuple((label, otherwise if value is None else value) for label, value in rows)

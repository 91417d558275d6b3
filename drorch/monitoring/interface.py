"""Measures: named numbers with labels, of one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One metric: ``values`` are by the values of ``labels``, in their order. A metric without any value keeps its name."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    values: Mapping[tuple[str, ...], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer by HTTP."""

    status: int
    kind: str
    content: bytes


Pages: TypeAlias = Mapping[str, Callable[[], Page]]  # by path

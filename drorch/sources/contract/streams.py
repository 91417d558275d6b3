"""What a capture is made of: streams, how rows lie in them, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TypeAlias

Bytes: TypeAlias = bytes | bytearray | memoryview
Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"
Cuts: TypeAlias = Callable[[Callable[[], None]], AbstractContextManager[None]]
"""Is told how to end something from another thread, for as long as it lasts."""


class StreamKind(Enum):
    """What a stream holds; the numbers are in the format and never change."""

    SCHEMA = 1  # definitions, in the engine's canonical form
    TABLE = 2  # the rows of one table, or of one part of it
    LARGE_OBJECTS = 3
    ROLES = 4
    FILE = 5


class RowFormat(Enum):
    """How rows lie in a stream, so that they can be counted and digested; the numbers never change."""

    NONE = 0
    LINES = 1  # every row ends with LF and holds no other LF (COPY text)
    PREFIXED = 2  # every row follows its length, u32 big-endian


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """One stream that a capture offers.

    ``name`` is unique in the snapshot and the same from run to run: ``schema``, ``table/public.parcel``.
    ``canonical_columns`` maps 0-based column positions of ``LINES`` rows to ``float4`` or ``float8``: their text
    differs between server versions, so the row digest takes the shortest round-trip form instead.
    ``attributes`` is kept with the stream and handed to the target: columns, part numbers, file metadata.
    ``comes_last`` says that it is opened only when every other stream has ended. ``is_lasting`` says that a later capture may
    offer the same stream again without its bytes (see ``Earlier``); ``is_carried`` that this is such an offer: it is not opened.
    ``changes_here_and_there`` asks for small chunks: from run to run few bytes differ, in many places.
    """

    name: str
    kind: StreamKind
    estimated_bytes: int = 0
    comes_last: bool = False
    is_lasting: bool = False
    is_carried: bool = False
    changes_here_and_there: bool = False
    row_format: RowFormat = RowFormat.NONE
    canonical_columns: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    attributes: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))


def table_of(stream: StreamSpec) -> tuple[str, str]:
    """Return schema and name of the table that a stream belongs to: the same for all parts of one table."""
    return str(stream.attributes.get("schema", "")), str(stream.attributes.get("table", stream.name))


class Level(Enum):
    """How a finding is to be read: the first word of its line."""

    OK = "ok"
    NOTE = "note"
    STOP = "STOP"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of a doctor's or preflight's list; ``remedy`` is what to do or which flag decides it."""

    level: Level
    text: str
    remedy: str = ""

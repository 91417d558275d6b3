"""What proves that a restored copy is the snapshot: its definitions, rows and files, as a drill asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from drorch.sources.contract.capture import Asks
from drorch.sources.contract.restore import Content
from drorch.sources.contract.streams import Bytes, StreamSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Defined:
    """One definition of a database, so that two databases can be compared object by object.

    ``kind`` and ``name`` say which (``INDEX``, ``public.parcel_unit_idx``); several may share them, such as grants. ``text`` is
    everything else. ``lasting`` is that without what the data move, such as where a sequence stands; ``None``: all of it, empty: nothing.
    ``is_place`` marks what depends on the place and not on the data: it is compared and told, and fails nothing.
    """

    kind: str
    name: str
    text: str
    is_place: bool = False
    lasting: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """How many rows of a foreign key have no parent; ``None``: it could not be asked, and ``why``."""

    name: str
    count: int | None
    why: str = ""


class DatabaseProof(Protocol):
    """Understands what a capture of its engine offers, so that a restored database can be compared and looked at.

    Nothing is changed; questions go through the capture, and raise what it raises.
    """

    def definitions(self, pieces: Iterable[Bytes]) -> Iterator[Defined]:
        """Yield the definitions that a ``SCHEMA`` or ``ROLES`` stream holds; raises ``ObjectCorrupt``."""
        ...

    def key_columns(self, asks: Asks, table: StreamSpec) -> tuple[str, ...]:
        """Return the columns of the table's primary key in the database that is asked; none when it has none."""
        ...

    def columns(self, table: StreamSpec) -> tuple[str, ...]:
        """Return the names of the values of each row of the stream."""
        ...

    def texts(self, table: StreamSpec, row: bytes) -> Sequence[str | None]:
        """Return the values of a row as text; ``None`` for NULL. What is no text comes as hexadecimal digits."""
        ...

    def orphans(self, asks: Asks) -> Iterator[Orphans]:
        """Yield every foreign key with the number of its rows that have no parent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDifference:
    """One name of a tree that is not as the snapshot says."""

    name: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesCompared:
    """What came of comparing a tree with its snapshot: how much was looked at, and everything that differs."""

    names: int
    files: int
    size_bytes: int
    differences: tuple[FileDifference, ...]


class TreeProof(Protocol):
    """Compares a restored tree with its snapshot, without the code that restored it."""

    def compare(self, content: Content, directory: bytes) -> FilesCompared:
        """Look at every name: kind, mode, times, owner, attributes, link targets, size and digest of what is in it."""
        ...

    def names(self, content: Content) -> Iterator[str]:
        """Yield every name of the tree, as people are shown it; bytes that are no text are escaped."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What came of opening the files of a tree whose form is known: how many of each form, and those that do not open."""

    by_form: Mapping[str, int]
    broken: tuple[FileDifference, ...]


class OpensFiles(Protocol):
    """Really opens documents and pictures."""

    def open_all(self, directory: bytes) -> Opened:
        """Open every PDF, TIFF and JPEG below ``directory``, each page or picture decoded; other forms are left alone."""
        ...

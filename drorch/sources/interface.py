"""The contract between drorch and any engine that it backs up and restores.

A **source** is asked for a **capture**: one consistent snapshot, offered as named byte streams. A **target**
takes the same streams back. What is between them (chunks, keys, stores) is none of their business.

Promises that every capture keeps:

* *One point in time.* All streams, facts and probes of a capture see the same committed state.
* *Complete or an error.* An iterator that ends without raising has yielded the whole stream, proven by the
  engine's own end marker. A dumper that dies, a lost connection, a full disk or a missing end marker raises
  a ``SourceError``; there is no partial stream. (What could not be had at all, ``closing_facts`` may tell as ``incomplete``.)
* *Repeatable bytes.* The same content gives the same bytes, whatever tool version, clock or order: no dates,
  no random markers. Unchanged tables then cost nothing.
* *Nothing is written* to the source, and only locks that readers take.
* *Threads.* Up to ``parallel`` streams may be open at once, each used by one thread.
* *Only our errors* leave, errors raised while iterating included; none holds a secret or a row's content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Protocol, TypeAlias, runtime_checkable

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


class Asks(Protocol):
    """Whatever answers a probe."""

    def ask(self, sql: str) -> str:
        """Return the single value that a probe yields inside the snapshot, as text (``''`` for NULL)."""
        ...


class DatabaseServer(Protocol):
    """A server of many databases, for policies that find theirs by asking it."""

    @property
    def address(self) -> str:
        """What is shown to people: ``postgresql://db1.example/``; never a password. Two accounts see one address."""
        ...

    def databases(self) -> Sequence[str]:
        """Log in and return the names of all databases that could hold somebody's data, sorted, each as a capture takes it.

        Those of the engine itself and its templates are left out. Raises a ``SourceError``: a server that could not be asked never
        gives an empty list.
        """
        ...


class Capture(Asks, Protocol):
    """One consistent snapshot, open until the context that gave it ends."""

    @property
    def facts(self) -> Mapping[str, Json]:
        """What the engine is and was at the restore point: ``engine``, ``server_version``, ``encoding``, ...; sealed."""
        ...

    @property
    def restore_point(self) -> datetime:
        """The moment that the snapshot shows, on the database's clock (aware, UTC)."""
        ...

    @property
    def parallel(self) -> int:
        """How many streams may be open at once."""
        ...

    def streams(self) -> Sequence[StreamSpec]:
        """Return every stream of the snapshot, definitions first, in an order that is the same from run to run."""
        ...

    def open(self, stream: StreamSpec) -> AbstractContextManager[Iterator[Bytes]]:
        """Yield the stream's bytes in pieces of any size; a piece is valid until the next is asked for."""
        ...

    def closing_facts(self) -> Mapping[str, Json]:
        """Return what is known only at the end (how long the vacuum horizon was held); called once, after the streams.

        ``incomplete``, a list of clauses, says what was asked for and is not in the snapshot, which then is partial: it is kept, and
        counts for nothing.
        """
        ...

    def abort(self) -> None:
        """Make every open iterator raise soon; may be called from any thread, more than once."""
        ...


class Source(Protocol):
    """A database that can be captured."""

    @property
    def address(self) -> str:
        """What is shown to people: ``postgresql://db1.example/land``; never a password."""
        ...

    def capture(self) -> AbstractContextManager[Capture]:
        """Open one consistent snapshot; raise a ``SourceError``. Leaving the context ends every session and child."""
        ...

    def examine(self) -> Sequence[Finding]:
        """Log in and say what stands in the way of a capture (rights, tools, versions, locks, encoding)."""
        ...


class Earlier(Protocol):
    """What earlier snapshots of a source left, as far as it can be relied on."""

    def holds(self, name: str) -> bool:
        """Whether the lasting stream ``name`` of the last snapshot is whole in every store, so that it may be carried over."""
        ...


@runtime_checkable
class RemembersStreams(Protocol):
    """A ``Source`` that need not give again what it gave before."""

    def capture_since(self, earlier: Earlier) -> AbstractContextManager[Capture]:
        """Like ``capture``; streams that ``earlier`` holds may be offered as carried."""
        ...


@runtime_checkable
class SaysWhenBusy(Protocol):
    """A ``Source`` whose server can be asked whether it has room for us."""

    def too_busy(self) -> str:
        """Return in words which of the server's loads is over its limit now; ``''`` when none is. Raises a ``SourceError``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStream:
    """One stream of a stored snapshot: the spec as captured, with what was counted. ``rows`` is ``None`` if not counted."""

    spec: StreamSpec
    size_bytes: int
    rows: int | None
    bytes_digest: bytes


class Content(Protocol):
    """A stored snapshot as a target sees it; every byte was authenticated before it is yielded."""

    @property
    def facts(self) -> Mapping[str, Json]:
        """The facts of the capture."""
        ...

    @property
    def short_id(self) -> str:
        """Eight characters that name the snapshot in side databases and messages."""
        ...

    def streams(self) -> Sequence[StoredStream]:
        """Return the streams that are to be restored, in capture order."""
        ...

    def open(self, stream: StoredStream) -> Iterator[Bytes]:
        """Yield the stream's bytes, checked; raises ``RestoreDiffers`` at the end if its digest or row count is wrong."""
        ...

    def open_range(self, stream: StoredStream, offset: int, length: int) -> Iterator[Bytes]:
        """Yield ``length`` bytes of the stream from ``offset`` on, each piece authenticated; their digest is the caller's to check."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreChoices:
    """What the operator decided. ``tables`` are ``schema.table`` names; empty means the whole snapshot.

    ``create_logins`` (which implies ``create_roles``) also makes the accounts that may log in, with their password hashes if
    the snapshot holds them. ``into_schema`` puts the tables beside the originals. ``paths`` are patterns of files.
    """

    tables: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    replace: bool = False
    terminate_sessions: bool = False
    create_roles: bool = False
    create_logins: bool = False
    map_roles: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    no_owner: bool = False
    map_tablespaces: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    into_schema: str | None = None
    allow_older: bool = False
    locale: str | None = None
    jobs: int = 2
    started_at: datetime | None = None


class Observer(Protocol):
    """Hears how a long operation goes on; called from any thread; must be quick.

    It raises only ``Interrupted`` or ``Terminated``: nobody wants the operation to go on, which ends then as at any other error.
    """

    def advance(self, label: str, done: int, total: int | None, unit: str) -> None:
        """``done`` of ``total`` ``unit`` (``bytes``, ``statements``) of the part called ``label``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOutcome:
    """What a target did. ``lines`` tell how to go back; ``by_hand`` lists what was left switched off.

    ``not_as_before`` names what came back and could not be made as it was (an owner that may not be set): partial success.
    """

    place: str
    tables: int
    rows: int
    statements: int
    lines: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    not_as_before: tuple[str, ...] = ()


class Target(Protocol):
    """A place that can take a snapshot of its engine."""

    @property
    def address(self) -> str:
        """What is shown to people; never a password."""
        ...

    def preflight(self, content: Content, choices: RestoreChoices) -> Sequence[Finding]:
        """Return everything that stands in the way, at once, changing nothing; ``STOP`` items need a decision."""
        ...

    def restore(self, content: Content, choices: RestoreChoices, observer: Observer) -> RestoreOutcome:
        """Restore; a non-empty target is refused unless ``replace``, which restores beside it and then swaps.

        Killed anywhere, the name holds the old content or the new, never a mixture. Raises ``TargetError``.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramEnd:
    """How a program that was waited for ended: its exit code (negative: a signal), and its last words, without secrets."""

    code: int
    in_time: bool
    lines: tuple[str, ...] = ()


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

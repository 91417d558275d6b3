"""What is captured: a source, one capture of it, a server of many, and what some sources can do besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from drorch.sources.contract.streams import Bytes, Finding, Json, StreamSpec


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
        """Yield the stream's bytes in pieces of any size; a piece is valid until the next is asked for, one of a ``TABLE`` for good.

        Those of a ``TABLE`` may be asked for by another thread than the one that opened it.
        """
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
class ProgramEnd:
    """How a program that was waited for ended: its exit code (negative: a signal), and its last words, without secrets."""

    code: int
    in_time: bool
    lines: tuple[str, ...] = ()

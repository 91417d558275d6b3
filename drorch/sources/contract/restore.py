"""What is restored: the content of a snapshot, somebody's choices, and a target that takes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from drorch.sources.contract.streams import Bytes, Finding, Json, StreamSpec


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
    ``started_at``, in the zone in which people read it, names what is kept (``NAME__before_YYYYMMDD_HHMM``).
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
    ``size_bytes`` is told by who knows it better than the streams say.
    """

    place: str
    tables: int
    rows: int
    statements: int
    lines: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    not_as_before: tuple[str, ...] = ()
    size_bytes: int | None = None


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

"""Policy texts, sources, what servers named, and who works on a source now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from drorch.catalog.contract.history import IsAlive


class SourceState(Enum):
    """A source's life: only ``ACTIVE`` and ``GONE`` have a schedule and an RPO."""

    ACTIVE = "active"
    GONE = "gone"  # discovery has seen it and sees it no longer
    CLOSED = "closed"  # final snapshot taken, drilled and held
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyText:
    """The exact text of a policy; ``digest`` is the SHA-256 of its UTF-8 bytes."""

    digest: str
    name: str
    text: str
    first_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """Where a source stands in its life and which writer it belongs to. ``address`` is ``POLICY`` or ``POLICY/NAME``."""

    address: str
    policy: str
    lane: str
    generation: int
    machine_id: str
    first_used_at: datetime
    state: SourceState
    last_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDatabase:
    """A database that a server named when it was asked for ``asked_by``, a policy; ``gone_at`` is when it first did not any more."""

    asked_by: str
    server: str
    name: str
    first_seen_at: datetime
    last_seen_at: datetime
    gone_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceClaim:
    """Who works on a source now. It ends with its run, by release, or with its process."""

    source: str
    run_id: str
    operation: str
    host: str
    pid: int
    process_started: str
    claimed_at: datetime


class Sources(Protocol):
    """Policy texts, sources, and who works on a source now."""

    def remember_policy(self, policy: PolicyText) -> None:
        """Remember that this text was in force under this name; raise ``Bug`` if the digest is not that of the text."""
        ...

    def policy_text(self, digest: str) -> PolicyText | None:
        """Return the text of that digest with the name and time it was first seen, or ``None``."""
        ...

    def policy_at(self, name: str, moment: datetime) -> PolicyText | None:
        """Return the text that was in force under ``name`` at ``moment`` and since when, or ``None``."""
        ...

    def put_source(self, record: SourceRecord) -> None:
        """Record where a source stands, in place of what was known of it."""
        ...

    def source(self, address: str) -> SourceRecord | None:
        """Return what is known of the source, or ``None``."""
        ...

    def sources(self, *, policy: str | None = None) -> tuple[SourceRecord, ...]:
        """Return the known sources, by address."""
        ...

    def record_databases(self, asked_by: str, server: str, names: Collection[str], *, at: datetime) -> None:
        """Record what a server named when it was asked for ``asked_by``: what it named before and does not now is gone.

        A database that comes back is there again. Only for an answer; a server that could not be asked says nothing.
        """
        ...

    def seen_databases(self, *, asked_by: str | None = None) -> tuple[SeenDatabase, ...]:
        """Return every database that was ever named, those that are gone included, by ``asked_by`` and name."""
        ...

    def rename_source(self, address: str, was: str) -> None:
        """Record that ``address`` goes on in the lane of ``was``; raise ``Bug`` when either is not as it must be.

        ``was`` must be known and is retired by it; ``address`` must be new.
        """
        ...

    def former_names(self) -> Mapping[str, str]:
        """Return for each source that was renamed the name from which its lane is derived: its first."""
        ...

    def claim_source(self, claim: SourceClaim, *, is_alive: IsAlive) -> None:
        """Take the source for one run; raise ``NothingDone``, saying who holds it and since when.

        A claim of the same host whose process is gone is taken over; that of another host is held until released.
        """
        ...

    def claims(self) -> tuple[SourceClaim, ...]:
        """Return every claim, by source; the processes of some may be gone."""
        ...

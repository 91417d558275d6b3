"""Snapshots, their copies, the heads of lanes, and the stores that were asked: what exists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol


class SnapshotResult(Enum):
    """A partial snapshot never counts for an RPO and is never ``latest:``."""

    COMPLETE = "complete"
    PARTIAL = "partial"


class CopyState(Enum):
    """What one store holds of one snapshot, as far as it was last seen."""

    COMPLETE = "complete"
    ABSENT = "absent"
    DAMAGED = "damaged"
    BEHIND = "behind"  # not all of its objects are there yet; a copy of the store catches up


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRecord:
    """One committed snapshot, as its manifest says. Its id is that of the run that made it.

    Of what had changed, ``delta_bytes`` were stored as deltas and ``new_bytes`` in full, of which a larger base cache would have made
    ``missed_bytes`` deltas; ``None`` where only the run knew it.
    """

    snapshot: str
    lane: str
    sequence: int
    manifest_digest: str
    source: str
    policy: str
    engine: str
    restore_point: datetime
    started_at: datetime
    ended_at: datetime
    result: SnapshotResult
    bytes_read: int
    bytes_stored: int
    rows: int
    tables: int
    policy_digest: str
    delta_bytes: int | None = None
    new_bytes: int | None = None
    missed_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRecord:
    """What one store holds of one snapshot; ``stored_at`` is ``None`` while it is not complete there."""

    snapshot: str
    store: str
    state: CopyState
    stored_at: datetime | None
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneHead:
    """The newest manifest of a lane that was ever seen in a store."""

    store: str
    lane: str
    sequence: int
    manifest_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreContact:
    """When a store last answered this installation, and when it last did not; ``failure`` says how."""

    store: str
    answered_at: datetime | None = None
    failed_at: datetime | None = None
    failure: str = ""

    @property
    def is_away(self) -> bool:
        """Whether it failed after it last answered."""
        return self.failed_at is not None and (self.answered_at is None or self.answered_at < self.failed_at)


class Listing(Protocol):
    """Snapshots, their copies, and the heads of lanes."""

    def record_snapshot(self, snapshot: SnapshotRecord, copies: Sequence[CopyRecord] = ()) -> None:
        """Record a committed snapshot with its copies; recording it again replaces what was said of it."""
        ...

    def record_copy(self, copy: CopyRecord) -> None:
        """Record what a store holds of a snapshot, in place of what was known; raise ``Bug`` if it is unknown."""
        ...

    def snapshots(
        self, *, source: str | None = None, policy: str | None = None, limit: int | None = None
    ) -> tuple[SnapshotRecord, ...]:
        """Return the snapshots that fit every filter given, newest restore point first."""
        ...

    def copies(self, *, of: Collection[str] | None = None, store: str | None = None) -> tuple[CopyRecord, ...]:
        """Return the copies that fit, ordered by snapshot and store; ``of`` are snapshot ids, ``None`` means all."""
        ...

    def find_snapshot(self, prefix: str) -> SnapshotRecord:
        """Return the one snapshot whose id starts with ``prefix``; raise ``SnapshotUnknown``, naming the candidates."""
        ...

    def newest_good(self, source: str, *, before: datetime | None = None) -> SnapshotRecord | None:
        """Return the newest complete snapshot with a complete copy somewhere, its restore point not after ``before``."""
        ...

    def newest_good_by_source(self, *, skip: int = 0) -> Mapping[str, SnapshotRecord]:
        """Return ``newest_good`` of every source that has one; with ``skip`` the one so many good ones before it."""
        ...

    def last_contact_by_store(self) -> Mapping[str, datetime]:
        """Return for every store when a snapshot was last stored there whole."""
        ...

    def replace_listing(
        self,
        snapshots: Iterable[SnapshotRecord],
        copies: Iterable[CopyRecord],
        *,
        stores: Collection[str] | None = None,
    ) -> None:
        """Replace snapshots and copies by what was read from the stores (``catalog rebuild``), in one step.

        ``stores`` names those that could be read: what is recorded of other stores stays, and a snapshot
        stays while one of them holds it. ``None`` replaces everything. Heads stay in any case.
        """
        ...

    def remember_head(self, head: LaneHead) -> None:
        """Remember the newest manifest seen of a lane in a store.

        Raises ``ChainBroken`` and changes nothing when the lane is shorter than it was (cut) or has another
        manifest under the same number (fork). That the new head descends from the old is the caller's to check.
        """
        ...

    def heads(self, *, store: str | None = None, lane: str | None = None) -> tuple[LaneHead, ...]:
        """Return the remembered heads that fit, ordered by store and lane."""
        ...

    def note_contact(self, store: str, *, at: datetime, failure: str | None = None) -> None:
        """Remember that the store answered ``at`` that time, or with ``failure`` that it did not; the later word of each kind counts."""
        ...

    def contacts(self) -> tuple[StoreContact, ...]:
        """Return every store that was ever asked, by name."""
        ...

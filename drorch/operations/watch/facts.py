"""What the watch looks at beside the sources: drills, sizes, disks, stores, daemons, messages. Gathered at once, then judged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from drorch.catalog.interface import (
    SUPERSEDED,
    Catalog,
    DrillRecord,
    IsAlive,
    MessageRecord,
    ObservationKind,
    RollingCheck,
    SnapshotRecord,
)
from drorch.operations.occurrences.standing import DaemonStanding, standing
from drorch.operations.room import Disk, disk_of
from drorch.quantities import counted

PROVEN = ("pass", "pass_with_findings")  # words of ``evidence.drill_report.Verdict``
VERIFIER = "verifier"
A_WEEK_OF_SNAPSHOTS = 6
SIGNED_WITHIN = timedelta(days=7)
_ALL_ROLES = ("backup", "drill", "maintenance")

_REMEDIES = {
    ObservationKind.LOCK_SHORT: "drorch lock extend --ask --store {store}",
    ObservationKind.SNAPSHOT_WITHHELD: "drorch verify",
    ObservationKind.SNAPSHOT_FOREIGN: "drorch snapshots {source}",
    ObservationKind.SCHEMA_CHANGED: "drorch snapshots {source}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRoom:
    """A directory of drorch and the disk that it lies on; ``disk`` is ``None`` when it cannot be asked."""

    label: str
    path: Path
    disk: Disk | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LostProof:
    """Something that proves less than it must, as whoever looks after it found it. ``subject`` is a drill, a lane or a store."""

    subject: str
    text: str
    remedy: str
    since: datetime
    policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that is judged beside ``overview``; of one moment."""

    now: datetime
    host: str
    passed_drills: Mapping[str, DrillRecord]  # by source: the newest that proved it
    last_drills: Mapping[str, DrillRecord]  # by source: the newest, whatever it proved
    first_used: Mapping[str, datetime]
    before: Mapping[str, SnapshotRecord]  # by source: the good snapshot before the newest
    week_before: Mapping[str, SnapshotRecord]
    last_contact: Mapping[str, datetime]
    rooms: tuple[DirectoryRoom, ...]
    keep_free_percent: int
    daemon: DaemonStanding
    waiting: tuple[MessageRecord, ...]
    silent: Mapping[str, str] = field(default_factory=dict)  # stores that did not answer when last asked, and how
    heartbeats: Mapping[str, datetime] = field(
        default_factory=dict
    )  # by host: when its daemon last wrote into this catalog
    rolling: tuple[RollingCheck, ...] = ()
    unsigned: tuple[LostProof, ...] = ()
    short_locks: tuple[LostProof, ...] = ()
    withheld: tuple[LostProof, ...] = ()
    foreign: tuple[LostProof, ...] = ()
    schema_changes: tuple[LostProof, ...] = ()
    stores: tuple[str, ...] = ()
    is_drilling: bool = (
        True  # whether this machine has the role drill: what it does not know of drills another may know
    )

    @property
    def contact_of_stores(self) -> Mapping[str, datetime | None]:
        """When each store of this installation was last heard of; those that never were, too."""
        return {store: self.last_contact.get(store) for store in self.stores}


def gather(
    catalog: Catalog,
    *,
    now: datetime,
    host: str,
    is_alive: IsAlive,
    directories: Mapping[str, Path],
    keep_free_percent: int,
    stores: Sequence[str] = (),
    roles: Collection[str] = _ALL_ROLES,
) -> Facts:
    """Return the facts that the catalog and this machine know; asks no store and no server."""
    last_drills = catalog.newest_drill_by_source()
    observed = _observed(catalog)
    return Facts(
        now=now,
        host=host,
        passed_drills=catalog.newest_drill_by_source(verdicts=PROVEN),
        last_drills=last_drills,
        first_used={record.address: record.first_used_at for record in catalog.sources()},
        before=catalog.newest_good_by_source(skip=1),
        week_before=catalog.newest_good_by_source(skip=A_WEEK_OF_SNAPSHOTS),
        last_contact=_last_contacts(catalog),
        rooms=tuple(_room(label, path) for label, path in directories.items()),
        keep_free_percent=keep_free_percent,
        stores=tuple(stores),
        is_drilling="drill" in roles,
        daemon=standing(catalog, host=host, is_alive=is_alive, now=now),
        waiting=catalog.waiting_messages(),
        silent={one.store: one.failure for one in catalog.contacts() if one.is_away},
        heartbeats={one.host: one.heartbeat_at for one in catalog.daemons()},
        rolling=catalog.rolling_checks(),
        unsigned=_unsigned(catalog, last_drills.values(), now),
        short_locks=tuple(observed.get(ObservationKind.LOCK_SHORT, ())),
        withheld=tuple(observed.get(ObservationKind.SNAPSHOT_WITHHELD, ())),
        foreign=tuple(observed.get(ObservationKind.SNAPSHOT_FOREIGN, ())),
        schema_changes=tuple(observed.get(ObservationKind.SCHEMA_CHANGED, ())),
    )


def _last_contacts(catalog: Catalog) -> Mapping[str, datetime]:
    """Return when each store last answered, or last took a snapshot."""
    answered = {one.store: one.answered_at for one in catalog.contacts() if one.answered_at is not None}
    stored = catalog.last_contact_by_store()
    return {
        store: max(moment for moment in (answered.get(store), stored.get(store)) if moment is not None)
        for store in {*answered, *stored}
    }


def _observed(catalog: Catalog) -> Mapping[ObservationKind, Sequence[LostProof]]:
    """Return what was seen in the stores; a source that goes on in another lane has left what was seen of the old one behind."""
    lanes = {record.address: record.lane for record in catalog.sources()}
    found: dict[ObservationKind, list[LostProof]] = {}
    for one in catalog.observations():
        if not one.store and lanes.get(one.source, one.lane) != one.lane:
            continue
        what = one.source or (f"lane {one.lane[:12]}" if one.lane else "the repository's own records")
        found.setdefault(one.kind, []).append(
            LostProof(
                subject=f"{what} in {one.store}" if one.store else what,
                text=one.text,
                remedy=_REMEDIES[one.kind].format(store=one.store, source=one.source),
                since=one.seen_at,
                policy=one.source.partition("/")[0],
            )
        )
    return found


def _unsigned(catalog: Catalog, drills: Iterable[DrillRecord], now: datetime) -> tuple[LostProof, ...]:
    """Return the drills for which somebody was named to verify them, and who has not signed for longer than allowed."""
    waiting = {one.drill: one for one in drills if one.verifier and now - one.ended_at > SIGNED_WITHIN}
    signed = {one.drill for one in catalog.drill_signatures(waiting) if one.role in (VERIFIER, SUPERSEDED)}
    return tuple(
        LostProof(
            subject=one.source,
            text=f"drill {one.drill[:8]} is not signed by {one.verifier} after {counted((now - one.ended_at).days, 'day')}",
            remedy=f"drorch drill sign {one.drill[:8]} --as {one.verifier}",
            since=one.ended_at,
            policy=one.policy,
        )
        for one in waiting.values()
        if one.drill not in signed
    )


def _room(label: str, path: Path) -> DirectoryRoom:
    try:
        return DirectoryRoom(label=label, path=path, disk=disk_of(path))
    except OSError:
        return DirectoryRoom(label=label, path=path, disk=None)

"""What the stores hold, as the catalog would keep it; and ``catalog rebuild``, which makes it keep just that."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from drorch.catalog.interface import (
    Catalog,
    CopyRecord,
    CopyState,
    LaneHead,
    ObservationKind,
    SnapshotRecord,
    SnapshotResult,
)
from drorch.errors import ChainBroken, DrorchError, IntegrityError, StoreError
from drorch.format.manifest import Result
from drorch.ids import RunId
from drorch.repository.chain import ChainLink
from drorch.repository.listing import list_lane, list_lanes
from drorch.repository.opening import Repository


@dataclass(frozen=True, slots=True)
class ListedRecord:
    """A snapshot and the stores in which it is committed."""

    record: SnapshotRecord
    stores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListingProblem:
    """A lane that could not be read in one store."""

    store: str
    lane: str
    error: DrorchError


@dataclass(frozen=True, slots=True)
class RepositoryListing:
    """Every snapshot that the stores show, oldest first within its lane."""

    snapshots: tuple[ListedRecord, ...]
    problems: tuple[ListingProblem, ...]


def list_repository(repository: Repository) -> RepositoryListing:
    """Read every lane of every store; no private key is needed. A lane that can be read in no store is a problem of each."""
    snapshots: list[ListedRecord] = []
    problems: list[ListingProblem] = []
    for lane in list_lanes(repository):
        try:
            listing = list_lane(repository, lane)
        except (StoreError, IntegrityError) as error:
            problems += [ListingProblem(replica.name, str(lane), error) for replica in repository.replicas]
            continue
        snapshots += [ListedRecord(record_of(one.link), one.stores) for one in listing.snapshots]
        problems += [ListingProblem(store, str(lane), error) for store, error in listing.problems]
    return RepositoryListing(tuple(snapshots), tuple(problems))


def rebuild_catalog(repository: Repository, catalog: Catalog) -> RepositoryListing:
    """Make the catalog's listing again from the stores; history stays. Returns what was found.

    Of a store that could not be read whole nothing that is recorded is taken away; what was read is added.
    """
    listing = list_repository(repository)
    unread = {problem.store for problem in listing.problems}
    whole = [replica.name for replica in repository.replicas if replica.name not in unread]
    in_whole = [one for one in listing.snapshots if not unread.issuperset(one.stores)]
    copies = [complete_copy(one.record, store) for one in in_whole for store in one.stores if store not in unread]
    catalog.replace_listing([one.record for one in in_whole], copies, stores=whole)
    catalog.note_observations(
        ObservationKind.SNAPSHOT_FOREIGN, [], stores=[""]
    )  # whoever rebuilds takes them as they are
    for one in listing.snapshots:
        further = [complete_copy(one.record, store) for store in one.stores if store in unread]
        if unread.issuperset(one.stores):
            catalog.record_snapshot(one.record, further)
        else:
            for copy in further:
                catalog.record_copy(copy)
    return replace(listing, problems=(*listing.problems, *_shorter_than_before(listing, catalog)))


def _shorter_than_before(listing: RepositoryListing, catalog: Catalog) -> Iterator[ListingProblem]:
    """Remember how far each lane goes; yield those that went further, or elsewhere, when they were seen last."""
    known = {(problem.store, problem.lane) for problem in listing.problems}
    for head in _heads(listing).values():
        try:
            catalog.remember_head(head)
        except ChainBroken as error:
            if (head.store, head.lane) not in known:
                yield ListingProblem(head.store, head.lane, error)


def complete_copy(record: SnapshotRecord, store: str) -> CopyRecord:
    """Return what the catalog keeps of a copy that is committed."""
    return CopyRecord(
        snapshot=record.snapshot,
        store=store,
        state=CopyState.COMPLETE,
        stored_at=record.ended_at,
        size_bytes=record.bytes_stored,
    )


def note_given_up(catalog: Catalog, store: str, gone: Collection[RunId]) -> None:
    """Tell the catalog that ``store`` has no copies of these snapshots any more, or was told to give them up."""
    for copy in catalog.copies(of=[str(run) for run in gone], store=store) if gone else ():
        if copy.state is not CopyState.ABSENT:
            catalog.record_copy(replace(copy, state=CopyState.ABSENT, stored_at=None, size_bytes=0))


def _heads(listing: RepositoryListing) -> dict[tuple[str, str], LaneHead]:
    heads: dict[tuple[str, str], LaneHead] = {}
    for one in listing.snapshots:
        for store in one.stores:
            heads[store, one.record.lane] = LaneHead(
                store=store,
                lane=one.record.lane,
                sequence=one.record.sequence,
                manifest_digest=one.record.manifest_digest,
            )
    return heads


def record_of(link: ChainLink) -> SnapshotRecord:
    """Return what the catalog keeps of a snapshot."""
    manifest = link.manifest
    return SnapshotRecord(
        snapshot=str(manifest.run),
        lane=str(link.lane),
        sequence=manifest.sequence,
        manifest_digest=str(link.digest),
        source=manifest.source,
        policy=manifest.source.partition("/")[0],
        engine=manifest.engine or "",
        restore_point=manifest.restore_point,
        started_at=manifest.started,
        ended_at=manifest.ended,
        result=SnapshotResult.COMPLETE if manifest.result is Result.COMPLETE else SnapshotResult.PARTIAL,
        bytes_read=manifest.bytes_read,
        bytes_stored=manifest.bytes_stored,
        rows=manifest.rows,
        tables=manifest.tables,
        policy_digest=str(manifest.policy_digest),
    )

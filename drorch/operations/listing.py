"""What the stores hold, as the catalog would keep it; and ``catalog rebuild``, which makes it keep just that."""

from __future__ import annotations

from dataclasses import dataclass

from drorch.catalog.interface import (
    Catalog,
    CopyRecord,
    CopyState,
    LaneHead,
    SnapshotRecord,
    SnapshotResult,
)
from drorch.errors import DrorchError
from drorch.format.manifest import Result
from drorch.repository.listing import ListedSnapshot, list_lane, list_lanes
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
    """Read every lane of every store; no private key is needed. Raises when a lane can be read in no store at all."""
    snapshots: list[ListedRecord] = []
    problems: list[ListingProblem] = []
    for lane in list_lanes(repository):
        listing = list_lane(repository, lane)
        snapshots += [ListedRecord(_record(one), one.stores) for one in listing.snapshots]
        problems += [ListingProblem(store, str(lane), error) for store, error in listing.problems]
    return RepositoryListing(tuple(snapshots), tuple(problems))


def rebuild_catalog(repository: Repository, catalog: Catalog) -> RepositoryListing:
    """Make the catalog's listing again from the stores; history stays. Returns what was found."""
    listing = list_repository(repository)
    copies = [
        CopyRecord(
            snapshot=one.record.snapshot,
            store=store,
            state=CopyState.COMPLETE,
            stored_at=one.record.ended_at,
            size_bytes=one.record.bytes_stored,
        )
        for one in listing.snapshots
        for store in one.stores
    ]
    unread = {problem.store for problem in listing.problems}
    stores = [replica.name for replica in repository.replicas if replica.name not in unread]
    catalog.replace_listing([one.record for one in listing.snapshots], copies, stores=stores)
    for head in _heads(listing).values():
        catalog.remember_head(head)
    return listing


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


def _record(listed: ListedSnapshot) -> SnapshotRecord:
    manifest = listed.link.manifest
    return SnapshotRecord(
        snapshot=str(manifest.run),
        lane=str(listed.link.lane),
        sequence=manifest.sequence,
        manifest_digest=str(listed.link.digest),
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

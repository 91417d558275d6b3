"""Write down what was seen in the stores that a person should know: hidden snapshots, short locks, snapshots of somebody else.

Whoever looks notes what is there and takes back what is not there any more, for just the part that was looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime

from drorch.catalog.interface import Catalog, Observation, ObservationKind, SchemaRecord
from drorch.errors import ChainBroken, IntegrityError, SnapshotUnknown, StoreError
from drorch.format import names
from drorch.format.trust import TrustChain
from drorch.ids import LaneId, RunId
from drorch.operations.extend_locks import LockReport
from drorch.operations.schema_seen import SeenSchema, what_changed
from drorch.quantities import counted
from drorch.repository.chain import LinkState, read_link
from drorch.repository.findings import CheckReport, Finding, Kind
from drorch.repository.opening import Replica

_KINDS = {Kind.HIDDEN: ObservationKind.SNAPSHOT_WITHHELD, Kind.LOCK: ObservationKind.LOCK_SHORT}
_MOST_LOOKED_AT = 1_000


def note_check(
    catalog: Catalog,
    report: CheckReport,
    *,
    stores: Collection[str],
    sources: Mapping[LaneId, str],
    is_everything: bool,
    now: datetime,
) -> None:
    """Note what a check of ``stores`` found hidden or locked too shortly; one of everything takes back the rest."""
    for kind, seen_as in _KINDS.items():
        found = [one for one in report.errors if one.kind is kind and one.store in stores]
        seen = tuple(_observed(seen_as, found, sources, now))
        lanes = None if is_everything else {one.lane for one in seen}
        catalog.note_observations(seen_as, seen, stores=stores, lanes=lanes)


def _observed(
    kind: ObservationKind, findings: Iterable[Finding], sources: Mapping[LaneId, str], now: datetime
) -> Iterator[Observation]:
    by_place: dict[tuple[str, LaneId | None], list[Finding]] = {}
    for one in findings:
        by_place.setdefault((one.store, names.lane_of(one.name)), []).append(one)
    for (store, lane), found in by_place.items():
        more = f" (and {len(found) - 1:,} more)" if len(found) > 1 else ""
        yield Observation(
            kind=kind,
            store=store,
            lane="" if lane is None else str(lane),
            source="" if lane is None else sources.get(lane, next(iter(found[0].sources), "")),
            text=found[0].text + more,
            seen_at=now,
        )


def note_locks(catalog: Catalog, report: LockReport, *, asked: bool, now: datetime) -> None:
    """Note the lanes whose locks could not be extended; where every object was ``asked`` for, take back the others.

    A whole store that is away is not noted: that is another alert, and its locks go on as they are.
    """
    for one in report.stores:
        failed = [
            Observation(
                kind=ObservationKind.LOCK_SHORT,
                store=one.store,
                lane=str(problem.lane),
                source="",
                text=f"its locks could not be extended: {problem.error.message}",
                seen_at=now,
            )
            for problem in report.problems
            if problem.store == one.store and problem.lane is not None
        ]
        is_all = asked and not any(problem.store == one.store for problem in report.problems)
        lanes = None if is_all else {problem.lane for problem in failed}
        catalog.note_observations(ObservationKind.LOCK_SHORT, failed, stores=[one.store], lanes=lanes)


def note_withheld(
    catalog: Catalog, error: ChainBroken, *, store: str, lane: LaneId, source: str, now: datetime
) -> None:
    """Note that a store shows less of a lane than it did."""
    seen = Observation(
        kind=ObservationKind.SNAPSHOT_WITHHELD,
        store=store,
        lane=str(lane),
        source=source,
        text=error.message,
        seen_at=now,
    )
    catalog.note_observations(seen.kind, [seen], stores=[store], lanes=[seen.lane])


def note_foreign(
    catalog: Catalog, replica: Replica, trust: TrustChain, lane: LaneId, *, newest: int, source: str, now: datetime
) -> None:
    """Note the snapshots behind the last one that the catalog saw in ``lane`` which none of its runs made.

    They are signed by this host's key: somebody has it, or the catalog is an old one. What was noted stays until the source goes on in another
    lane (a new key), or somebody takes them as they are (``catalog rebuild``).
    """
    seen_before = max((head.sequence for head in catalog.heads(lane=str(lane))), default=0)
    if not seen_before:
        return  # a catalog that was made anew knows nothing of its own runs either
    found = []
    with suppress(StoreError, IntegrityError):  # what is wrong with the lane is the run's own to say
        for sequence in range(seen_before + 1, min(newest, seen_before + _MOST_LOOKED_AT) + 1):
            link = read_link(replica.store, trust, lane, sequence)
            if link is not None and link.state is LinkState.COMMITTED and not _is_known(catalog, link.manifest.run):
                found.append(link.manifest)
    if found:
        count = "a snapshot" if len(found) == 1 else counted(len(found), "snapshot")
        text = f"{count} by this host's key that it did not make, the first {found[0].run.short} of {found[0].ended:%d/%m/%Y %H:%M} UTC"
        seen = Observation(
            kind=ObservationKind.SNAPSHOT_FOREIGN, store="", lane=str(lane), source=source, text=text, seen_at=now
        )
        catalog.note_observations(seen.kind, [seen], stores=[""], lanes=[seen.lane])


def note_schema(
    catalog: Catalog, schema: SeenSchema, *, source: str, lane: LaneId, snapshot: RunId, now: datetime
) -> None:
    """Note what changed since the snapshot before, take back what changed before that, and remember ``schema``."""
    before = catalog.schema(source)
    text = ""
    if before is not None:
        text = what_changed(SeenSchema(tables=tuple(before.document["tables"]), digest=before.digest), schema)
    kind = ObservationKind.SCHEMA_CHANGED
    seen = Observation(kind=kind, store="", lane=str(lane), source=source, text=text, seen_at=now)
    catalog.note_observations(kind, [seen] if text else [], stores=[""], lanes=[seen.lane])
    catalog.put_schema(
        SchemaRecord(
            source=source, snapshot=str(snapshot), digest=schema.digest, document={"tables": list(schema.tables)}
        )
    )


def _is_known(catalog: Catalog, run: RunId) -> bool:
    if catalog.run(str(run)) is not None:
        return True
    try:
        return catalog.find_snapshot(str(run)).snapshot == str(run)
    except SnapshotUnknown:
        return False

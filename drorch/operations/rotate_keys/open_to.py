"""Which snapshots a key opens, as run records and key bundles say; no private key is needed to tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from drorch.errors import DrorchError, IntegrityError, StoreError
from drorch.format import names
from drorch.format.keys import RunRecord
from drorch.format.objects import ObjectType
from drorch.ids import KeyId, LaneId, RunId
from drorch.operations.readable_lanes import readable_lanes
from drorch.repository.copies import Copies
from drorch.repository.key_bundles import read_bundles
from drorch.repository.opening import Repository
from drorch.repository.runs import read_with_spare
from drorch.repository.spares import LaneSpares

_READERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRun:
    """A run that snapshots need, and to whom its keys are sealed; ``record`` is ``None`` when no copy of it is good."""

    lane: LaneId
    run: RunId
    record: RunRecord | None
    readers: frozenset[KeyId]
    problem: DrorchError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaysOpen:
    """How many snapshots of a source a key opens, and when the newest was taken."""

    source: str
    snapshots: int
    newest: datetime


class Seals:
    """To whom the runs of a repository are sealed. The bundles are read once."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._copies = Copies(repository.replicas)
        self._further: dict[tuple[LaneId, RunId], set[KeyId]] = {}
        self.bundles = 0
        for bundle in read_bundles(repository, self._copies):
            self.bundles += 1
            for one in bundle:
                self._further.setdefault((one.lane, one.run), set()).add(one.recipient_id)

    def of_runs(self, lane: LaneId, runs: Sequence[RunId]) -> Iterator[SealedRun]:
        """Yield the runs of a lane in their order."""
        spares = LaneSpares(self._repository.replicas, self._repository.trust, lane)
        with ThreadPoolExecutor(_READERS, thread_name_prefix="seals") as readers:
            yield from readers.map(lambda run: self._of(lane, run, spares), runs)

    def _of(self, lane: LaneId, run: RunId, spares: LaneSpares) -> SealedRun:
        trust, further = self._repository.trust, self._further.get((lane, run), set())
        allowed = trust.allowed(ObjectType.RUN_RECORD, lane)

        def parse(raw: bytes) -> RunRecord:
            return RunRecord.verify(raw, repository=trust.repository, lane=lane, run=run, allowed=allowed)

        def spare() -> bytes | None:
            second = spares.of(run)
            return None if second is None else second.run_record

        try:
            record = read_with_spare(self._copies, names.run_record(lane, run), parse, spare)
        except (StoreError, IntegrityError) as error:
            return SealedRun(lane=lane, run=run, record=None, readers=frozenset(further), problem=error)
        return SealedRun(lane=lane, run=run, record=record, readers=frozenset({*record.sealed, *further}))


def open_to(repository: Repository, key_id: KeyId) -> tuple[StaysOpen, ...]:
    """Return what stays open to a key that is removed, by source."""
    seals = Seals(repository)
    found: dict[str, list[datetime]] = {}
    for listing in readable_lanes(repository):
        manifests = {one.link.manifest.run: one.link.manifest for one in listing.snapshots}
        for sealed in seals.of_runs(listing.lane, tuple(manifests)):
            if key_id in sealed.readers:
                manifest = manifests[sealed.run]
                found.setdefault(manifest.source, []).append(manifest.restore_point)
    return tuple(
        StaysOpen(source=source, snapshots=len(times), newest=max(times)) for source, times in sorted(found.items())
    )

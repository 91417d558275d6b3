"""Check that the stores hold what they must: everything, one source, or one snapshot; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from drorch.catalog.interface import Catalog, CopyState
from drorch.errors import DrorchError, SnapshotUnknown
from drorch.format import names
from drorch.format.keys import RecipientKey
from drorch.format.manifest import Manifest
from drorch.ids import Digest, LaneId, RunId
from drorch.operations.choose import LATEST, choose
from drorch.repository.checker import CheckRequest, check
from drorch.repository.data_checker import Depth
from drorch.repository.findings import CheckReport, Progress
from drorch.repository.lane import Head
from drorch.repository.listing import list_lane, list_lanes
from drorch.repository.opening import Repository

SEED_BYTES = 16
Place = tuple[str, LaneId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What this host remembers of the stores, so that what is hidden or cut off is noticed. Empty on a bare machine."""

    heads: Mapping[Place, Head] = field(default_factory=dict)
    snapshots: Mapping[Place, Collection[RunId]] = field(default_factory=dict)
    sources: Mapping[LaneId, str] = field(default_factory=dict)

    @classmethod
    def of(cls, catalog: Catalog, stores: Collection[str]) -> Memory:
        """Return what the catalog knows of ``stores``."""
        heads = {
            (head.store, LaneId.parse(head.lane)): Head(head.sequence, Digest.parse(head.manifest_digest))
            for head in catalog.heads()
            if head.store in stores
        }
        records = catalog.snapshots()
        lanes = {record.snapshot: LaneId.parse(record.lane) for record in records}
        snapshots: dict[Place, set[RunId]] = {}
        for copy in catalog.copies():
            if copy.state is CopyState.COMPLETE and copy.store in stores and copy.snapshot in lanes:
                snapshots.setdefault((copy.store, lanes[copy.snapshot]), set()).add(RunId.parse(copy.snapshot))
        sources = {LaneId.parse(record.lane): record.source for record in records}
        return cls(heads=heads, snapshots=snapshots, sources=sources)

    def lanes_of(self, wanted: str) -> list[LaneId]:
        """Return the lanes of a source or policy, which a store may hide."""
        return [lane for lane, source in self.sources.items() if _is_called(source, wanted)]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """What to verify: ``wanted`` is a snapshot, ``latest:SOURCE``, a policy or a source; ``None`` for all there is.

    ``rolling`` says what to read in place of a share that is drawn anew.
    """

    wanted: str | None = None
    read_data_percent: float = 0
    recipients: Sequence[RecipientKey] = ()
    rolling: Depth | None = None
    help_version: str = ""
    help_files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    lanes: Collection[LaneId] | None = None
    wants: Callable[[Manifest], bool] | None = None


def run(
    repository: Repository,
    request: VerifyRequest,
    memory: Memory,
    *,
    random_bytes: Callable[[int], bytes],
    progress: Progress,
) -> CheckReport:
    """Return what was found; raises ``SnapshotUnknown`` when nothing is called ``wanted``."""
    scope = _Scope() if request.wanted is None else _scope(repository, request.wanted, memory)
    depth = request.rolling or Depth(
        read_data_percent=request.read_data_percent, recipients=request.recipients, seed=random_bytes(SEED_BYTES)
    )
    return check(
        repository,
        CheckRequest(
            lanes=scope.lanes,
            wants=scope.wants,
            depth=depth,
            known_heads=memory.heads,
            known_snapshots=memory.snapshots,
            known_objects=_help_objects(repository, request),
            progress=progress,
        ),
    )


def _scope(repository: Repository, wanted: str, memory: Memory) -> _Scope:
    """Return which lanes and snapshots are meant: those of a source or policy of that name, or one snapshot."""
    if wanted.startswith(LATEST):
        return _one_snapshot(repository, wanted)
    lanes = memory.lanes_of(wanted)
    for lane in list_lanes(repository):
        try:
            found = list_lane(repository, lane).snapshots
        except DrorchError:
            lanes.append(lane)  # it may be the one that is meant; the check says what is the matter with it
            continue
        if any(_is_called(snapshot.link.manifest.source, wanted) for snapshot in found):
            lanes.append(lane)
    try:
        return _one_snapshot(repository, wanted)
    except SnapshotUnknown:
        if not lanes:
            raise
        return _Scope(lanes=set(lanes), wants=lambda manifest: _is_called(manifest.source, wanted))


def _one_snapshot(repository: Repository, wanted: str) -> _Scope:
    link = choose(repository, wanted).link
    run_id = link.manifest.run
    return _Scope(lanes=[link.lane], wants=lambda manifest: manifest.run == run_id)


def _is_called(source: str, wanted: str) -> bool:
    return source == wanted or source.startswith(f"{wanted}/")


def _help_objects(repository: Repository, request: VerifyRequest) -> Mapping[str, bytes]:
    """Return the help files that must be there: those of this version, unless the stores were made by another one."""
    if request.wanted is not None or not request.help_files:
        return {}
    expected = {names.help_file(request.help_version, file): raw for file, raw in request.help_files.items()}
    listed = {stat.name for replica in repository.replicas for stat in replica.store.list_objects("help/")}
    return expected if not listed or listed & expected.keys() else {}

"""What one store holds of a lane, as whoever deletes must know it: every snapshot, pack, segment and retire list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from drorch.errors import ChainBroken, IntegrityError, ObjectMissing
from drorch.format import names
from drorch.format.manifest import bitmap_of
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType, digest_of
from drorch.format.pack import PackList
from drorch.format.trust import TrustChain
from drorch.ids import Digest, LaneId, RunId
from drorch.quantities import counted
from drorch.repository.chain import ChainLink, LinkState, manifests_of, read_good_part
from drorch.repository.locking import run_of_pack
from drorch.repository.opening import Replica
from drorch.repository.retirement import Retirement, read_retirement
from drorch.storage.interface import ObjectStat

LEAST_WHOLE_RUN = (
    2**16
)  # ordinals that a list retires of a run whose pack list is not known; more when it left more packs


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlistedPack:
    """A pack that no pack list names; ``run`` is what its header says."""

    name: str
    run: RunId
    stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneContents:
    """What one store holds of a lane.

    ``unknown_runs`` have a pack list that is no good: they are left alone. ``committed_at`` are the store's dates of the commits that it lists,
    by number, ``sizes`` those of all packs and segments, by name, ``alternates`` the copies of packs that a repair put beside them.
    """

    lane: LaneId
    links: tuple[ChainLink, ...]
    pack_lists: Mapping[RunId, tuple[Digest, ...]]
    list_digests: Mapping[RunId, Digest]
    listed_at: Mapping[RunId, datetime]
    present: frozenset[Digest]
    unlisted: tuple[UnlistedPack, ...]
    segments: tuple[ObjectStat, ...]
    unknown_runs: frozenset[RunId] = frozenset()
    retirement: Retirement = field(default_factory=Retirement)
    committed_at: Mapping[int, datetime] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict, repr=False)
    alternates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def absent_packs(self) -> dict[RunId, bytes]:
        """Return, by run, the packs of the pack lists that the store does not list; all that could be of a run without a good list."""
        absent = dict.fromkeys(self._runs_without_list(), b"\xff" * (LEAST_WHOLE_RUN // 8))
        for run, digests in self.pack_lists.items():
            gone = [at for at, digest in enumerate(digests) if digest not in self.present]
            if gone:
                absent[run] = bitmap_of(gone, len(digests))
        return absent

    def _runs_without_list(self) -> set[RunId]:
        needed = {need.run for link in self.links for need in link.manifest.needs}
        return needed.difference(self.pack_lists)


def read_contents(replica: Replica, trust: TrustChain, lane: LaneId, *, at_least: int = 0) -> LaneContents:
    """Return what the store holds of ``lane``.

    ``at_least`` is the number up to which the lane is known to go. Raises ``ChainBroken`` when the chain cannot be read to its end: whoever
    does not know all snapshots must not delete.
    """
    store = replica.store
    retirement = read_retirement(store, trust, lane)
    dates = _commit_dates(replica, lane)
    links = all_links(replica, trust, lane, at_least)
    pack_lists: dict[RunId, tuple[Digest, ...]] = {}
    list_digests: dict[RunId, Digest] = {}
    listed_at: dict[RunId, datetime] = {}
    unknown: set[RunId] = set()
    for stat in store.list_objects(names.pack_list_prefix(lane)):
        run = names.run_of(stat.name)
        if run is None:
            continue
        listed_at[run] = stat.stored_at
        try:
            pack_lists[run], list_digests[run] = _pack_list(replica, trust, lane, run)
        except (IntegrityError, ObjectMissing):
            unknown.add(run)
    listed = {digest for packs in pack_lists.values() for digest in packs}
    present, unlisted, sizes = set(), [], {}
    alternates: dict[str, tuple[str, ...]] = {}
    for stat in store.list_objects(names.packs_prefix(lane)):
        name = names.base_name(stat.name)
        digest = names.pack_digest(name)
        if digest is None:
            continue
        present.add(digest)
        sizes[stat.name] = stat.size_bytes
        if name != stat.name:
            alternates[name] = (*alternates.get(name, ()), stat.name)
        elif digest not in listed:
            unlisted += _unlisted(replica, stat)
    segments = tuple(stat for stat in store.list_objects(names.index_prefix(lane)) if names.is_index_segment(stat.name))
    return LaneContents(
        lane=lane,
        links=links,
        pack_lists=pack_lists,
        list_digests=list_digests,
        listed_at=listed_at,
        present=frozenset(present),
        unlisted=tuple(unlisted),
        segments=segments,
        unknown_runs=frozenset(unknown),
        retirement=retirement,
        committed_at=dates,
        sizes=sizes | {stat.name: stat.size_bytes for stat in segments},
        alternates=alternates,
    )


def _commit_dates(replica: Replica, lane: LaneId) -> dict[int, datetime]:
    dates: dict[int, datetime] = {}
    for stat in replica.store.list_objects(names.manifests_prefix(lane)):
        sequence = names.sequence_of(stat.name)
        if sequence and stat.name == names.commit(lane, sequence):
            dates[sequence] = stat.stored_at
    return dates


def all_links(replica: Replica, trust: TrustChain, lane: LaneId, at_least: int) -> tuple[ChainLink, ...]:
    """Return every manifest of the lane; raise ``ChainBroken`` when they cannot all be read."""
    # The listing first: what is added while we read is found by the reading, and is no gap.
    listed = (names.sequence_of(stat.name) for stat in replica.store.list_objects(names.manifests_prefix(lane)))
    end = max(at_least, max(listed, default=0))
    part = read_good_part(replica.store, trust, lane)
    last = _last_of_revoked(part.links, trust, lane)
    if last is not None and len(part.links) >= last:
        return (
            *part.links,
            *_rivals(replica, trust, part.links),
        )  # what the revoked key signed behind it counts for nothing
    if part.problem is not None:
        raise part.problem
    if len(part.links) < end:
        raise ChainBroken(
            f"lane {lane} in {replica.name} cannot be read to its end, so nothing is deleted",
            expected=counted(end, "manifest"),
            found=f"{len(part.links)}",
            hint="`drorch verify` says what is missing",
        )
    return (*part.links, *_rivals(replica, trust, part.links))


def _last_of_revoked(links: Sequence[ChainLink], trust: TrustChain, lane: LaneId) -> int | None:
    """Return the number of the last manifest that counts, when the lane's writer is revoked."""
    heads = (trust.last_good(signer, lane) for link in links[:1] for signer in link.manifest.signers)
    return next((head.sequence for head in heads if head is not None), None)


def _rivals(replica: Replica, trust: TrustChain, links: Sequence[ChainLink]) -> Iterator[ChainLink]:
    """Yield the other manifests of a number that is not decided: ``drorch copy`` may be about to make one of them count."""
    for link in links:
        if link.state is LinkState.UNDECIDED:
            for raw, manifest in manifests_of(replica.store, trust, link.lane, link.sequence):
                if digest_of(raw) != link.digest:
                    yield replace(link, manifest=manifest, digest=digest_of(raw))


def _pack_list(replica: Replica, trust: TrustChain, lane: LaneId, run: RunId) -> tuple[tuple[Digest, ...], Digest]:
    raw = replica.store.read(names.pack_list(lane, run), limit_bytes=OBJECT_LIMIT_BYTES)
    allowed = trust.allowed(ObjectType.PACK_LIST, lane)
    verified = PackList.verify(raw, repository=trust.repository, lane=lane, run=run, allowed=allowed)
    return tuple(pack.digest for pack in verified.packs), digest_of(raw)


def _unlisted(replica: Replica, stat: ObjectStat) -> list[UnlistedPack]:
    """Return the pack with the run that its header names; nothing when the header cannot be read: then it is left alone."""
    run = run_of_pack(replica.store, stat.name)
    return [] if run is None else [UnlistedPack(name=stat.name, run=run, stored_at=stat.stored_at)]

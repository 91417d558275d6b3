"""Delete packs that nothing needs: from an explicit plan, announced, and checked again before every batch.

*Each side writes, then reads* (docs/FORMAT.md section 12). The sweeper puts a retire list and then, before every batch, reads all manifests; a
writer puts its manifest and then reads the retire lists. One of them sees the other: the writer and voids its run, or the
sweeper and keeps the pack. No clock and no lease takes part in that; the margin only spares runs that are under way from being voided.

Deleted are packs and index segments. Manifests, commits, run records and pack lists stay: they are small, and prove what was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice

from drorch.clock import Clock
from drorch.errors import ChainBroken, IntegrityError, ObjectMissing, StoreDenied
from drorch.format import names
from drorch.format.manifest import bitmap_of
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType, digest_of
from drorch.format.pack import PackList
from drorch.format.packsets import ordinals, united, without
from drorch.format.signing import SigningKey
from drorch.format.trust import TrustChain
from drorch.ids import Digest, LaneId, RunId
from drorch.repository.chain import ChainLink, LinkState, manifests_of, read_good_part
from drorch.repository.locking import run_of_pack
from drorch.repository.opening import Replica
from drorch.repository.retirement import Retirement, put_list, read_retirement
from drorch.storage.interface import ObjectStat

BATCH_OBJECTS = 500
MARGIN = timedelta(days=7)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """What to delete in one store.

    ``given_up`` are the snapshots that are retired, ``newly`` those of them that no retire list names yet, ``announced`` packs that one does name, ``packs`` maps each run to the packs of its list, ``unlisted`` are packs of runs that were
    broken off before they had one, ``segments`` the index of runs of which nothing is left.
    """

    lane: LaneId
    given_up: frozenset[RunId]
    newly: frozenset[RunId] = frozenset()
    packs: Mapping[RunId, bytes]
    names: Mapping[RunId, Mapping[int, str]] = field(repr=False)
    unlisted: tuple[UnlistedPack, ...]
    segments: Mapping[RunId, tuple[str, ...]]
    announced: Mapping[RunId, bytes] = field(default_factory=dict, repr=False)
    alternates: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    shared: Mapping[str, tuple[tuple[RunId, int], ...]] = field(default_factory=dict, repr=False)
    locked: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do, nor to announce."""
        return not (self.newly or _unsaid(self) or _candidates(self))

    @property
    def object_names(self) -> list[str]:
        """The objects that are to be deleted: those that the store ``locked`` are not."""
        return [one.name for one in _candidates(self)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What was deleted, what was kept after all because a snapshot that came meanwhile needs it, and what the store would not delete.

    ``spared`` are snapshots that somebody had come to hold when the list was put.
    """

    retire_list: int | None
    deleted: tuple[str, ...]
    kept: tuple[str, ...]
    refused: tuple[str, ...] = ()
    spared: frozenset[RunId] = frozenset()


# -- look


def read_contents(replica: Replica, trust: TrustChain, lane: LaneId, *, at_least: int = 0) -> LaneContents:
    """Return what the store holds of ``lane``.

    ``at_least`` is the number up to which the lane is known to go. Raises ``ChainBroken`` when the chain cannot be read to its end: whoever
    does not know all snapshots must not delete.
    """
    store = replica.store
    retirement = read_retirement(store, trust, lane)
    dates = _commit_dates(replica, lane)
    links = _all_links(replica, trust, lane, at_least)
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


def _all_links(replica: Replica, trust: TrustChain, lane: LaneId, at_least: int) -> tuple[ChainLink, ...]:
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
            expected=f"{end} manifests",
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


# -- decide


def plan(contents: LaneContents, give_up: Iterable[RunId], *, now: datetime, margin: timedelta = MARGIN) -> SweepPlan:
    """Return what no snapshot needs once those of ``give_up`` and of earlier retire lists are retired. ``now`` is the store's clock.

    What runs left that never came to a manifest is spared for ``margin``: they may be under way.
    """
    already = frozenset(contents.retirement.retired)
    given_up = already.union(give_up)
    committed = {link.manifest.run for link in contents.links if link.state is LinkState.COMMITTED}
    needed = needed_packs(contents.links, given_up)
    with_manifest = {link.manifest.run for link in contents.links}
    packs: dict[RunId, bytes] = {}
    pack_names: dict[RunId, dict[int, str]] = {}
    good_lists, named = _good_lists(contents)
    of_needed = {
        good_lists[run][at]
        for run, bitmap in needed.items()
        for at in ordinals(bitmap)
        if at < len(good_lists.get(run, ()))
    }
    is_every_list_good = needed.keys() <= good_lists.keys()
    for run, digests in good_lists.items():
        if run not in with_manifest and contents.listed_at[run] > now - margin:
            continue
        # A list that no manifest names may be a forger's, and name packs of a run whose own list is not known.
        if run not in named and not is_every_list_good:
            continue
        mine = set(ordinals(needed.get(run, b"")))
        there = {
            at: names.pack(contents.lane, one)
            for at, one in enumerate(digests)
            if one in contents.present and (one not in of_needed or at in mine)
        }
        unneeded = without(bitmap_of(there, len(digests)), needed.get(run, b""))
        chosen = {ordinal: there[ordinal] for ordinal in ordinals(unneeded)}
        if chosen:
            packs[run], pack_names[run] = unneeded, chosen
    unlisted = tuple(
        one
        for one in contents.unlisted
        if one.stored_at <= now - margin and one.run not in contents.unknown_runs and one.run not in needed
    )
    return SweepPlan(
        lane=contents.lane,
        given_up=given_up,
        newly=(given_up - already) & committed,
        packs=packs,
        names=pack_names,
        shared=_shared(good_lists, pack_names, contents.lane),
        unlisted=unlisted,
        segments=_dead_segments(contents, packs, needed, now - margin),
        announced=contents.retirement.packs,
        alternates=contents.alternates,
    )


def _good_lists(contents: LaneContents) -> tuple[dict[RunId, tuple[Digest, ...]], set[RunId]]:
    """Return the pack lists that are what the manifests say, with those that no manifest names; and the runs that manifests name."""
    digests: dict[RunId, set[Digest]] = {}
    for link in contents.links:
        for need in link.manifest.needs:
            digests.setdefault(need.run, set()).add(need.pack_list_digest)
    good = {
        run: packs
        for run, packs in contents.pack_lists.items()
        if run not in digests or contents.list_digests.get(run) in digests[run]
    }
    return good, set(digests)


def _shared(
    lists: Mapping[RunId, tuple[Digest, ...]], doomed: Mapping[RunId, Mapping[int, str]], lane: LaneId
) -> dict[str, tuple[tuple[RunId, int], ...]]:
    """Return every place of the packs that are to go, where they stand in more lists than one: no writer does that."""
    wanted = {lists[run][at] for run, every in doomed.items() for at in every}
    found: dict[Digest, tuple[tuple[RunId, int], ...]] = {}
    for run, digests in lists.items():
        for at, digest in enumerate(digests):
            if digest in wanted:
                found[digest] = (*found.get(digest, ()), (run, at))
    return {names.pack(lane, digest): places for digest, places in found.items() if len(places) > 1}


def needed_packs(links: Iterable[ChainLink], given_up: frozenset[RunId]) -> dict[RunId, bytes]:
    """Return, by run, the packs that a committed or undecided manifest needs, those of ``given_up`` left out."""
    needed: dict[RunId, bytes] = {}
    for link in links:
        if link.state is LinkState.VOID or (link.state is LinkState.COMMITTED and link.manifest.run in given_up):
            continue
        for need in link.manifest.needs:
            needed[need.run] = united(needed.get(need.run, b""), need.bitmap)
    return needed


def _dead_segments(
    contents: LaneContents, packs: Mapping[RunId, bytes], needed: Mapping[RunId, bytes], before: datetime
) -> dict[RunId, tuple[str, ...]]:
    """Return the index segments of runs of which no pack stays."""
    dead: dict[RunId, tuple[str, ...]] = {}
    for stat in contents.segments:
        run, _ = names.parse_index_segment(stat.name)
        listed = contents.pack_lists.get(run, ())
        stays = {at for at, digest in enumerate(listed) if digest in contents.present} - set(
            ordinals(packs.get(run, b""))
        )
        if not stays and run not in needed and run not in contents.unknown_runs and stat.stored_at <= before:
            dead[run] = (*dead.get(run, ()), stat.name)
    return dead


# -- do


def execute(
    sweep: SweepPlan,
    replica: Replica,
    trust: TrustChain,
    *,
    key: SigningKey,
    clock: Clock,
    at_least: int = 0,
    batch_objects: int = BATCH_OBJECTS,
) -> SweepReport:
    """Announce the plan in a retire list signed by the maintainer's ``key``, then delete batch by batch.

    Before every batch all manifests are read again, and whatever one of them needs by now is kept. Raises ``ChainBroken`` when they cannot all be
    read, and what the store raises; what was deleted till then nothing needed.
    """
    if sweep.is_empty:
        return SweepReport(retire_list=None, deleted=(), kept=())
    number = _announce(sweep, replica, trust, key, clock)
    # The order of the lists decides between us and who came to hold a snapshot meanwhile.
    spared = (
        sweep.newly.difference(read_retirement(replica.store, trust, sweep.lane).retired)
        if sweep.newly
        else sweep.newly
    )
    given_up = sweep.given_up - spared
    deleted: list[str] = []
    kept: list[str] = []
    refused: list[str] = []
    candidates = iter(_candidates(sweep))
    while batch := list(islice(candidates, batch_objects)):
        needed = needed_packs(_all_links(replica, trust, sweep.lane, at_least), given_up)
        doomed = [one.name for one in batch if not one.is_needed(needed)]
        kept += [one.name for one in batch if one.is_needed(needed)]
        locked = _delete(replica, doomed)
        refused += locked
        deleted += [name for name in doomed if name not in locked]
        if doomed and len(locked) == len(doomed):
            refused += [one.name for one in candidates]  # nothing may be deleted here: do not ask once for each
    return SweepReport(
        retire_list=number, deleted=tuple(deleted), kept=tuple(kept), refused=tuple(refused), spared=spared
    )


def _delete(replica: Replica, doomed: Sequence[str]) -> set[str]:
    """Delete what the store lets us delete, and return the rest: objects under a lock, or all when the credential may not."""
    if not doomed:
        return set()
    try:
        replica.store.delete(doomed)
    except StoreDenied:
        return {name for name in doomed if _is_refused(replica, name)}
    return set()


def _is_refused(replica: Replica, name: str) -> bool:
    try:
        replica.store.delete([name])
    except StoreDenied:
        return True
    return False


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An object to delete; ``ordinal`` is ``None`` when any need of its run keeps it."""

    name: str
    run: RunId
    ordinal: int | None
    others: tuple[tuple[RunId, int], ...] = ()

    def is_needed(self, needed: Mapping[RunId, bytes]) -> bool:
        places = ((self.run, self.ordinal), *self.others)
        return any(_needs(needed.get(run), ordinal) for run, ordinal in places)


def _needs(bitmap: bytes | None, ordinal: int | None) -> bool:
    if bitmap is None:
        return False
    if ordinal is None:
        return any(bitmap)
    return ordinal // 8 < len(bitmap) and bool(bitmap[ordinal // 8] & 0x80 >> ordinal % 8)


def _candidates(sweep: SweepPlan) -> Sequence[_Candidate]:
    # The index first: no run that begins from now on learns of what is going to be deleted.
    segments = [_Candidate(name, run, None) for run, every in sweep.segments.items() for name in every]
    packs = [
        _Candidate(copy, run, at, sweep.shared.get(name, ()))
        for run, every in sweep.names.items()
        for at, name in every.items()
        for copy in (
            *sweep.alternates.get(name, ()),
            name,
        )  # the pack last: it is by the pack that the rest is found again
    ]
    unlisted = (_Candidate(one.name, one.run, None) for one in sweep.unlisted)
    return [one for one in (*segments, *packs, *unlisted) if one.name not in sweep.locked]


def _announce(sweep: SweepPlan, replica: Replica, trust: TrustChain, key: SigningKey, clock: Clock) -> int | None:
    """Put the next retire list and return its number; ``None`` when no pack and no snapshot has to be told.

    A pack that an earlier list names, and that could not be deleted then, needs no further word.
    """
    unsaid = _unsaid(sweep)
    if not unsaid and not sweep.newly:
        return None
    return put_list(replica, trust, sweep.lane, key=key, clock=clock, packs=unsaid, given_up=sweep.newly)


def _unsaid(sweep: SweepPlan) -> dict[RunId, bytes]:
    """Return the packs that no list names yet."""
    retired = dict(sweep.packs)
    for run, count in _unlisted_counts(sweep).items():
        retired[run] = united(retired.get(run, b""), b"\xff" * (max(LEAST_WHOLE_RUN, 4 * count) // 8))
    unsaid = {run: without(bitmap, sweep.announced.get(run, b"")) for run, bitmap in retired.items()}
    return {run: bitmap for run, bitmap in unsaid.items() if any(bitmap)}


def _unlisted_counts(sweep: SweepPlan) -> Mapping[RunId, int]:
    counts: dict[RunId, int] = {}
    for one in sweep.unlisted:
        counts[one.run] = counts.get(one.run, 0) + 1
    return counts

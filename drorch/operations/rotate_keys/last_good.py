"""Up to where the work of a signer counts that is to be revoked: per lane the last good head, and the head of its ledger chain.

A head is taken because somebody named its snapshot, because the stores had it before a given time (their own dates, which no thief of a writing
credential makes), or because somebody beside one store vouches for it: the catalog, which saw it there, or a second store.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from drorch.errors import ObjectMissing, SnapshotUnknown, StoreError, UsageInvalid
from drorch.evidence.ledger_segment import chain_of
from drorch.format import names
from drorch.format.keyfile import KeyKind
from drorch.format.trust_record import LANE_PREFIX_BYTES, Head, Revocation
from drorch.ids import Digest, LaneId
from drorch.operations.proof.reading import read_ledger
from drorch.operations.rotate_keys.listed import ListedKey
from drorch.quantities import counted
from drorch.repository.chain import ChainLink, LinkState, lanes_of, read_good_part
from drorch.repository.opening import Replica, Repository
from drorch.storage.interface import ObjectStore

_READERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouching:
    """What says up to where. ``named`` are beginnings of snapshots' ids, ``before`` a time, ``seen`` the heads that the catalog saw."""

    named: tuple[str, ...] = ()
    before: datetime | None = None
    seen: Mapping[LaneId, Collection[Digest]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneEnd:
    """The last good snapshot of a lane and who vouches for it; ``None``: nothing of the lane counts. ``later`` snapshots count no more."""

    lane: LaneId
    source: str
    last: ChainLink | None
    later: int
    voucher: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """A lane as all stores together have it: its committed snapshots, oldest first, and in which stores each is."""

    lane: LaneId
    links: tuple[ChainLink, ...]
    places: Mapping[Digest, Sequence[Replica]]


def lane_ends(repository: Repository, key: ListedKey, vouching: Vouching) -> tuple[LaneEnd, ...]:
    """Return the last good head of every lane that matters to ``key``: a writer's own, or those with lists of a maintainer.

    Raises ``SnapshotUnknown`` for a named snapshot that is in none of them, ``UsageInvalid`` when nobody vouches for anything of a lane, and
    what a store raises: what only a silent store holds would count no more.
    """
    lanes = _lanes(repository, key)
    if key.kind is not KeyKind.WRITER:  # its snapshots are another's; any head makes its lists count
        return tuple(_at(lane, len(lane.links), "it signed lists there") for lane in lanes if lane.links)
    for name in vouching.named:
        if not any(_is_named(link, (name,)) for lane in lanes for link in lane.links):
            raise SnapshotUnknown(
                f"no snapshot of {key.label} begins with {name}",
                expected="a snapshot that this writer made",
                found="none",
                hint="`drorch snapshots list` shows them",
            )
    return tuple(_end(lane, vouching) for lane in lanes if lane.links)


def ledger_end(repository: Repository, key: ListedKey, before: datetime | None) -> Head | None:
    """Return up to where the key's chain of the ledger counts, by the stores' own dates when ``before`` is given.

    What the chain of another signer saw counts in any case: without it that one's evidence would speak of entries that are gone.
    """
    identity = chain_of(key.key_id)
    chains = read_ledger(repository).chains
    seen = {
        head.digest
        for other in chains.values()
        for segment in (other.segments if other.identity != identity else ())
        for of, head in segment.seen
        if of == identity
    }
    for segment in reversed(chains[identity].segments if identity in chains else ()):
        name = names.ledger_segment(identity, segment.number)
        stores = [one.store for one in repository.replicas]
        if before is None or segment.digest in seen or _stored_at(stores, name) <= before:
            return Head(segment.number, segment.digest)
    return None


def revocation(key: ListedKey, ends: Sequence[LaneEnd], ledger: Head | None) -> Revocation:
    """Return what the trust record says of the key."""
    heads = {end.lane: Head(end.last.sequence, end.last.digest) for end in ends if end.last is not None}
    if ledger is not None:
        heads[chain_of(key.key_id)] = ledger
    return Revocation(key.key_id, heads)


def _lanes(repository: Repository, key: ListedKey) -> tuple[_Lane, ...]:
    if key.kind not in (KeyKind.WRITER, KeyKind.MAINTAINER):
        return ()
    own = key.key_id.raw[:LANE_PREFIX_BYTES] if key.kind is KeyKind.WRITER else b""
    found = {lane for one in repository.replicas for lane in lanes_of(one.store, names.lanes_prefix(own))}
    wanted = sorted(lane for lane in found if key.kind is KeyKind.WRITER or _has_lists(repository, lane))
    with ThreadPoolExecutor(_READERS, thread_name_prefix="lanes") as readers:
        return tuple(readers.map(partial(_read, repository), wanted))


def _has_lists(repository: Repository, lane: LaneId) -> bool:
    prefixes = (names.retire_list(lane, 0)[:-1], names.damage_list(lane, 0)[:-1])
    return any(True for one in repository.replicas for prefix in prefixes for _ in one.store.list_objects(prefix))


def _read(repository: Repository, lane: LaneId) -> _Lane:
    chains = [(one, read_good_part(one.store, repository.trust, lane).links) for one in repository.replicas]
    places: dict[Digest, list[Replica]] = {}
    for replica, links in chains:
        for link in links:
            if link.state is LinkState.COMMITTED:
                places.setdefault(link.digest, []).append(replica)
    longest = max((links for _, links in chains), key=len)
    return _Lane(lane=lane, links=tuple(link for link in longest if link.digest in places), places=places)


def _end(lane: _Lane, vouching: Vouching) -> LaneEnd:
    counts = range(len(lane.links), 0, -1)
    for count in counts:
        if _is_named(lane.links[count - 1], vouching.named):
            return _at(lane, count, "named")
    if vouching.before is not None:
        good = (count for count in counts if _was_stored(lane, lane.links[count - 1], vouching.before))
        return _at(lane, next(good, 0), "stored before that time")
    for count in counts:
        voucher = _voucher(lane, lane.links[count - 1], vouching)
        if voucher:
            return _at(lane, count, voucher)
    last = lane.links[-1].manifest
    raise UsageInvalid(
        f"nobody but one store vouches for the snapshots of {last.source}",
        expected="a catalog that saw them, a second store, or your word",
        found=f"{counted(len(lane.links), 'snapshot')}, the last {last.run.short}",
        hint="--last-good SNAPSHOT for this source, or --before TIME: what the stores had before the theft",
    )


def _at(lane: _Lane, count: int, voucher: str) -> LaneEnd:
    return LaneEnd(
        lane=lane.lane,
        source=lane.links[-1].manifest.source,
        last=lane.links[count - 1] if count else None,
        later=len(lane.links) - count,
        voucher=voucher,
    )


def _voucher(lane: _Lane, link: ChainLink, vouching: Vouching) -> str:
    if link.digest in (vouching.seen or {}).get(lane.lane, ()):
        return "the catalog saw it"
    stores = [one.name for one in lane.places[link.digest]]
    return f"it is in {' and '.join(stores)}" if len(stores) > 1 else ""


def _is_named(link: ChainLink, named: Sequence[str]) -> bool:
    return any(str(link.manifest.run).startswith(name.lower()) for name in named)


def _was_stored(lane: _Lane, link: ChainLink, before: datetime) -> bool:
    stores = [one.store for one in lane.places[link.digest]]
    return _stored_at(stores, names.commit(lane.lane, link.sequence)) <= before


def _stored_at(stores: Sequence[ObjectStore], name: str) -> datetime:
    """Return when the first of the stores took the object, by its own clock."""
    dates: list[datetime] = []
    failed: StoreError = ObjectMissing(f"{name} is in none of the stores")
    for store in stores:
        try:
            dates.append(store.stat(name).stored_at)
        except StoreError as error:
            failed = error
    if not dates:
        raise failed
    return min(dates)

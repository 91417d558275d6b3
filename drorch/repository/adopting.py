"""Take over what a crashed run left: its packs count once its pack list stands, the same, in every store."""

from __future__ import annotations

from collections.abc import Sequence

from drorch.clock import Clock
from drorch.errors import IntegrityError, ObjectMissing
from drorch.format import names
from drorch.format.keys import RunRecord
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType, digest_of
from drorch.format.pack import ListedPack, PackList
from drorch.ids import Digest, RunId
from drorch.repository.opening import Replica
from drorch.repository.replicas import put_or_compare
from drorch.repository.run_material import NO_PACK, RunMaterial, in_each, places


def adopt(material: RunMaterial, run: RunId, clock: Clock) -> None:
    """Make an earlier run's packs usable: its pack list must stand, the same, in every store.

    A finished run has put it. For one that crashed this writer puts it, listing what is present; should the crashed process wake up, its own
    list is refused and it commits nothing. A store that has none gets that of the others. Without one good list the run's chunks are
    unknown and stored again.
    """
    index, replicas, lane = material.index, material.replicas, material.lane.lane
    packs = index.packs(run)
    if not packs:
        return
    name = names.pack_list(lane, run)
    missing: set[str] = set()

    def read(replica: Replica) -> bytes | None:
        try:
            return replica.store.read(name, limit_bytes=OBJECT_LIMIT_BYTES)
        except ObjectMissing:
            missing.add(replica.name)
            return None

    standing = set(in_each(replicas, read)) - {None}
    raw = next(iter(standing), None) or _pack_list(run, packs).sign(
        repository=material.repository.trust.repository, lane=lane, made_at=clock.now(), key=material.key
    )
    verified = _verified_list(material, run, raw)
    if verified is None or len(standing) > 1:
        index.forget_run(run)
        return

    def put_missing(replica: Replica) -> None:
        if replica.name in missing:
            put_or_compare(replica, name, raw)

    replicas.each(put_missing)
    if missing and not _put_second_copies(material, run, raw):
        index.forget_run(run)
        return
    index.keep_listed(run, verified.packs)
    index.rely_on(run, digest_of(raw), places(replicas))


def _put_second_copies(material: RunMaterial, run: RunId, pack_list: bytes) -> bool:
    """Put record and list of a crashed run a second time, as alternates: it has no commit that would carry them.

    Return whether the run record is good in every store; where it is not, the run's packs are worth nothing.
    """
    trust, lane = material.repository.trust, material.lane.lane
    allowed = trust.allowed(ObjectType.RUN_RECORD, lane)
    name = names.run_record(lane, run)
    damaged: list[str] = []

    def put(replica: Replica) -> None:
        record = replica.store.read(name, limit_bytes=OBJECT_LIMIT_BYTES)
        try:
            RunRecord.verify(record, repository=trust.repository, lane=lane, run=run, allowed=allowed)
        except IntegrityError:
            damaged.append(replica.name)
            return
        for first, content in ((name, record), (names.pack_list(lane, run), pack_list)):
            put_or_compare(replica, names.alternate(first, 1), content)

    material.replicas.each(put)
    return not damaged


def _verified_list(material: RunMaterial, run: RunId, raw: bytes) -> PackList | None:
    trust, lane = material.repository.trust, material.lane.lane
    allowed = trust.allowed(ObjectType.PACK_LIST, lane)
    try:
        return PackList.verify(raw, repository=trust.repository, lane=lane, run=run, allowed=allowed)
    except IntegrityError:
        return None


def _pack_list(run: RunId, packs: Sequence[tuple[int, Digest, int]]) -> PackList:
    by_ordinal = {ordinal: ListedPack(digest, size) for ordinal, digest, size in packs}
    return PackList(run=run, packs=tuple(by_ordinal.get(ordinal, NO_PACK) for ordinal in range(max(by_ordinal) + 1)))

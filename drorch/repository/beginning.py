"""Begin a run: settle the lane, learn what it holds already, take over what a crashed run left, announce the run's keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from drorch.clock import Clock
from drorch.errors import (
    FormatUnsupported,
    IntegrityError,
    KeyMissing,
    KeyWrong,
    ObjectMissing,
    SettingsInvalid,
    StoreError,
    StoreMissing,
)
from drorch.format import names
from drorch.format.index import IndexSegment
from drorch.format.keys import HostKey, LaneKeys, RunKeys, RunRecord, lane_for, run_record
from drorch.format.objects import MAJOR, OBJECT_LIMIT_BYTES, ObjectType, digest_of
from drorch.format.pack import ListedPack, PackList
from drorch.format.record import RecordContext
from drorch.format.signing import SigningKey
from drorch.format.trust_record import Role
from drorch.ids import Digest, LaneId, RunId, grouped
from drorch.repository.index import LaneIndex
from drorch.repository.lane import Head, LaneWriter
from drorch.repository.locking import relied_on_since
from drorch.repository.opening import Replica, Repository
from drorch.repository.replicas import Replicas, put_or_compare
from drorch.repository.retirement import read_retirement

NO_PACK = ListedPack(Digest(bytes(32)), 0)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMaterial:
    """The keys and the place of one run. ``known_pack_lists`` are the digests of the pack lists of earlier runs."""

    repository: Repository
    run: RunId
    lane: LaneWriter
    head: Head
    key: SigningKey
    run_keys: RunKeys
    lane_keys: LaneKeys
    run_record: bytes
    replicas: Replicas
    index: LaneIndex

    @property
    def context(self) -> RecordContext:
        """What binds the run's records."""
        return RecordContext(self.repository.trust.repository, self.lane.lane, self.run)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """Whose lane the run adds to: a source of this host; ``generation`` counts the lanes that the source has had."""

    source: str
    generation: int = 0


def begin_run(
    repository: Repository,
    host: HostKey,
    place: RunPlace,
    *,
    run: RunId,
    cache: Path | None,
    clock: Clock,
    random_bytes: Callable[[int], bytes],
) -> RunMaterial:
    """Prepare a run in every store of ``repository`` that is not behind.

    ``cache`` is the directory of the local index (``None``: in memory). Raises ``KeyMissing`` when this host may not write here or nobody could
    read, ``FormatUnsupported`` when the repository asks for a newer writer, and store errors when no store is left.
    """
    key = host.signing_key()
    _check_may_write(repository, key)
    lane, lane_secret = lane_for(key.key_id, host.lane_master, place.source, place.generation)
    replicas = Replicas(repository.replicas, repository.unusable)
    for replica in repository.replicas:
        if replica.name in repository.short_of_trust:
            replicas.drop(replica, _short_of_trust(replica, repository))
    writer = LaneWriter(repository.trust, lane, key, clock)
    head = writer.settle(replicas)
    run_keys = RunKeys(random_bytes(32), lane_secret)
    lane_keys = LaneKeys.derive(lane_secret)
    index = LaneIndex(None if cache is None else cache / f"{lane}.index")
    record = run_record(
        repository=repository.trust.repository,
        lane=lane,
        run=run,
        run_keys=run_keys,
        recipients=repository.trust.recipients,
        trust_number=repository.trust.number,
        made_at=clock.now(),
        key=key,
    )
    material = RunMaterial(
        repository=repository,
        run=run,
        lane=writer,
        head=head,
        key=key,
        run_keys=run_keys,
        lane_keys=lane_keys,
        run_record=record,
        replicas=replicas,
        index=index,
    )
    material = _learned(material, clock)
    try:
        replicas.put_once(names.run_record(lane, run), record)
    except BaseException:
        material.index.close()
        raise
    return material


def _short_of_trust(replica: Replica, repository: Repository) -> StoreError:
    return StoreMissing(
        f"{replica.name} lacks the last trust records",
        expected=names.trust(repository.trust.number),
        found="an older one as its last",
        hint=f"`drorch copy --to {replica.name}` brings it up",
    )


def _learned(material: RunMaterial, clock: Clock) -> RunMaterial:
    """Return the material with an index that knows the lane: a cache file that fails is thrown away and done without."""
    try:
        return _learn(material, clock)
    except sqlite3.Error:
        without_file = replace(material, index=LaneIndex(None))
    try:
        return _learn(without_file, clock)
    except sqlite3.Error as error:
        raise SettingsInvalid(
            "there is no place for the index of what is stored already",
            expected="room in the cache directory, or where SQLite keeps temporary files",
            found=str(error),
            hint="make room, or name another cache directory in drorch.yaml",
        ) from error


def _check_may_write(repository: Repository, key: SigningKey) -> None:
    trust = repository.trust
    if trust.min_writer > MAJOR:
        raise FormatUnsupported(
            "the repository asks for a newer writer",
            expected=f"format {trust.min_writer}",
            found=f"format {MAJOR}",
            hint="upgrade drorch on this host",
        )
    if trust.is_revoked(key.key_id):
        raise KeyWrong(
            "this host's key was revoked: nothing that it signs counts any more",
            expected="the key of a writer in force",
            found=f"key {grouped(key.key_id.raw[:8])}, which a trust record revokes",
            hint="make a new one here: `drorch keys generate NAME --role writer`; a holder of a root key adds it",
            still_good="Every snapshot up to the last good one that the revocation names.",
        )
    if not any(signer.public.key_id == key.key_id and signer.role is Role.WRITER for signer in trust.signers):
        raise KeyMissing(
            "this host's key may not write to the repository",
            expected="a writer's key that the trust record names",
            found=f"key {grouped(key.key_id.raw[:8])}",
            hint="a holder of a root key adds its public half: `drorch keys add NAME.pub --root-key FILE`",
        )
    if not trust.recipients:
        raise KeyMissing("the repository names nobody who could read a backup", expected="at least one recipient")


def _learn(material: RunMaterial, clock: Clock) -> RunMaterial:
    try:
        _fill(material, clock)
    except BaseException as error:
        if isinstance(error, sqlite3.Error):
            material.index.spoil()
        material.index.close()
        raise
    return material


def _fill(material: RunMaterial, clock: Clock) -> None:
    """Fill the index: segments that are new, packs that every store lists, without those that are damaged or being retired."""
    index, replicas = material.index, material.replicas
    lane = material.lane.lane
    segments = _segments(_in_each(replicas, lambda replica: _listed_segments(replica, lane)))
    index.keep_segments(segments)
    for name in index.unknown_segments(segments):
        _add_segment(material, name)
    index.assume_present()
    replicas.each(lambda replica: index.keep_present(_listed_packs(replica, lane)))
    index.renew_old(store_time(replicas) or clock.now())
    replicas.each(lambda replica: _decline_short_locks(material, replica))
    for unreliable in _in_each(replicas, lambda replica: material.lane.unreliable(replica.store)):
        for run, bitmap in unreliable.items():
            index.mark_unreliable(run, bitmap)
    _rely_on_runs(material, clock)


def _decline_short_locks(material: RunMaterial, replica: Replica) -> None:
    """Take packs for absent whose lock would end before what the store promises of a snapshot from today on."""
    if replica.lock is not None:
        said = read_retirement(replica.store, material.lane.trust, material.lane.lane).extensions
        material.index.keep_locked(*relied_on_since(replica.lock, said, replica.store.server_time()))


def _segments(listed: Sequence[Mapping[str, datetime]]) -> list[str]:
    """Return the segments that every store lists, oldest first: of two places of a chunk the newer counts."""
    common = set.intersection(*(set(one) for one in listed))
    return sorted(common, key=lambda name: (min(one[name] for one in listed), name))


def _rely_on_runs(material: RunMaterial, clock: Clock) -> None:
    """Of each earlier run every store must list the run record, and hold the same pack list; or it is not relied on."""
    index, replicas, lane = material.index, material.replicas, material.lane.lane
    records = set.intersection(
        *_in_each(replicas, lambda replica: _listed_runs(replica, names.run_records_prefix(lane)))
    )
    lists = set.intersection(*_in_each(replicas, lambda replica: _listed_runs(replica, names.pack_list_prefix(lane))))
    for run in index.runs():
        stores = places(replicas)
        digest = index.known_pack_list(run, stores) if run in lists else None
        if run not in records:
            index.forget_run(run)
        elif digest is not None:
            index.rely_on(run, digest, stores)
        else:
            _adopt(material, run, clock)


def store_time(replicas: Replicas) -> datetime | None:
    """Return the clock of the first store that tells it: its dates are compared with it, and no host's clock is trusted."""
    for replica in replicas.alive:
        with suppress(StoreError):
            return replica.store.server_time()
    return None


def places(replicas: Replicas) -> tuple[str, ...]:
    """Return what tells the stores in use from all others: a name may come to mean another bucket."""
    return tuple(f"{replica.name} {replica.store.address}" for replica in replicas.alive)


def _listed_runs(replica: Replica, prefix: str) -> set[RunId]:
    runs = (names.run_of(stat.name) for stat in replica.store.list_objects(prefix))
    return {run for run in runs if run is not None}


def _in_each(replicas: Replicas, ask: Callable[[Replica], T]) -> list[T]:
    """Return what every store in use answers; one that fails is dropped for the run."""
    answers: dict[str, T] = {}

    def ask_one(replica: Replica) -> None:
        answers[replica.name] = ask(replica)

    replicas.each(ask_one)
    return [answers[replica.name] for replica in replicas.alive]


def _listed_segments(replica: Replica, lane: LaneId) -> dict[str, datetime]:
    listed = replica.store.list_objects(names.index_prefix(lane))
    return {stat.name: stat.stored_at for stat in listed if names.is_index_segment(stat.name)}


def _listed_packs(replica: Replica, lane: LaneId) -> Iterator[tuple[Digest, int, datetime]]:
    for stat in replica.store.list_objects(names.packs_prefix(lane)):
        digest = names.pack_digest(stat.name)
        if digest is not None and "~" not in stat.name:
            yield digest, stat.size_bytes, stat.stored_at


def _add_segment(material: RunMaterial, name: str) -> None:
    """Add one segment; one that is damaged in every store is left out: its chunks are unknown and stored again."""
    run, number = names.parse_index_segment(name)
    context = RecordContext(material.repository.trust.repository, material.lane.lane, run)
    for replica in material.replicas.alive:
        try:
            raw = replica.store.read(name, limit_bytes=OBJECT_LIMIT_BYTES)
            segment = IndexSegment.open(material.lane_keys.index_key, raw, context=context, number=number)
        except (ObjectMissing, IntegrityError):
            continue
        except StoreError as error:
            material.replicas.drop(replica, error)
            continue
        material.index.add_segment(name, run, segment)
        return


def _adopt(material: RunMaterial, run: RunId, clock: Clock) -> None:
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

    standing = set(_in_each(replicas, read)) - {None}
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

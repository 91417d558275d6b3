"""Learn what a lane holds already: fill the index with what every store of the run lists, and with nothing that cannot be relied on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from drorch.clock import Clock
from drorch.errors import IntegrityError, ObjectMissing, SettingsInvalid, StoreError
from drorch.format import names
from drorch.format.index import IndexSegment
from drorch.format.objects import OBJECT_LIMIT_BYTES
from drorch.format.record import RecordContext
from drorch.ids import Digest, LaneId, RunId
from drorch.repository.adopting import adopt
from drorch.repository.index import LaneIndex
from drorch.repository.locking import relied_on_since
from drorch.repository.opening import Replica
from drorch.repository.retirement import read_retirement
from drorch.repository.run_material import RunMaterial, in_each, places, store_time


def learned(material: RunMaterial, clock: Clock) -> RunMaterial:
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
    segments = _segments(in_each(replicas, lambda replica: _listed_segments(replica, lane)))
    index.keep_segments(segments)
    for name in index.unknown_segments(segments):
        _add_segment(material, name)
    index.assume_present()
    replicas.each(lambda replica: index.keep_present(_listed_packs(replica, lane)))
    index.renew_old(store_time(replicas) or clock.now())
    replicas.each(lambda replica: _decline_short_locks(material, replica))
    for unreliable in in_each(replicas, lambda replica: material.lane.unreliable(replica.store)):
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
        *in_each(replicas, lambda replica: _listed_runs(replica, names.run_records_prefix(lane)))
    )
    lists = set.intersection(*in_each(replicas, lambda replica: _listed_runs(replica, names.pack_list_prefix(lane))))
    for run in index.runs():
        stores = places(replicas)
        digest = index.known_pack_list(run, stores) if run in lists else None
        if run not in records:
            index.forget_run(run)
        elif digest is not None:
            index.rely_on(run, digest, stores)
        else:
            adopt(material, run, clock)


def _listed_runs(replica: Replica, prefix: str) -> set[RunId]:
    runs = (names.run_of(stat.name) for stat in replica.store.list_objects(prefix))
    return {run for run in runs if run is not None}


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

"""Make what one run seals, ships and finds bases with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from drorch.ids import RunId
from drorch.repository.base_cache import CacheKeys
from drorch.repository.busy import BusyTimes
from drorch.repository.deltas import BaseRoom, Deltas, open_deltas
from drorch.repository.needs import NeedsCollector
from drorch.repository.packing import PackIdentity, ShippedPack, Shipper
from drorch.repository.run_material import RunMaterial
from drorch.repository.sealing import Sealer

NO_RUN = RunId(bytes(16))  # a base outlives the run that kept it


def make_sealer(
    material: RunMaterial, compression_level: Callable[[], int], random_bytes: Callable[[int], bytes]
) -> Sealer:
    """Return what seals this run's records."""
    return Sealer(
        run_key=material.run_keys.run_key,
        chunk_id_key=material.lane_keys.chunk_id_key,
        context=material.context,
        compression_level=compression_level,
        random_bytes=random_bytes,
    )


def make_shipper(
    material: RunMaterial, sealer: Sealer, busy: BusyTimes, on_shipped: Callable[[ShippedPack], None]
) -> Shipper:
    """Return what uploads this run's packs."""
    identity = PackIdentity(
        repository=material.context.repository,
        lane=material.context.lane,
        run=material.run,
        run_record=material.run_record,
    )
    return Shipper(identity, material.replicas, on_shipped=on_shipped, busy=busy, make_padding=sealer.padding)


def deltas_of(
    material: RunMaterial, room: BaseRoom, needs: NeedsCollector, random_bytes: Callable[[int], bytes]
) -> Deltas | None:
    """Return what finds and keeps the bases of this lane; ``None`` when they cannot be had."""
    keys = CacheKeys(
        cache_key=material.lane_keys.cache_key,
        chunk_id_key=material.lane_keys.chunk_id_key,
        context=replace(material.context, run=NO_RUN),
    )
    return open_deltas(
        room,
        str(material.lane.lane),
        keys,
        material.index,
        needs,
        seed=material.lane_keys.chunker_seed,
        random_bytes=random_bytes,
    )

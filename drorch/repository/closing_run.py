"""What a run puts when all its packs stand: the signed list of them, and the manifest that is to be decided."""

from __future__ import annotations

from collections.abc import Mapping

from drorch.clock import Clock
from drorch.errors import Bug
from drorch.format import names
from drorch.format.manifest import Manifest, Needs
from drorch.format.objects import digest_of
from drorch.format.pack import ListedPack, PackList
from drorch.ids import RunId
from drorch.repository.needs import NeedsCollector
from drorch.repository.run_material import NO_PACK, RunMaterial, places, store_time
from drorch.repository.run_parts import RunSummary


def put_pack_list(material: RunMaterial, packs: Mapping[int, ListedPack], clock: Clock) -> bytes:
    """Put ``q/<run>`` and return it; empty when the run stored no pack."""
    if not packs:
        return b""
    listed = tuple(packs.get(ordinal, NO_PACK) for ordinal in range(max(packs) + 1))
    raw = PackList(run=material.run, packs=listed).sign(
        repository=material.context.repository,
        lane=material.context.lane,
        made_at=clock.now(),
        key=material.key,
    )
    material.replicas.put_once(names.pack_list(material.lane.lane, material.run), raw)
    material.index.list_own_run(material.run, listed, digest_of(raw), places(material.replicas))
    return raw


def manifest_of(material: RunMaterial, summary: RunSummary, needs: NeedsCollector, bytes_stored: int) -> Manifest:
    """Return the manifest that follows the lane's head."""
    return Manifest(
        repository=material.context.repository,
        lane=material.lane.lane,
        sequence=material.head.sequence + 1,
        previous=material.head.digest,
        run=material.run,
        started=summary.started_at,
        ended=summary.ended_at,
        restore_point=summary.restore_point,
        source=summary.source,
        policy_digest=summary.policy_digest,
        result=summary.result,
        bytes_read=summary.bytes_read,
        bytes_stored=bytes_stored,
        rows=summary.rows,
        tables=summary.tables,
        needs=tuple(_needs_of(material, run, bitmap) for run, bitmap in needs.bitmaps().items()),
        slot=summary.slot,
        group=summary.group,
        store_date=store_time(material.replicas),
        engine=summary.engine or None,
    )


def _needs_of(material: RunMaterial, run: RunId, bitmap: bytes) -> Needs:
    digest = material.index.pack_list_digest(run)
    if digest is None:
        raise Bug(f"a chunk of run {run.short} was reused, whose pack list is not known")
    return Needs(run, digest, bitmap)

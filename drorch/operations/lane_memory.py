"""What the catalog remembers of a lane, held against what the stores show when a run begins."""

from __future__ import annotations

from drorch.catalog.interface import Catalog, LaneHead
from drorch.clock import Clock
from drorch.errors import ChainBroken
from drorch.format.trust import TrustChain
from drorch.operations import observing
from drorch.repository.run_material import RunMaterial


def remember_heads(catalog: Catalog, trust: TrustChain, material: RunMaterial, *, source: str, clock: Clock) -> None:
    """Refuse a store that shows less of the lane than it did: what is missing was hidden or deleted. Note what somebody else added.

    Raises ``ChainBroken``.
    """
    lane, head = material.lane.lane, material.head
    alive = material.replicas.alive
    observing.note_foreign(
        catalog,
        alive[0],
        trust,
        lane,
        newest=head.sequence,
        source=source,
        now=clock.now(),
    )
    for replica in alive:
        known = catalog.heads(store=replica.name, lane=str(lane))
        if known or head.sequence:
            found = LaneHead(
                store=replica.name, lane=str(lane), sequence=head.sequence, manifest_digest=str(head.digest)
            )
            try:
                catalog.remember_head(found)
            except ChainBroken as error:
                observing.note_withheld(
                    catalog,
                    error,
                    store=replica.name,
                    lane=lane,
                    source=source,
                    now=clock.now(),
                )
                raise

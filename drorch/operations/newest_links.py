"""The snapshots of a lane as one store has them, the newest first, for who looks for the first that will do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from drorch.errors import IntegrityError
from drorch.format import names
from drorch.format.trust import TrustChain
from drorch.ids import LaneId
from drorch.repository.chain import ChainLink, read_link
from drorch.repository.opening import Replica


def newest_links(replica: Replica, trust: TrustChain, lane: LaneId) -> Iterator[ChainLink]:
    """Yield every manifest that is good by itself; one that is damaged hides none before it. Raises a ``StoreError``."""
    listed = {names.sequence_of(stat.name) for stat in replica.store.list_objects(names.manifests_prefix(lane))}
    for sequence in sorted((one for one in listed if one), reverse=True):
        link = None
        with suppress(IntegrityError):
            link = read_link(replica.store, trust, lane, sequence)
        if link is not None:
            yield link

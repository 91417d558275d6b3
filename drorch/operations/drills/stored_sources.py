"""What the stores hold of sources that the catalog knows nothing of: a machine that only drills never saw their backups."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice

from drorch.errors import StoreError
from drorch.format.manifest import Result
from drorch.ids import LaneId
from drorch.operations.newest_links import newest_links
from drorch.repository.chain import ChainLink, LinkState
from drorch.repository.listing import list_lanes
from drorch.repository.opening import Replica, Repository

_MOST_LOOKED_AT = 100  # snapshots of a lane: one that had no good one for so long is told as having none


def newest_stored(repository: Repository, sources: Collection[str]) -> Mapping[str, int]:
    """Return for each of ``sources`` with a complete snapshot in some store how many bytes the newest one read.

    Of each lane the newest manifests are read until one is complete. Raises what the stores raise when none of them can be listed.
    """
    found: dict[str, tuple[datetime, int]] = {}
    for lane in list_lanes(repository):
        good = [_newest_good(replica, repository, lane, sources) for replica in repository.replicas]
        newest = max((link for link in good if link is not None), key=lambda link: link.sequence, default=None)
        if newest is not None:
            manifest = newest.manifest
            told = (manifest.ended, manifest.bytes_read)
            found[manifest.source] = max(told, found.get(manifest.source, told))
    return {source: size for source, (_, size) in found.items()}


def _newest_good(replica: Replica, repository: Repository, lane: LaneId, sources: Collection[str]) -> ChainLink | None:
    """Return the newest good snapshot that a store has in a lane of one of ``sources``; a store that cannot be read has none."""
    with suppress(StoreError):
        for link in islice(newest_links(replica, repository.trust, lane), _MOST_LOOKED_AT):
            if link.manifest.source not in sources:
                return None
            if link.state is LinkState.COMMITTED and link.manifest.result is Result.COMPLETE:
                return link
    return None

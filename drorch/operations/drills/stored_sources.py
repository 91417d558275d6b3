"""What the stores hold of sources that the catalog knows nothing of: a machine that only drills never saw their backups."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice

from drorch.errors import IntegrityError, StoreError
from drorch.format import names
from drorch.format.manifest import Result
from drorch.ids import LaneId
from drorch.repository.chain import ChainLink, LinkState, read_link
from drorch.repository.listing import list_lanes
from drorch.repository.opening import Replica, Repository

_MOST_LOOKED_AT = 100  # snapshots of a lane: one that had no good one for so long is told as having none


def newest_stored(repository: Repository, sources: Collection[str]) -> Mapping[str, int]:
    """Return for each of ``sources`` with a complete snapshot in some store how many bytes the newest one read.

    Of each lane the newest manifests are read until one is complete. Raises what the stores raise when none of them can be listed.
    """
    found: dict[str, tuple[datetime, int]] = {}
    for lane in list_lanes(repository):
        manifest = next((link.manifest for link in _newest_first(repository, lane, sources) if _is_good(link)), None)
        if manifest is not None:
            newest = (manifest.ended, manifest.bytes_read)
            found[manifest.source] = max(newest, found.get(manifest.source, newest))
    return {source: size for source, (_, size) in found.items()}


def _newest_first(repository: Repository, lane: LaneId, sources: Collection[str]) -> Iterator[ChainLink]:
    """Yield what each store has of a lane of one of ``sources``; a store that cannot be read is left out."""
    for replica in repository.replicas:
        with suppress(StoreError, IntegrityError):
            for link in islice(_links(replica, repository, lane), _MOST_LOOKED_AT):
                if link.manifest.source not in sources:
                    return
                yield link


def _links(replica: Replica, repository: Repository, lane: LaneId) -> Iterator[ChainLink]:
    listed = {names.sequence_of(stat.name) for stat in replica.store.list_objects(names.manifests_prefix(lane))}
    for sequence in sorted((one for one in listed if one), reverse=True):
        link = read_link(replica.store, repository.trust, lane, sequence)
        if link is not None:
            yield link


def _is_good(link: ChainLink) -> bool:
    return link.state is LinkState.COMMITTED and link.manifest.result is Result.COMPLETE

"""The lanes of a repository that hold snapshots, for who is after snapshots and not after damage."""

from __future__ import annotations

from collections.abc import Iterator

from drorch.errors import IntegrityError
from drorch.repository.listing import LaneListing, list_lane, list_lanes
from drorch.repository.opening import Repository


def readable_lanes(repository: Repository) -> Iterator[LaneListing]:
    """Yield every lane that holds snapshots; one of which nothing is good, or that a stranger put there, hides no other.

    Raises a ``StoreError`` when no store can be listed.
    """
    for lane in list_lanes(repository):
        try:
            listing = list_lane(repository, lane)
        except IntegrityError:
            continue
        if listing.snapshots:
            yield listing

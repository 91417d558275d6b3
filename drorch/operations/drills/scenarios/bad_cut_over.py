"""A cut-over went wrong: back to the snapshot that was pinned before it."""

from __future__ import annotations

from datetime import datetime

from drorch.errors import SnapshotUnknown
from drorch.evidence.drill_report import Selection
from drorch.format.manifest import Result
from drorch.format.retire_list import HoldKind
from drorch.operations.drills.scenarios.reached import Asked, Reached, from_one_store
from drorch.operations.readable_lanes import readable_lanes
from drorch.repository.listing import LaneListing, ListedSnapshot
from drorch.repository.retirement import read_retirement


def bad_cut_over(asked: Asked, now: datetime) -> Reached:
    """Return the newest complete snapshot of the source that somebody pinned and whose pin stands; the reason is told.

    Raises ``SnapshotUnknown`` when none is pinned: then there is nothing to go back to.
    """
    pinned = [one for lane in readable_lanes(asked.repository) for one in _pinned(asked, lane, now)]
    if not pinned:
        raise SnapshotUnknown(
            f"no snapshot of {asked.source} is pinned",
            expected="one that was pinned before the cut-over",
            found="none",
            hint="before a cut-over: drorch backup, then drorch pin SNAPSHOT --reason TEXT",
        )
    chosen, reason = max(pinned, key=lambda one: one[0].link.manifest.restore_point)
    repository, store = from_one_store(asked.repository, chosen, asked.store)
    told = f"back to {chosen.short_id}, pinned{f' for: {reason}' if reason else ''}"
    return Reached(
        repository=repository, snapshot=chosen, store=store, selection=Selection.BEFORE_CUT_OVER, told=(told,)
    )


def _pinned(asked: Asked, listing: LaneListing, now: datetime) -> list[tuple[ListedSnapshot, str]]:
    of_source = [
        one
        for one in listing.snapshots
        if one.link.manifest.source == asked.source and one.link.manifest.result is Result.COMPLETE
    ]
    if not of_source:
        return []
    found: dict[str, tuple[ListedSnapshot, str]] = {}
    for replica in asked.repository.replicas:
        retirement = read_retirement(replica.store, asked.repository.trust, listing.lane)
        for one in of_source:
            for word in retirement.standing(one.link.manifest.run, now):
                if word.kind is HoldKind.PIN:
                    found[str(word.run)] = (one, word.reason)
    return list(found.values())

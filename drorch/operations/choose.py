"""Find the snapshot that a person means: ``latest:SOURCE``, an id or its beginning; read from the stores, not believed from the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from drorch.errors import SnapshotUnknown
from drorch.format.manifest import Result
from drorch.ids import LaneId
from drorch.repository.listing import ListedSnapshot, list_lane, list_lanes
from drorch.repository.opening import Repository

LATEST = "latest:"


def choose(
    repository: Repository, wanted: str, *, before: datetime | None = None, lanes: Sequence[LaneId] = ()
) -> ListedSnapshot:
    """Return the one snapshot that ``wanted`` means.

    ``latest:SOURCE`` is the newest complete one whose restore point is not after ``before``; anything else is an id or its
    beginning. ``lanes`` says where to look first (what the catalog knows); every lane is searched when nothing is found
    there. Raises ``SnapshotUnknown``, naming the candidates where there are several.
    """
    found = _matching(_snapshots(repository, lanes), wanted, before) if lanes else []
    found = found or _matching(_snapshots(repository, list_lanes(repository)), wanted, before)
    if wanted.startswith(LATEST) and found:
        return max(found, key=lambda snapshot: snapshot.link.manifest.restore_point)
    if len(found) == 1:
        return found[0]
    raise SnapshotUnknown(
        f"{'several snapshots fit' if found else 'no snapshot fits'} {wanted}",
        expected=_expectation(wanted, before),
        found=", ".join(snapshot.short_id for snapshot in found[:8]) or "none",
        hint="give more characters of the id" if found else "",
    )


def _snapshots(repository: Repository, lanes: Iterable[LaneId]) -> list[ListedSnapshot]:
    return [snapshot for lane in lanes for snapshot in list_lane(repository, lane).snapshots]


def _matching(snapshots: Iterable[ListedSnapshot], wanted: str, before: datetime | None) -> list[ListedSnapshot]:
    if wanted.startswith(LATEST):
        source = wanted.removeprefix(LATEST)
        return [
            snapshot
            for snapshot in snapshots
            if snapshot.link.manifest.source == source
            and snapshot.link.manifest.result is Result.COMPLETE
            and (before is None or snapshot.link.manifest.restore_point <= before)
        ]
    return [snapshot for snapshot in snapshots if str(snapshot.link.manifest.run).startswith(wanted.lower())]


def _expectation(wanted: str, before: datetime | None) -> str:
    if not wanted.startswith(LATEST):
        return "an id of a snapshot, or enough of its beginning"
    limit = "" if before is None else f" not later than {before.isoformat()}"
    return f"a complete snapshot of {wanted.removeprefix(LATEST)}{limit}"

"""Find the snapshot that a person means: ``latest:SOURCE``, an id or its beginning; read from the stores, not believed from the catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from drorch.errors import ChainBroken, IntegrityError, SnapshotUnknown
from drorch.format.manifest import Result
from drorch.ids import LaneId
from drorch.repository.listing import LaneListing, ListedSnapshot, list_lane, list_lanes
from drorch.repository.opening import Repository

LATEST = "latest:"


def choose(
    repository: Repository,
    wanted: str,
    *,
    before: datetime | None = None,
    lanes: Sequence[LaneId] = (),
    lanes_of_others: Collection[LaneId] = (),
) -> ListedSnapshot:
    """Return the one snapshot that ``wanted`` means.

    ``latest:SOURCE`` is the newest complete one whose restore point, in whole seconds as it is shown, is not after ``before``; anything
    else is an id or its beginning. ``lanes`` says where to look first and ``lanes_of_others`` which are of other sources (what the catalog
    knows). Every lane is searched when nothing is found; for the latest, all that the catalog does not know: another machine may have
    taken the source over. Raises ``SnapshotUnknown``, naming the candidates where there are several, and ``ChainBroken`` when it cannot be told which
    is the latest.
    """
    first = list(lanes)
    if wanted.startswith(LATEST) and lanes:
        first += [lane for lane in list_lanes(repository) if lane not in lanes and lane not in lanes_of_others]
    listings, unreadable = _listings(repository, first)
    found = _matching(listings, wanted, before)
    if not found:
        listings, unreadable = _listings(repository, list_lanes(repository))
        found = _matching(listings, wanted, before)
    if wanted.startswith(LATEST) and found:
        return _newest(found, listings)
    found = found or _given_up(listings, wanted)
    if len(found) == 1:
        return found[0]
    raise SnapshotUnknown(
        f"{'several snapshots fit' if found else 'no snapshot fits'} {wanted}",
        expected=_expectation(wanted, before),
        found=", ".join(snapshot.short_id for snapshot in found[:8]) or "none",
        hint="give more characters of the id" if found else _hint(unreadable) or _of_many(wanted, listings),
    )


def _listings(repository: Repository, lanes: Iterable[LaneId]) -> tuple[list[LaneListing], list[IntegrityError]]:
    """Return what can be listed; a lane of which nothing is good, or that a stranger put there, hides no other."""
    listings, unreadable = [], []
    for lane in lanes:
        try:
            listings.append(list_lane(repository, lane))
        except IntegrityError as error:
            unreadable.append(error)
    return listings, unreadable


def _of_many(wanted: str, listings: Iterable[LaneListing]) -> str:
    """Say how the sources of a fan-out policy are named, when that is what was meant; else leave the default hint."""
    prefix = f"{wanted.removeprefix(LATEST)}/"
    sources = {snapshot.link.manifest.source for listing in listings for snapshot in listing.snapshots}
    example = min((source for source in sources if source.startswith(prefix)), default="")
    if not example:
        return ""
    return (
        f"it has many sources: {LATEST}{example} is one of them; all of them go into a server: --to postgresql://HOST/"
    )


def _hint(unreadable: Sequence[IntegrityError]) -> str:
    """Say that something could not be read, when that was so; else leave the default hint."""
    return (
        f"some of what is there cannot be read: {unreadable[0].message}; `drorch verify` says more"
        if unreadable
        else ""
    )


def _newest(found: Sequence[ListedSnapshot], listings: Iterable[LaneListing]) -> ListedSnapshot:
    """Return the last one: in a lane the chain decides, whatever its writer's clock said; times decide only between lanes."""
    last = {snapshot.link.lane: snapshot for snapshot in sorted(found, key=lambda snapshot: snapshot.link.sequence)}
    newest = max(last.values(), key=lambda snapshot: snapshot.link.manifest.restore_point)
    for listing in listings:
        if listing.lane == newest.link.lane and listing.cut_by is not None:
            raise ChainBroken(
                "it cannot be told which snapshot is the latest: the list of snapshots is damaged",
                expected="a lane that can be read to its end",
                found=f"{listing.cut_by.message}: {listing.cut_by.found}",
                hint=f"the newest that can be read is {newest.short_id}; to use it, name it",
            ) from listing.cut_by
    return newest


def _matching(listings: Iterable[LaneListing], wanted: str, before: datetime | None) -> list[ListedSnapshot]:
    snapshots = [snapshot for listing in listings for snapshot in listing.snapshots]
    if wanted.startswith(LATEST):
        source = wanted.removeprefix(LATEST)
        return [
            snapshot
            for snapshot in snapshots
            if snapshot.link.manifest.source == source
            and snapshot.link.manifest.result is Result.COMPLETE
            and (before is None or snapshot.link.manifest.restore_point.replace(microsecond=0) <= before)
        ]
    return [snapshot for snapshot in snapshots if str(snapshot.link.manifest.run).startswith(wanted.lower())]


def _given_up(listings: Iterable[LaneListing], wanted: str) -> list[ListedSnapshot]:
    """Return what fits among the snapshots that a prune gave up: whatever of them is still there can be read, for who asks by id."""
    if wanted.startswith(LATEST):
        return []
    return _matching([replace(listing, snapshots=listing.retired) for listing in listings], wanted, None)


def _expectation(wanted: str, before: datetime | None) -> str:
    if not wanted.startswith(LATEST):
        return "an id of a snapshot, or enough of its beginning"
    limit = "" if before is None else f" not later than {before.isoformat()}"
    return f"a complete snapshot of {wanted.removeprefix(LATEST)}{limit}"

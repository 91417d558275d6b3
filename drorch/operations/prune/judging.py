"""What of a lane counts for how much when retention decides: standing, slots, holds, and what makes somebody's word needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from drorch.format.manifest import Manifest, Result
from drorch.format.packsets import overlap
from drorch.ids import RunId
from drorch.operations.prune.values import (
    JudgedSnapshot,
)
from drorch.policy.model import Policy
from drorch.policy.retention import Candidate, Hold
from drorch.policy.standing import LONGEST_DELAY, RIVAL_WITHIN, Standing, rivals, standing_of, times_served
from drorch.repository.chain import ChainLink
from drorch.repository.lane_contents import LaneContents
from drorch.repository.retirement import Retirement

LARGEST_SHARE = 0.25


def no_longer_there(source: str, policy: Policy) -> str:
    """Say so when the policy has no such source any more; which databases a server has is the catalog's to know."""
    promises = policy.sources()
    if any(promise.needs_discovery or promise.address == source for promise in promises):
        return ""
    return f"{policy.name} has no source of this name any more: nothing says how long"


def source_of(contents: Iterable[LaneContents]) -> str | None:
    """Return what the newest snapshot of the lane says it is of: a source may have had another name before."""
    links = [one.links[-1] for one in contents if one.links]
    return max(links, key=lambda link: link.sequence).manifest.source if links else None


def standing_in(
    manifest: Manifest, missing: Mapping[RunId, bytes], dates: Collection[Mapping[int, datetime]]
) -> Standing:
    """Return how far a snapshot is to be trusted by itself; ``missing`` are the packs that the store lacks, ``dates`` those of the commits in every store."""
    return standing_of(
        is_whole=not overlap({need.run: need.bitmap for need in manifest.needs}, missing),
        is_complete=manifest.result is Result.COMPLETE,
        ended_at=manifest.ended,
        manifest_date=manifest.store_date,
        store_dates=[one[manifest.sequence] for one in dates if manifest.sequence in one],
    )


def candidates(links: Collection[tuple[ChainLink, Standing]], policy: Policy | None) -> list[Candidate]:
    """Return the candidates in the order of the chain; a sound snapshot counts at the time of the schedule that it serves."""
    sound = [link for link, standing in links if standing is Standing.SOUND]
    began = [_began(link.manifest) for link in sound]
    times = [None] * len(sound) if policy is None else times_served(policy.schedule, began)
    patience = RIVAL_WITHIN + timedelta(seconds=0 if policy is None else policy.spread_seconds)
    first = rivals(times, began, [link.manifest.slot for link in sound], patience)
    slots = dict(zip((link.sequence for link in sound), times, strict=True))
    rival_of = {
        link.sequence: str(sound[place].manifest.run)
        for link, place in zip(sound, first, strict=True)
        if place is not None
    }
    found = []
    for link, alone in links:
        slot = slots.get(link.sequence)
        standing = Standing.BY_HAND if alone is Standing.SOUND and slot is None else alone
        at = slot or link.manifest.ended
        found.append(
            Candidate(
                snapshot=str(link.manifest.run),
                sequence=link.sequence,
                at=at,
                standing=standing,
                rival_of=rival_of.get(link.sequence, ""),
            )
        )
    return found


def _began(manifest: Manifest) -> datetime:
    """Return when the run began, if that goes with its end, which the store's date bears out."""
    is_likely = manifest.ended - LONGEST_DELAY <= manifest.started <= manifest.ended
    return manifest.started if is_likely else manifest.ended


def holds_of(retirements: Iterable[Retirement], now: datetime) -> dict[str, list[Hold]]:
    """Return who says, in any store, that a snapshot stays, by snapshot."""
    found: dict[str, list[Hold]] = {}
    for one in retirements:
        for run in one.holds:
            found.setdefault(str(run), []).extend(
                Hold(reason=f"{word.kind.words}: {word.reason}" if word.reason else word.kind.words, until=word.until)
                for word in one.standing(run, now)
            )
    return found


def doubts(store: str, source: str, snapshots: Collection[JudgedSnapshot], drilled: Collection[RunId]) -> Iterator[str]:
    """Yield why somebody must confirm what goes of one lane in one store."""
    goes = [one for one in snapshots if not one.decision.keep]
    if len(goes) > LARGEST_SHARE * len(snapshots):
        yield f"{len(goes)} of {len(snapshots)} snapshots of {source} would go in {store}: more than a quarter"
    passed = [one for one in snapshots if one.link.manifest.run in drilled]
    if passed and not any(one.decision.keep for one in passed):
        yield f"no snapshot of {source} in {store} that has passed a drill would be left"

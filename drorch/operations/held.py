"""What somebody pinned or holds, as the lists of all stores tell it: the catalog is not asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from drorch.errors import DrorchError, IntegrityError, StoreError
from drorch.format.retire_list import HoldWord
from drorch.ids import LaneId, RunId
from drorch.repository.listing import list_lane, list_lanes
from drorch.repository.opening import Repository
from drorch.repository.retirement import read_retirement


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSnapshot:
    """One word that stands. ``source`` and ``restore_point`` are unknown when no store that answers lists the snapshot."""

    run: RunId
    word: HoldWord
    stores: tuple[str, ...]
    source: str
    restore_point: datetime | None


@dataclass(slots=True)
class HeldReport:
    """Every word in force, by source and snapshot; ``failures`` are stores that could not tell."""

    held: list[HeldSnapshot] = field(default_factory=list)
    failures: dict[str, DrorchError] = field(default_factory=dict)


def run(repository: Repository, *, now: datetime) -> HeldReport:
    """Return what is pinned or held at ``now``; one store is enough for it to count."""
    report = HeldReport(failures=dict(repository.unusable))
    for lane in list_lanes(repository):
        words = _words(repository, lane, now, report.failures)
        known = {} if not words else _snapshots(repository, lane)
        for word, stores in words.items():
            source, restore_point = known.get(word.run, ("", None))
            report.held.append(
                HeldSnapshot(run=word.run, word=word, stores=tuple(stores), source=source, restore_point=restore_point)
            )
    report.held.sort(key=lambda one: (one.source, one.run, one.word.kind))
    return report


def _words(
    repository: Repository, lane: LaneId, now: datetime, failures: dict[str, DrorchError]
) -> dict[HoldWord, list[str]]:
    found: dict[HoldWord, list[str]] = {}
    for replica in repository.replicas:
        try:
            retirement = read_retirement(replica.store, repository.trust, lane)
        except (IntegrityError, StoreError) as error:
            failures[replica.name] = error
            continue
        for run_id in retirement.holds:
            for word in retirement.standing(run_id, now):
                found.setdefault(word, []).append(replica.name)
    return found


def _snapshots(repository: Repository, lane: LaneId) -> Mapping[RunId, tuple[str, datetime]]:
    """Return what the snapshots of a lane are of; nothing when it cannot be read: what is held there is held all the same."""
    try:
        listed = list_lane(repository, lane)
    except (IntegrityError, StoreError):
        return {}
    return {
        one.link.manifest.run: (one.link.manifest.source, one.link.manifest.restore_point) for one in listed.snapshots
    }

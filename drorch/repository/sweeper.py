"""Delete packs that nothing needs: from an explicit plan, announced, and checked again before every batch.

*Each side writes, then reads* (docs/FORMAT.md section 12). The sweeper puts a retire list and then, before every batch, reads all manifests; a
writer puts its manifest and then reads the retire lists. One of them sees the other: the writer and voids its run, or the
sweeper and keeps the pack. No clock and no lease takes part in that; the margin only spares runs that are under way from being voided.

Deleted are packs and index segments. Manifests, commits, run records and pack lists stay: they are small, and prove what was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from drorch.clock import Clock
from drorch.errors import StoreDenied
from drorch.format.signing import SigningKey
from drorch.format.trust import TrustChain
from drorch.ids import RunId
from drorch.repository.lane_contents import all_links
from drorch.repository.opening import Replica
from drorch.repository.retirement import put_list, read_retirement
from drorch.repository.sweep_plan import SweepPlan, candidates, needed_packs, unsaid

BATCH_OBJECTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What was deleted, what was kept after all because a snapshot that came meanwhile needs it, and what the store would not delete.

    ``spared`` are snapshots that somebody had come to hold when the list was put.
    """

    retire_list: int | None
    deleted: tuple[str, ...]
    kept: tuple[str, ...]
    refused: tuple[str, ...] = ()
    spared: frozenset[RunId] = frozenset()


def execute(
    sweep: SweepPlan,
    replica: Replica,
    trust: TrustChain,
    *,
    key: SigningKey,
    clock: Clock,
    at_least: int = 0,
    batch_objects: int = BATCH_OBJECTS,
) -> SweepReport:
    """Announce the plan in a retire list signed by the maintainer's ``key``, then delete batch by batch.

    Before every batch all manifests are read again, and whatever one of them needs by now is kept. Raises ``ChainBroken`` when they cannot all be
    read, and what the store raises; what was deleted till then nothing needed.
    """
    if sweep.is_empty:
        return SweepReport(retire_list=None, deleted=(), kept=())
    number = _announce(sweep, replica, trust, key, clock)
    # The order of the lists decides between us and who came to hold a snapshot meanwhile.
    spared = (
        sweep.newly.difference(read_retirement(replica.store, trust, sweep.lane).retired)
        if sweep.newly
        else sweep.newly
    )
    given_up = sweep.given_up - spared
    deleted: list[str] = []
    kept: list[str] = []
    refused: list[str] = []
    left = iter(candidates(sweep))
    while batch := list(islice(left, batch_objects)):
        needed = needed_packs(all_links(replica, trust, sweep.lane, at_least), given_up)
        doomed = [one.name for one in batch if not one.is_needed(needed)]
        kept += [one.name for one in batch if one.is_needed(needed)]
        locked = _delete(replica, doomed)
        refused += locked
        deleted += [name for name in doomed if name not in locked]
        if doomed and len(locked) == len(doomed):
            refused += [one.name for one in left]  # nothing may be deleted here: do not ask once for each
    return SweepReport(
        retire_list=number, deleted=tuple(deleted), kept=tuple(kept), refused=tuple(refused), spared=spared
    )


def _delete(replica: Replica, doomed: Sequence[str]) -> set[str]:
    """Delete what the store lets us delete, and return the rest: objects under a lock, or all when the credential may not."""
    if not doomed:
        return set()
    try:
        replica.store.delete(doomed)
    except StoreDenied:
        return {name for name in doomed if _is_refused(replica, name)}
    return set()


def _is_refused(replica: Replica, name: str) -> bool:
    try:
        replica.store.delete([name])
    except StoreDenied:
        return True
    return False


def _announce(sweep: SweepPlan, replica: Replica, trust: TrustChain, key: SigningKey, clock: Clock) -> int | None:
    """Put the next retire list and return its number; ``None`` when no pack and no snapshot has to be told.

    A pack that an earlier list names, and that could not be deleted then, needs no further word.
    """
    packs = unsaid(sweep)
    if not packs and not sweep.newly:
        return None
    return put_list(replica, trust, sweep.lane, key=key, clock=clock, packs=packs, given_up=sweep.newly)

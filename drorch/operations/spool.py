"""The spool: where snapshots wait while every store of a policy is away.

It is no copy, it lies on the machine that it serves. Each outage has lanes of its own in it, so that what waits there is whole by itself: it is restored without any other
store, and shipping it can meet no history that went on meanwhile. When a store answers again, `drorch copy` ships the lanes to it, and the spool is emptied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from drorch.catalog.interface import Catalog, CopyState
from drorch.clock import Clock
from drorch.format import names
from drorch.operations import copy
from drorch.operations.copy import CopyRequest
from drorch.repository.beginning import RunPlace
from drorch.repository.carrier import Carrier
from drorch.repository.chain import lanes_of
from drorch.repository.copy_report import CopyReport
from drorch.repository.opening import Replica, Repository

OUTAGE_PREFIX = "outage/"
_ID_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipReport:
    """What was shipped. ``freed_bytes`` is ``None`` when the spool keeps it: not all arrived, or a backup is at work in it."""

    copied: CopyReport
    freed_bytes: int | None


def prepare(spool: Replica, repository: Repository) -> None:
    """Put the trust chain into the spool while a store answers: without it nothing could be written there when none does."""
    Carrier(repository.replicas, spool, repository.trust, lambda _count: None).trust_records()


def current_outage(spool: Replica, random_bytes: Callable[[int], bytes]) -> str:
    """Return the id of the outage that is under way, a new one when there is none."""
    known = sorted(stat.name.removeprefix(OUTAGE_PREFIX) for stat in spool.store.list_objects(OUTAGE_PREFIX))
    if known:
        return known[0]
    outage = random_bytes(_ID_BYTES).hex()
    spool.store.put_if_absent(OUTAGE_PREFIX + outage, b"")
    return outage


def spooled(place: RunPlace, outage: str) -> RunPlace:
    """Return the lane of a source in the spool during one outage."""
    return RunPlace(source=f"{place.source} in the spool, outage {outage}", generation=place.generation)


def is_empty(spool: Replica) -> bool:
    """Say whether nothing waits."""
    return not lanes_of(spool.store)


def ship(
    spool: Replica,
    target: Replica,
    repository: Repository,
    catalog: Catalog,
    *,
    clock: Clock,
    progress: Callable[[int], None],
    is_idle: Callable[[], bool],
) -> ShipReport:
    """Copy what waits to ``target``, and empty the spool when all has arrived.

    ``is_idle`` says whether no backup is under way; asked after the outage is declared over: whoever begins later begins lanes of a new one. Killed anywhere
    it is run again; raises what a store raises.
    """
    spool.store.delete([stat.name for stat in spool.store.list_objects(OUTAGE_PREFIX)])
    may_empty = is_idle()
    between = Repository(trust=repository.trust, replicas=(spool, target))
    request = CopyRequest(to=target.name, source=spool.name)
    copied = copy.run(between, request, catalog, clock=clock, progress=progress)
    if not may_empty or copied.problems:
        return ShipReport(copied=copied, freed_bytes=None)
    return ShipReport(copied=copied, freed_bytes=_emptied(spool, catalog))


def _emptied(spool: Replica, catalog: Catalog) -> int:
    """Delete every lane, the manifests first: what is half deleted must not look like a snapshot; return the bytes."""
    waiting = sorted(spool.store.list_objects(names.lanes_prefix()), key=lambda stat: "/m/" not in stat.name)
    spool.store.delete([stat.name for stat in waiting])
    for one in catalog.copies(store=spool.name):
        if one.state is not CopyState.ABSENT:
            catalog.record_copy(replace(one, state=CopyState.ABSENT, stored_at=None, size_bytes=0))
    return sum(stat.size_bytes for stat in waiting)

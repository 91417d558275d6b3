"""Checks that go on where the last one ended, so that every object is read once a round; the catalog remembers the place of each store.

The digests of a store's objects, mixed with a seed of this installation, are points on a circle. Each check reads the next arc of it. So whatever is
there is read within ``ceil(100 / percent)`` checks, also what was stored meanwhile, and nobody who does not know the seed can say when.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime

from drorch.catalog.interface import Catalog, RollingCheck
from drorch.repository.data_checker import Depth
from drorch.repository.findings import CheckReport, Kind

WHOLE = 1_000_000  # the circle, in millionths
_SEED_BYTES = 16


def rolling_depth(
    catalog: Catalog, stores: Collection[str], percent: float, random_bytes: Callable[[int], bytes], now: datetime
) -> tuple[Depth, Mapping[str, RollingCheck]]:
    """Return what to read now, and how far each store is; a store that is new begins a round."""
    known = {one.store: one for one in catalog.rolling_checks()}
    seed = next((one.seed for one in known.values()), random_bytes(_SEED_BYTES).hex())
    places = {
        store: known.get(store) or RollingCheck(store=store, seed=seed, position=0, began_at=now) for store in stores
    }
    starts = {store: one.position / WHOLE for store, one in places.items()}
    return Depth(read_data_percent=percent, seed=bytes.fromhex(seed), starts=starts), places


def remember(
    catalog: Catalog, places: Mapping[str, RollingCheck], report: CheckReport, percent: float, now: datetime
) -> None:
    """Write down how far each store was read; one that could not be read to the end is read again from there."""
    unread = {one.store for one in report.errors if one.kind is Kind.UNREADABLE}
    for store, place in places.items():
        if store not in unread:
            catalog.put_rolling_check(_further(place, percent, now))


def _further(place: RollingCheck, percent: float, now: datetime) -> RollingCheck:
    position = place.position + _share(percent)
    if position < WHOLE:
        return replace(place, position=position, checked_at=now)
    return replace(place, position=position - WHOLE, began_at=now, ended_at=now, checked_at=now)


def _share(percent: float) -> int:
    return max(1, min(WHOLE, int(percent * WHOLE / 100)))

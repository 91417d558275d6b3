"""One look at everything, for every entry point that shows or tells what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drorch.operations.overview import Overview, overview
from drorch.operations.watch.facts import Facts, gather
from drorch.operations.watch.round import Watched, keep_watch
from drorch.wiring.machine import claim_lives, host_name, liveness

if TYPE_CHECKING:
    from drorch.operations.watch.telling import Notice
    from drorch.policy.assembly import LoadedPolicies
    from drorch.settings import Settings
    from drorch.wiring import Wiring


def look(wiring: Wiring, loaded: LoadedPolicies) -> tuple[Overview, Facts]:
    """Return how every source stands and what else is judged, of this moment; asks no store and no server."""
    catalog, now, settings = wiring.catalog(), wiring.clock.now(), wiring.settings
    found = overview(
        loaded.policies,
        loaded.problems,
        catalog,
        now=now,
        is_running=claim_lives(),
        is_elsewhere="backup" not in settings.roles,
    )
    facts = gather(
        catalog,
        now=now,
        host=host_name(),
        is_alive=liveness(),
        directories=settings.own_directories(),
        keep_free_percent=settings.limits.keep_free_percent,
        roles=settings.roles,
        stores=sorted({store for policy in loaded.policies for store in policy.stores}),
    )
    return found, facts


def tell(
    wiring: Wiring, loaded: LoadedPolicies, notices: Sequence[Notice] = (), *, settings: Settings | None = None
) -> Watched:
    """Look, record what is new and what is over, and send what waits; to the notifications of ``settings``, if given."""
    found, facts = look(wiring, loaded)
    of = settings or wiring.settings
    return keep_watch(
        found,
        loaded.policies,
        facts,
        catalog=wiring.catalog(),
        targets=of.notifications,
        post=wiring.post(of),
        zone=of.time_zone,
        notices=tuple(notices),
    )

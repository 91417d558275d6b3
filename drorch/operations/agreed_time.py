"""The time of a store, where something is deleted or locked by it: it must be ours as well."""

from __future__ import annotations

from datetime import datetime, timedelta

from drorch.clock import Clock
from drorch.errors import StoreUnfit
from drorch.repository.opening import Replica

CLOCK_TOLERANCE = timedelta(hours=1)


def agreed_time(replica: Replica, clock: Clock, *, otherwise: str) -> datetime:
    """Return the earlier of the store's clock and ours: what has an end must have ended by both.

    Raises ``StoreUnfit`` when they are over an hour apart; ``otherwise`` says what is left undone then.
    """
    stores, ours = replica.store.server_time(), clock.now()
    if abs(stores - ours) > CLOCK_TOLERANCE:
        raise StoreUnfit(
            f"the clock of {replica.name} is not ours, so {otherwise}",
            expected=f"{ours:%Y-%m-%d %H:%M} UTC, within an hour",
            found=f"{stores:%Y-%m-%d %H:%M} UTC",
            hint="set the clock that is wrong; `drorch doctor` compares them",
        )
    return min(stores, ours)

"""Where evidence is read from: the stores of drorch.yaml, or one that is named; whose it is, is for the steps to say."""

from __future__ import annotations

from contextlib import suppress

from drorch.errors import StoreError, UsageInvalid
from drorch.evidence.dossier import Dossier
from drorch.operations.proof.gathering import gather
from drorch.repository.opening import Replica, Repository, open_repository
from drorch.wiring import Wiring


def dossier_of(wiring: Wiring, store: str | None) -> Dossier:
    """Return what the stores hold; raises what they raise, ``UsageInvalid`` when none is known."""
    return gather(unpinned_repository(wiring, store))


def unpinned_repository(wiring: Wiring, store: str | None) -> Repository:
    """Open the repository whatever its trust root: verification compares that itself, and says so."""
    if store is not None and store not in wiring.settings.stores:
        return open_repository([wiring.store_at(store)], None)
    replicas: list[Replica] = []
    failures: list[StoreError] = []
    for name in [store] if store is not None else wiring.settings.stores:
        try:
            replicas.append(wiring.replica(name))
        except StoreError as error:
            failures.append(error)
    if not replicas:
        raise (
            failures[0]
            if failures
            else UsageInvalid("no store is known here", expected="--store URL, or a drorch.yaml")
        )
    with suppress(StoreError):
        return open_repository(replicas, None)
    return open_repository(replicas[:1], None)

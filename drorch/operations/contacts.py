"""Remember which stores answered: "last contact 9 days" must be known even when nobody looked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from drorch.catalog.interface import Catalog
from drorch.clock import Clock
from drorch.errors import DrorchError, StoreMissing, StoreUnavailable

_AWAY = (StoreUnavailable, StoreMissing)


def note(catalog: Catalog, clock: Clock, *, answered: Iterable[str], failed: Mapping[str, DrorchError]) -> None:
    """Note the stores that ``answered``, and those of ``failed`` that are away; one that answers with a refusal is none of them."""
    now = clock.now()
    for store, error in failed.items():
        if isinstance(error, _AWAY):
            catalog.note_contact(store, at=now, failure=error.message)
    for store in answered:
        if not isinstance(failed.get(store), _AWAY):
            catalog.note_contact(store, at=now)

"""Put the pages of this version (``help/VERSION/``) into stores, so that a bucket explains itself also after an upgrade."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from drorch.errors import DrorchError, ObjectMissing, StoreError
from drorch.repository.opening import Replica


class HelpState(Enum):
    """What a store has of the pages of this version."""

    THERE = "there"
    PUT = "put"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What became of one store. ``error`` says why pages are missing; what was there before is there still."""

    store: str
    state: HelpState
    error: DrorchError | None = None


def run(replicas: Iterable[Replica], help_objects: Mapping[str, bytes]) -> tuple[Explained, ...]:
    """Put what is missing into every store; pages that are there are left alone, whoever wrote them. Raises nothing of a store's."""
    return tuple(_explain(replica, help_objects) for replica in replicas)


def look(replica: Replica, help_objects: Mapping[str, bytes]) -> HelpState | None:
    """Return whether the pages are there; ``None`` when this credential may not see them."""
    try:
        return HelpState.MISSING if any(_is_missing(replica, name) for name in help_objects) else HelpState.THERE
    except StoreError:
        return None


def _explain(replica: Replica, help_objects: Mapping[str, bytes]) -> Explained:
    try:
        missing = [name for name in help_objects if _is_missing(replica, name)]
        for name in missing:
            replica.store.put_if_absent(name, help_objects[name])
    except StoreError as error:
        return Explained(store=replica.name, state=HelpState.MISSING, error=error)
    return Explained(store=replica.name, state=HelpState.PUT if missing else HelpState.THERE)


def _is_missing(replica: Replica, name: str) -> bool:
    try:
        replica.store.stat(name)
    except ObjectMissing:
        return True
    return False

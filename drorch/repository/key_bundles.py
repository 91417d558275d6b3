"""Key bundles: the keys of runs, sealed again to recipients that were added later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from drorch.errors import IntegrityError, StoreError
from drorch.format import names
from drorch.format.keys import SealedAgain, read_key_bundle
from drorch.format.objects import OBJECT_LIMIT_BYTES, ObjectType
from drorch.format.signing import SigningPublic
from drorch.ids import KeyId, LaneId, RepositoryId, RunId
from drorch.repository.copies import Copies
from drorch.repository.opening import Repository
from drorch.storage.interface import ObjectStore


def read_bundles(repository: Repository, copies: Copies) -> Iterator[tuple[SealedAgain, ...]]:
    """Yield what each bundle holds, in order; one that is good nowhere is empty, and among the faults of ``copies``."""
    trust = repository.trust
    allowed = trust.allowed(ObjectType.KEY_BUNDLE, None)
    number = 0
    while allowed:
        read = partial(_read_bundle, repository=trust.repository, number=number, allowed=allowed)
        try:
            yield copies.first_good(names.bundle(number), read)
        except StoreError:  # there is no further one, or the only store that could say so does not answer
            return
        except IntegrityError:  # whether it matters shows when a run record is opened
            yield ()
        number += 1


def further_keys(repository: Repository, copies: Copies, lane: LaneId) -> Mapping[RunId, Mapping[KeyId, bytes]]:
    """Return what the key bundles seal to further recipients, for the runs of ``lane``."""
    found: dict[RunId, dict[KeyId, bytes]] = {}
    for bundle in read_bundles(repository, copies):
        for one in bundle:
            if one.lane == lane:
                found.setdefault(one.run, {})[one.recipient_id] = one.sealed
    return found


def _read_bundle(
    store: ObjectStore, copy: str, *, repository: RepositoryId, number: int, allowed: Mapping[KeyId, SigningPublic]
) -> tuple[SealedAgain, ...]:
    raw = store.read(copy, limit_bytes=OBJECT_LIMIT_BYTES)
    return read_key_bundle(raw, repository=repository, number=number, allowed=allowed)

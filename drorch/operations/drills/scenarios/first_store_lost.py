"""The first store burns down: what remains is in the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from drorch.errors import IntegrityError, SnapshotUnknown, StoreError
from drorch.operations.choose import choose
from drorch.operations.drills.scenarios.reached import Asked, Reached, from_one_store, selection_of
from drorch.repository.chain import ChainLink
from drorch.repository.listing import ListedSnapshot
from drorch.repository.opening import Repository


def first_store_lost(asked: Asked, order: Sequence[str]) -> Reached:
    """Return the snapshot as the stores after the first of ``order`` (the policy's) have it; the first is not asked for anything of it.

    Raises ``SnapshotUnknown`` when there is no other store, and what ``choose`` raises.
    """
    lost, remaining = order[0], set(order[1:])
    left = tuple(replica for replica in asked.repository.replicas if replica.name in remaining)
    if not left:
        raise SnapshotUnknown(
            f"without {lost} nothing remains",
            expected="a second store with a copy",
            found=f"{', '.join(order)}" if len(order) == 1 else "no other store that answers",
            hint="`stores:` of the policy names where copies go",
        )
    remains = replace(asked.repository, replicas=left)
    chosen = choose(remains, asked.wanted)
    repository, store = from_one_store(remains, chosen, asked.store if asked.store in remaining else None)
    return Reached(
        repository=repository,
        snapshot=chosen,
        store=store,
        selection=selection_of(asked.wanted),
        told=(f"{lost} counted as lost: restored from {store}", *_newer(asked, chosen, lost)),
    )


def _newer(asked: Asked, chosen: ListedSnapshot, lost: str) -> tuple[str, ...]:
    """Say what would be lost with the store: a newer snapshot that only it holds."""
    try:
        whole = choose(_only(asked.repository, lost), asked.wanted)
    except (StoreError, IntegrityError):
        return ()
    if not _is_newer(whole.link, chosen.link):
        return ()
    return (f"snapshot {whole.short_id} is newer and only in {lost}: it would be lost",)


def _is_newer(one: ChainLink, other: ChainLink) -> bool:
    """In a lane the chain decides; times decide only between lanes."""
    if one.lane == other.lane:
        return one.sequence > other.sequence
    return one.manifest.restore_point > other.manifest.restore_point


def _only(repository: Repository, store: str) -> Repository:
    return replace(repository, replicas=tuple(one for one in repository.replicas if one.name == store))

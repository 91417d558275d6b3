"""A lane of which nothing is good hides no other from who is after snapshots."""

from __future__ import annotations

import pytest

from drorch.format.retire_list import HoldKind, HoldWord
from drorch.ids import LaneId, RunId
from drorch.operations import held
from drorch.operations.drills.staging import complete_snapshots
from drorch.operations.readable_lanes import readable_lanes
from drorch.operations.restore_many import lanes_by_source
from drorch.repository.opening import Repository
from drorch.repository.retirement import put_list
from drorch.storage.memory import MemoryStore
from tests.support.repositories import EPOCH, Household, ManualClock, back_up, counting_random, snapshots

HOUSEHOLD = Household()


@pytest.fixture
def stores() -> tuple[MemoryStore, MemoryStore]:
    return MemoryStore(ManualClock()), MemoryStore(ManualClock())


@pytest.fixture
def repository(stores: tuple[MemoryStore, MemoryStore]) -> Repository:
    repository = HOUSEHOLD.create(*stores)
    for number in range(2):
        back_up(repository, {"a": b"%d" % number}, source="sea/a", random_bytes=counting_random(f"sea {number}"))
    back_up(repository, {"a": b"land"}, random_bytes=counting_random("land"))
    return repository


def of(repository: Repository, source: str) -> list[tuple[LaneId, RunId]]:
    found = snapshots(repository)
    return [(one.link.lane, one.link.manifest.run) for one in found if one.link.manifest.source == source]


def damage(stores: tuple[MemoryStore, MemoryStore], lane: LaneId, *sequences: int) -> None:
    """Put other bytes in the place of these manifests in every store."""
    for store in stores:
        for sequence in sequences:
            name = f"l/{lane}/m/{sequence:012d}"
            store.delete([name, f"{name}.c"])
            store.put_if_absent(name, b"damaged")


def test_snapshots_of_others_are_found(repository: Repository, stores: tuple[MemoryStore, MemoryStore]) -> None:
    (sea, _), _ = of(repository, "sea/a")
    ((land, run),) = of(repository, "land")
    damage(stores, sea, 1, 2)
    assert [listing.lane for listing in readable_lanes(repository)] == [land]
    assert complete_snapshots(repository, "land") == [str(run)]


def test_what_is_held_there_is_held_all_the_same(
    repository: Repository, stores: tuple[MemoryStore, MemoryStore]
) -> None:
    (sea, run), _ = of(repository, "sea/a")
    word = HoldWord(run=run, kind=HoldKind.HOLD, stands=True, reason="case 12")
    put_list(repository.replicas[0], repository.trust, sea, key=HOUSEHOLD.maintainer, clock=ManualClock(), holds=[word])
    damage(stores, sea, 1, 2)
    (found,) = held.run(repository, now=EPOCH).held
    assert (found.word, found.source, found.restore_point) == (word, "", None)


def test_a_source_whose_newest_snapshot_is_damaged_is_not_left_out_of_a_restore_of_all(
    repository: Repository, stores: tuple[MemoryStore, MemoryStore]
) -> None:
    (sea, _), _ = of(repository, "sea/a")
    damage(stores, sea, 2)
    assert lanes_by_source(repository, "sea", {}) == {"sea/a": (sea,)}

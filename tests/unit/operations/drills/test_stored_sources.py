"""What a machine that never saw a backup finds in the stores: of each source the newest good snapshot, and nothing of others."""

from __future__ import annotations

import pytest

from drorch.operations.drills.stored_sources import newest_stored
from drorch.repository.opening import Repository
from drorch.storage.memory import MemoryStore
from tests.support.repositories import Household, ManualClock, back_up, counting_random, snapshots


@pytest.fixture
def stores() -> tuple[MemoryStore, MemoryStore]:
    return MemoryStore(ManualClock()), MemoryStore(ManualClock())


@pytest.fixture
def repository(stores: tuple[MemoryStore, MemoryStore]) -> Repository:
    repository = Household().create(*stores)
    for size in (300, 200):
        back_up(repository, {"a": b"x" * size}, random_bytes=counting_random(f"{size}"))
    back_up(repository, {"a": b"y" * 50}, source="other", random_bytes=counting_random("other"))
    return repository


def test_the_newest_counts_and_only_of_those_that_were_asked_for(repository: Repository) -> None:
    assert newest_stored(repository, {"land", "other", "nobody"}) == {"land": 200, "other": 50}
    assert newest_stored(repository, {"other"}) == {"other": 50}


def test_one_damaged_copy_is_read_from_the_other_store_and_one_damaged_everywhere_hides_none_before_it(
    repository: Repository, stores: tuple[MemoryStore, MemoryStore]
) -> None:
    lane = next(one.link.lane for one in snapshots(repository) if one.link.manifest.source == "land")
    names = [f"l/{lane}/m/{2:012d}", f"l/{lane}/m/{2:012d}.c"]
    found = []
    for store in stores:
        store.delete(names)
        store.put_if_absent(names[0], b"damaged")
        found.append(newest_stored(repository, {"land"}))
    assert found == [{"land": 200}, {"land": 300}]

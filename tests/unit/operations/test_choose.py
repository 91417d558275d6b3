"""The snapshot that a person means, found in the stores whatever the catalog says and whatever one of them lacks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from drorch.errors import ChainBroken, SnapshotUnknown, StoreUnavailable
from drorch.operations.choose import choose
from drorch.operations.listing import list_repository
from drorch.repository.listing import list_lanes
from drorch.repository.opening import Repository
from drorch.storage.memory import MemoryStore
from tests.support.faulty_store import FaultyStore
from tests.support.repositories import EPOCH, Household, ManualClock, back_up, counting_random, snapshots


@pytest.fixture
def stores() -> tuple[FaultyStore, FaultyStore]:
    return FaultyStore(MemoryStore(ManualClock())), FaultyStore(MemoryStore(ManualClock()))


@pytest.fixture
def repository(stores: tuple[FaultyStore, FaultyStore]) -> Repository:
    repository = Household().create(*stores)
    for day in range(3):
        back_up(repository, {"a": b"%d" % day}, random_bytes=counting_random(f"land {day}"))
    back_up(repository, {"a": b"other"}, source="other", random_bytes=counting_random("other"))
    return repository


def test_the_latest_is_the_last_of_the_chain(repository: Repository) -> None:
    assert choose(repository, "latest:land").link.sequence == 3


def test_a_lane_that_the_catalog_does_not_know_is_searched_for_the_latest(repository: Repository) -> None:
    """Another machine took the source over; the restore is on the old one, whose catalog knows its own lane only."""
    ours, other = (choose(repository, f"latest:{source}").link.lane for source in ("land", "other"))
    assert choose(repository, "latest:other", lanes=[ours]).link.lane == other
    late = choose(repository, "latest:land", lanes=[ours], lanes_of_others=[other])
    assert late.link.sequence == 3


def test_before_counts_in_seconds_as_times_are_shown(repository: Repository) -> None:
    assert choose(repository, "latest:land", before=EPOCH.replace(microsecond=0)).link.sequence == 3
    with pytest.raises(SnapshotUnknown):
        choose(repository, "latest:land", before=EPOCH - timedelta(seconds=1))


def test_a_store_that_cannot_be_listed_hides_nothing(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore]
) -> None:
    stores[0].plan("list", StoreUnavailable("away"), times=100)
    assert choose(repository, "latest:land").link.sequence == 3
    stores[1].plan("list", StoreUnavailable("away too"), times=100)
    with pytest.raises(StoreUnavailable):
        choose(repository, "latest:land")


def test_a_store_that_is_behind_does_not_vouch_for_what_another_holds_behind_its_damage(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore]
) -> None:
    lane = choose(repository, "latest:land").link.lane
    stores[1].delete([f"l/{lane}/m/{number:012d}{tail}" for number in (2, 3) for tail in ("", ".c")])
    stores[0].delete([f"l/{lane}/m/{2:012d}"])
    stores[0].delete([f"l/{lane}/m/{2:012d}.c"])
    stores[0].put_if_absent(f"l/{lane}/m/{2:012d}", b"damaged")
    with pytest.raises(ChainBroken):
        choose(repository, "latest:land")


def test_what_a_stranger_puts_beside_the_lanes_is_no_lane(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore]
) -> None:
    strange = f"l/{'f' * 32}/m/{1:012d}"
    stores[0].put_if_absent(strange, b"not a manifest")
    assert len(list_lanes(repository)) == 2
    assert list_repository(repository).problems == ()


def test_a_lane_that_cannot_be_read_hides_no_other(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore]
) -> None:
    own = str(snapshots(repository)[0].link.lane)[:12]
    for store in stores:
        store.put_if_absent(f"l/{own}{'0' * 20}/m/{1:012d}", b"not a manifest")
    listing = list_repository(repository)
    assert len(listing.snapshots) == 4
    assert {problem.store for problem in listing.problems} == {"store0", "store1"}
    assert choose(repository, "latest:land").link.sequence == 3

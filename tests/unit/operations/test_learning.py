"""What other machines backed up is learned from the stores: what is new, once, and honestly where a store is silent or altered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from drorch.catalog.interface import Catalog, CopyState, LaneHead
from drorch.catalog.sqlite import open_sqlite
from drorch.errors import ChainBroken, StoreUnavailable
from drorch.operations.learning import learn
from drorch.repository.opening import Repository
from drorch.repository.retirement import put_list
from drorch.storage.memory import MemoryStore
from tests.support.hooked_store import HookedStore, Result
from tests.support.repositories import Household, ManualClock, back_up, counting_random, snapshots

HOUSEHOLD = Household()


class Watched(HookedStore):
    """Counts what is asked of it, and does not answer while it is away."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(ManualClock()))
        self.reads: list[str] = []
        self.is_away = False

    def around(self, verb: str, name: str, call: Callable[[], Result]) -> Result:
        if self.is_away:
            raise StoreUnavailable("no route")
        self.reads += [name] if verb == "read" else []
        return call()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with closing(open_sqlite(tmp_path / "catalog.sqlite")) as catalog:
        yield catalog


@pytest.fixture
def stores() -> tuple[Watched, Watched]:
    return Watched(), Watched()


@pytest.fixture
def repository(stores: tuple[Watched, Watched]) -> Repository:
    repository = HOUSEHOLD.create(*stores)
    day(repository, 1)
    day(repository, 1, "other")
    return repository


def day(repository: Repository, number: int, source: str = "land") -> str:
    drawn = counting_random(f"{source} {number}")
    return str(back_up(repository, {"a": b"%d" % number}, source=source, random_bytes=drawn).run)


def copies(catalog: Catalog, source: str) -> list[tuple[str, str, CopyState]]:
    own = {one.snapshot for one in catalog.snapshots(source=source)}
    return sorted((one.snapshot, one.store, one.state) for one in catalog.copies() if one.snapshot in own)


def complete(*snapshots: str, stores: tuple[str, ...] = ("store0", "store1")) -> list[tuple[str, str, CopyState]]:
    return sorted((one, store, CopyState.COMPLETE) for one in snapshots for store in stores)


def test_everything_is_learned_once_and_then_only_what_is_new(
    repository: Repository, stores: tuple[Watched, Watched], catalog: Catalog
) -> None:
    assert learn(repository, catalog, ManualClock()).copies == 4
    assert catalog.newest_good("land") is not None
    second = day(repository, 2)
    for one in stores:
        one.reads.clear()
    assert learn(repository, catalog, ManualClock()).copies == 2
    assert {one.snapshot: one.sequence for one in catalog.snapshots(source="land")}[second] == 2
    assert not [name for name in stores[0].reads if name.endswith("1")]  # nothing that was read before
    for one in stores:
        one.reads.clear()
    assert learn(repository, catalog, ManualClock()).copies == 0
    assert [len(one.reads) for one in stores] == [4, 4]  # of two lanes: a commit and a manifest that are not there


def test_a_store_that_is_silent_is_noted_and_caught_up_with_later(
    repository: Repository, stores: tuple[Watched, Watched], catalog: Catalog
) -> None:
    stores[1].is_away = True
    assert learn(repository, catalog, ManualClock()).copies == 2
    assert {one.store: one.is_away for one in catalog.contacts()} == {"store0": False, "store1": True}
    stores[1].is_away = False
    assert learn(repository, catalog, ManualClock()).copies == 2
    assert {one.store: one.is_away for one in catalog.contacts()} == {"store0": False, "store1": False}
    (known,) = catalog.snapshots(source="land")
    assert copies(catalog, "land") == complete(known.snapshot)


def test_what_a_maintainer_gave_up_is_taken_back_with_the_next_news(repository: Repository, catalog: Catalog) -> None:
    learn(repository, catalog, ManualClock())
    (known,) = catalog.snapshots(source="land")
    listed = next(one for one in snapshots(repository) if one.link.manifest.source == "land")
    second = day(repository, 2)
    gone = listed.link.manifest.run
    put_list(
        repository.replicas[0],
        repository.trust,
        listed.link.lane,
        key=HOUSEHOLD.maintainer,
        clock=ManualClock(),
        packs={gone: b"\xff"},
        given_up={gone},
    )
    learn(repository, catalog, ManualClock())
    assert copies(catalog, "land") == sorted(
        [
            (known.snapshot, "store0", CopyState.ABSENT),
            *complete(known.snapshot, stores=("store1",)),
            *complete(second),
        ]
    )


def test_a_lane_that_was_altered_is_told_and_holds_up_no_other(repository: Repository, catalog: Catalog) -> None:
    lane = next(one.link.lane for one in snapshots(repository) if one.link.manifest.source == "land")
    seen_before = LaneHead(store="store0", lane=str(lane), sequence=1, manifest_digest="00" * 32)
    catalog.remember_head(seen_before)  # it showed another first snapshot then
    day(repository, 2)
    learned = learn(repository, catalog, ManualClock())
    assert [(one.store, one.lane, type(one.error)) for one in learned.problems] == [("store0", str(lane), ChainBroken)]
    assert {store for _, store, _ in copies(catalog, "land")} == {"store1"}
    assert len(copies(catalog, "other")) == 2

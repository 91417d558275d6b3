"""``catalog rebuild``: the catalog says what the stores show; what could not be read stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from drorch.catalog.interface import Catalog
from drorch.catalog.sqlite import open_sqlite
from drorch.operations.listing import rebuild_catalog
from drorch.repository.opening import Repository
from drorch.storage.memory import MemoryStore
from tests.support.repositories import Household, ManualClock, back_up, counting_random, snapshots


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with closing(open_sqlite(tmp_path / "catalog.sqlite")) as catalog:
        yield catalog


@pytest.fixture
def stores() -> tuple[MemoryStore, MemoryStore]:
    return MemoryStore(ManualClock()), MemoryStore(ManualClock())


@pytest.fixture
def repository(stores: tuple[MemoryStore, MemoryStore]) -> Repository:
    repository = Household().create(*stores)
    for day in range(2):
        back_up(repository, {"a": b"%d" % day}, random_bytes=counting_random(f"{day}"))
    back_up(repository, {"a": b"other"}, source="other", random_bytes=counting_random("other"))
    return repository


def listed(catalog: Catalog) -> set[tuple[str, int, str]]:
    records = {record.snapshot: record for record in catalog.snapshots()}
    return {(records[copy.snapshot].source, records[copy.snapshot].sequence, copy.store) for copy in catalog.copies()}


WHOLE = {
    (source, number, store)
    for source, number in (("land", 1), ("land", 2), ("other", 1))
    for store in ("store0", "store1")
}


def test_an_empty_catalog_lists_what_the_stores_show(repository: Repository, catalog: Catalog) -> None:
    rebuild_catalog(repository, catalog)
    assert listed(catalog) == WHOLE


def test_a_lane_that_is_damaged_in_one_store_takes_nothing_away(
    repository: Repository, stores: tuple[MemoryStore, MemoryStore], catalog: Catalog
) -> None:
    rebuild_catalog(repository, catalog)
    damage(repository, stores[0])
    assert [problem.store for problem in rebuild_catalog(repository, catalog).problems] == ["store0"]
    assert listed(catalog) == WHOLE


def test_a_lane_that_is_damaged_in_one_store_is_listed_as_far_as_it_goes(
    repository: Repository, stores: tuple[MemoryStore, MemoryStore], catalog: Catalog
) -> None:
    damage(repository, stores[0])
    rebuild_catalog(repository, catalog)
    assert listed(catalog) == WHOLE - {("land", 2, "store0")}


def test_a_lane_that_is_damaged_everywhere_is_listed_as_far_as_it_goes(
    repository: Repository, stores: tuple[MemoryStore, MemoryStore], catalog: Catalog
) -> None:
    for store in stores:
        damage(repository, store)
    assert len(rebuild_catalog(repository, catalog).problems) == 2
    assert listed(catalog) == {one for one in WHOLE if one[:2] != ("land", 2)}


def test_a_lane_that_was_cut_is_a_problem_and_hides_no_other(
    repository: Repository, stores: tuple[MemoryStore, MemoryStore], catalog: Catalog
) -> None:
    rebuild_catalog(repository, catalog)
    lane = next(one.link.lane for one in snapshots(repository) if one.link.manifest.source == "land")
    stores[1].delete([f"l/{lane}/m/{2:012d}", f"l/{lane}/m/{2:012d}.c"])
    (problem,) = rebuild_catalog(repository, catalog).problems
    assert (problem.store, problem.lane) == ("store1", str(lane))
    assert "shorter" in problem.error.message


def damage(repository: Repository, store: MemoryStore) -> None:
    lane = next(one.link.lane for one in snapshots(repository) if one.link.manifest.source == "land")
    names = [f"l/{lane}/m/{2:012d}", f"l/{lane}/m/{2:012d}.c"]
    store.delete(names)
    store.put_if_absent(names[0], b"damaged")

"""Whose a source is, when another writer of the repository feeds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from drorch.catalog.interface import Catalog, SourceState
from drorch.catalog.sqlite import open_sqlite
from drorch.clock import SystemClock
from drorch.errors import NothingDone, SourceForeign
from drorch.format.keys import HostKey
from drorch.ids import LaneId
from drorch.operations.estate.life import SourceLife, Subject
from drorch.operations.estate.ownership import Ownership
from drorch.operations.listing import list_repository
from drorch.repository.opening import Repository
from drorch.storage.memory import MemoryStore
from tests.support.catalogs import START
from tests.support.repositories import Household, back_up, seed

ANOTHER = HostKey(seed("another host"), seed("another lane master"))


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with closing(open_sqlite(tmp_path / "catalog.sqlite")) as catalog:
        yield catalog


@pytest.fixture
def repository() -> Repository:
    """One in which the household's host has backed up ``land``."""
    found = Household().create(MemoryStore(SystemClock()))
    back_up(found, {"table/a": b"row\n" * 10}, source="land")
    return found


def ownership(repository: Repository, catalog: Catalog, key: HostKey = ANOTHER, machine: str = "new") -> Ownership:
    return Ownership(repository=repository, host_key=key, catalog=catalog, machine_id=machine)


def life(repository: Repository, catalog: Catalog, key: HostKey = ANOTHER, machine: str = "new") -> SourceLife:
    owner = ownership(repository, catalog, key, machine)
    return SourceLife(catalog=catalog, ownership=owner, machine_id=machine, now=lambda: START)


def subject(catalog: Catalog, address: str = "land") -> Subject:
    return Subject(address=address, policy=address, is_named=True, record=catalog.source(address), seen=None)


def test_what_another_writer_feeds_is_refused_by_his_name(repository: Repository, catalog: Catalog) -> None:
    mine = ownership(repository, catalog)
    standing = mine.require_ours("land")
    with pytest.raises(SourceForeign) as caught:
        mine.require_unused(standing, "land", sequence=0)
    assert "snapshots by host" in caught.value.found
    assert "drorch source adopt land" in caught.value.hint
    mine.require_unused(mine.require_ours("civil"), "civil", sequence=0)


def test_the_catalog_is_believed_before_the_stores_are_read(repository: Repository, catalog: Catalog) -> None:
    (listed,) = list_repository(repository).snapshots
    catalog.record_snapshot(listed.record)
    assert ownership(repository, catalog).other_writers() == {"land": LaneId.parse(listed.record.lane)}


def test_after_the_adoption_it_goes_on_in_a_lane_of_its_own(repository: Repository, catalog: Catalog) -> None:
    change = life(repository, catalog).adopt(subject(catalog), reason="the other host is gone")
    assert (change.before, change.after) == ("another machine", "this machine")
    mine = ownership(repository, catalog)
    standing = mine.require_ours("land")
    mine.require_unused(standing, "land", sequence=0)
    assert mine.lane(standing.place).raw[:6] == ANOTHER.signing_key().key_id.raw[:6]


def test_two_machines_with_one_key_never_adopt_into_one_lane(repository: Repository, catalog: Catalog) -> None:
    """The second adoption finds the first's lane in the store, whatever its own catalog says."""
    first = ownership(repository, catalog, Household().host).next_place("land")
    assert first.generation == 1, "generation 0 is that of the machine that backed it up so far"


def test_a_source_that_is_ours_is_not_adopted_twice(repository: Repository, catalog: Catalog) -> None:
    life(repository, catalog).adopt(subject(catalog), reason="x")
    with pytest.raises(NothingDone, match="already"):
        life(repository, catalog).adopt(subject(catalog), reason="x")


def test_a_retired_source_that_somebody_reopens_is_backed_up_again(repository: Repository, catalog: Catalog) -> None:
    del repository
    empty = Household(name="other").create(MemoryStore(SystemClock()))
    lives = life(empty, catalog)
    gone = Subject(address="p/d1", policy="p", is_named=False, record=None, seen=None)
    lives.retire(gone, reason="merged")
    found = catalog.source("p/d1")
    assert found is not None
    assert found.state is SourceState.RETIRED
    again = Subject(address="p/d1", policy="p", is_named=True, record=found, seen=None)
    assert lives.reopen(again, reason="it is back").after == "active"
    ownership(empty, catalog).require_ours("p/d1")

"""What one store lacks is never relied on in it: every copy that a run acknowledges can be read without the others."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.errors import StoreUnavailable
from drorch.format import names
from drorch.format.objects import ObjectType
from drorch.repository.opening import Replica, Repository, open_repository
from drorch.storage.memory import MemoryStore
from tests.support.faulty_store import FaultyStore
from tests.support.pack_sets import sign_pack_sets
from tests.support.repositories import EPOCH, Household, ManualClock, back_up, counting_random, read_back, snapshots

STREAMS = {"table": random.Random(1).randbytes(3_000_000), "small": b"kept"}
EVER = 10**9


class Died(BaseException):
    """The process is dead."""


@pytest.fixture
def stores() -> tuple[FaultyStore, FaultyStore]:
    return FaultyStore(MemoryStore(ManualClock(), "one")), FaultyStore(MemoryStore(ManualClock(), "two"))


@pytest.fixture
def repository(stores: tuple[FaultyStore, FaultyStore]) -> Repository:
    return Household().create(*stores)


def without(store: FaultyStore) -> None:
    """From now on the store does not answer."""
    for verb in ("put", "read", "list", "stat"):
        store.plan(verb, StoreUnavailable("away"), times=EVER)


def alone(repository: Repository, replica: Replica) -> Repository:
    """Return the repository as it is with this store only."""
    return open_repository([replica], repository.trust.root_digest.raw)


def die_before_the_pack_list(repository: Repository, stores: tuple[FaultyStore, FaultyStore], label: str) -> None:
    for store in stores:
        store.plan("put", Died(), name_part="/q/", times=EVER)
    with pytest.raises(Died):
        back_up(repository, STREAMS, random_bytes=counting_random(label))
    for store in stores:
        store.faults.clear()


def test_a_list_that_only_one_store_got_is_put_into_the_other(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore], tmp_path: Path
) -> None:
    """A run dies; the next takes its packs over while the second store is away, and dies too; then both are there."""
    one, two = stores
    die_before_the_pack_list(repository, stores, "first")
    without(two)
    one.plan("put", Died(), name_part="/m/", times=EVER)
    with pytest.raises(Died):
        back_up(repository, STREAMS, cache=tmp_path, random_bytes=counting_random("second"))
    one.faults.clear()
    two.faults.clear()
    committed = back_up(repository, STREAMS, cache=tmp_path, random_bytes=counting_random("third"))
    assert committed.copies == ("store0", "store1")
    assert committed.totals.new_bytes < 100_000  # the packs of the dead run are used
    for replica in repository.replicas:
        single = alone(repository, replica)
        assert [read_back(single, snapshot) for snapshot in snapshots(single)] == [STREAMS]


@pytest.mark.parametrize("folder", ["q", "r"])
def test_runs_whose_list_or_record_is_gone_from_one_store_are_not_relied_on(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore], tmp_path: Path, folder: str
) -> None:
    back_up(repository, STREAMS, cache=tmp_path, random_bytes=counting_random("first"))
    lost = [stat.name for stat in stores[1].list_objects("l/") if f"/{folder}/" in stat.name]
    stores[1].delete(lost)
    committed = back_up(repository, STREAMS, cache=tmp_path, random_bytes=counting_random("second"))
    assert committed.copies == ("store0", "store1")
    single = alone(repository, repository.replicas[1])
    assert read_back(single, snapshots(single)[-1]) == STREAMS
    if folder == "r":
        assert all(need.run == committed.run for need in snapshots(single)[-1].link.manifest.needs)


def test_different_lists_of_one_run_in_two_stores_make_it_unknown(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore], tmp_path: Path
) -> None:
    """Each store was taken over alone by another run: no list fits both, so the packs are stored again."""
    die_before_the_pack_list(repository, stores, "first")
    for replica, other in zip(repository.replicas, reversed(stores), strict=True):
        store = replica.store
        assert isinstance(store, FaultyStore)
        store.plan("put", Died(), name_part="/m/", times=EVER)
        without(other)
        with pytest.raises(Died):
            back_up(repository, STREAMS, random_bytes=counting_random(replica.name), clock=ManualClock())
        for one in stores:
            one.faults.clear()
    lists = [
        {stat.name: store.read(stat.name, limit_bytes=2**20) for stat in store.list_objects("l/") if "/q/" in stat.name}
        for store in stores
    ]
    assert any(name in lists[1] and lists[1][name] != digest for name, digest in lists[0].items())
    back_up(repository, STREAMS, cache=tmp_path, random_bytes=counting_random("third"))
    for replica in repository.replicas:
        single = alone(repository, replica)
        assert [read_back(single, snapshot) for snapshot in snapshots(single)] == [STREAMS]


@pytest.mark.parametrize("applied", [False, True], ids=["refused", "answer lost"])
def test_a_commit_that_one_store_missed_is_put_there_by_the_next_run(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore], applied: object
) -> None:
    """The second store fails at the commit and is well again: what the first acknowledged is not declared void there."""
    stores[1].plan("put", StoreUnavailable("away"), name_part=".c", after=bool(applied))
    first = back_up(repository, STREAMS, random_bytes=counting_random("first"))
    assert first.copies == (("store0", "store1") if applied else ("store0",))  # the commit is asked for
    second = back_up(repository, {"small": b"new"}, random_bytes=counting_random("second"))
    assert second.copies == ("store0", "store1")
    single = alone(repository, repository.replicas[1])
    assert [read_back(single, one) for one in snapshots(single)] == [STREAMS, {"small": b"new"}]


def test_a_commit_is_not_put_where_its_packs_are_being_swept(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore]
) -> None:
    back_up(repository, STREAMS, random_bytes=counting_random("first"))
    stores[1].plan("put", StoreUnavailable("away"), name_part="2.c")
    back_up(repository, STREAMS, random_bytes=counting_random("second"))
    retire_first(repository, stores[1])
    third = back_up(repository, {"small": b"new"}, random_bytes=counting_random("third"))
    assert third.copies == ("store0", "store1")
    single = alone(repository, repository.replicas[1])
    assert [one.link.sequence for one in snapshots(single)] == [1, 3]


def retire_first(repository: Repository, store: FaultyStore) -> None:
    (first, *_) = snapshots(repository)
    lane, household = first.link.lane, Household()
    retire_list = sign_pack_sets(
        ObjectType.RETIRE_LIST,
        repository=repository.trust.repository,
        lane=lane,
        number=0,
        packs={first.link.manifest.run: b"\xff"},
        made_at=EPOCH,
        key=household.maintainer,
    )
    store.put_if_absent(names.retire_list(lane, 0), retire_list)


def test_a_store_without_the_last_trust_record_takes_no_part(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore]
) -> None:
    """The host that writes may stand only in that record: alone, the store could not say who it is."""
    trust = repository.trust
    second = replace(trust.last, number=1, previous=trust.last_digest).sign([Household().root], EPOCH)
    stores[0].put_if_absent(names.trust(1), second)
    opened = open_repository(repository.replicas, repository.trust.root_digest.raw)
    assert opened.short_of_trust == {"store1"}
    committed = back_up(opened, STREAMS, random_bytes=counting_random("first"))
    assert committed.copies == ("store0",)
    assert "drorch copy" in committed.dropped["store1"].hint


def test_record_and_list_of_a_dead_run_that_is_relied_on_exist_twice(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore]
) -> None:
    die_before_the_pack_list(repository, stores, "first")
    committed = back_up(repository, STREAMS, random_bytes=counting_random("second"))
    assert committed.totals.new_bytes < 100_000
    for store in stores:
        firsts = [stat.name for stat in store.list_objects("l/") if "/q/" in stat.name or "/r/" in stat.name]
        store.delete([name for name in firsts if "~" not in name])
    assert [read_back(repository, one) for one in snapshots(repository)] == [STREAMS]


def test_a_dead_run_whose_record_is_damaged_is_not_relied_on(
    repository: Repository, stores: tuple[FaultyStore, FaultyStore]
) -> None:
    die_before_the_pack_list(repository, stores, "first")
    (record,) = [stat.name for stat in stores[1].list_objects("l/") if "/r/" in stat.name]
    stores[1].delete([record])
    stores[1].put_if_absent(record, b"damaged")
    committed = back_up(repository, STREAMS, random_bytes=counting_random("second"))
    assert committed.copies == ("store0", "store1")
    assert committed.totals.known_bytes == 0
    single = alone(repository, repository.replicas[1])
    assert [read_back(single, one) for one in snapshots(single)] == [STREAMS]

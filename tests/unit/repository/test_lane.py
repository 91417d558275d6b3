"""A run adds its snapshot where every reader comes, or says that it cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drorch.errors import ChainBroken, ObjectMissing, StoreUnfit
from drorch.format.manifest import SealedBody
from drorch.format.record import RecordContext
from drorch.ids import Digest, RunId
from drorch.repository.chain import ChainLink
from drorch.repository.lane import LaneWriter, SecondCopy
from drorch.repository.opening import Repository
from drorch.repository.replicas import Replicas
from drorch.storage.interface import Bytes, PutOutcome
from drorch.storage.memory import MemoryStore
from tests.support.repositories import Household, ManualClock, back_up, counting_random, read_back, snapshots

HOUSEHOLD = Household()


def day(repository: Repository, number: int) -> None:
    back_up(repository, {"table": b"day %d" % number}, random_bytes=counting_random(f"day {number}"))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(ManualClock())


@pytest.fixture
def repository(store: MemoryStore) -> Repository:
    made = HOUSEHOLD.create(store)
    for number in (1, 2, 3):
        day(made, number)
    return made


def add(repository: Repository, sequence: int, previous: Digest) -> None:
    """Sign a link with this host's key, as its thief would."""
    last = newest(repository)
    manifest = replace(last.manifest, sequence=sequence, previous=previous, run=RunId(b"thief".ljust(16)), needs=())
    context = RecordContext(repository.trust.repository, last.lane, manifest.run)
    body = SealedBody(facts={}, entries=None).seal(bytes(32), bytes(32), context)
    lane = LaneWriter(repository.trust, last.lane, HOUSEHOLD.host.signing_key(), ManualClock())
    lane.commit(manifest, body, SecondCopy(b"", b""), Replicas(repository.replicas))


def newest(repository: Repository) -> ChainLink:
    return max((one.link for one in snapshots(repository)), key=lambda link: link.sequence)


def test_nothing_is_added_behind_a_gap_that_somebody_deleted(repository: Repository, store: MemoryStore) -> None:
    gone = [stat.name for stat in store.list_objects("l/") if "/m/000000000002" in stat.name]
    assert len(gone) == 2
    store.delete(gone)
    before = {stat.name for stat in store.list_objects("")}
    with pytest.raises(ChainBroken, match=r"manifest 2 of lane .* is gone"):
        day(repository, 4)
    assert {stat.name for stat in store.list_objects("")} == before


def test_nothing_is_added_behind_a_number_that_a_thief_of_the_key_took_far_ahead(repository: Repository) -> None:
    add(repository, 1_000, newest(repository).digest)
    with pytest.raises(ChainBroken, match=r"manifest 4 of lane .* is gone"):
        day(repository, 4)


def test_nothing_is_added_behind_a_link_that_does_not_follow(repository: Repository) -> None:
    add(repository, 4, Digest(bytes(32)))
    with pytest.raises(ChainBroken, match=r"manifest 4 .* does not follow"):
        day(repository, 5)


def test_a_listing_that_leaves_names_out_is_no_gap(
    repository: Repository, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = store.list_objects
    monkeypatch.setattr(
        store, "list_objects", lambda prefix: (stat for stat in whole(prefix) if "/m/000000000002" not in stat.name)
    )
    day(repository, 4)
    assert [read_back(repository, one)["table"] for one in snapshots(repository)][-1] == b"day 4"


def test_a_manifest_that_its_commit_holds_too_is_no_gap(repository: Repository, store: MemoryStore) -> None:
    store.delete([stat.name for stat in store.list_objects("l/") if stat.name.endswith(("000000000002", "0000000003"))])
    day(repository, 4)
    assert newest(repository).sequence == 4


def test_a_commit_that_the_store_has_and_does_not_show_yet_is_not_called_void(
    repository: Repository, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A put whose first answer got lost, in a store that shows what it has a little later: the snapshot is there."""
    put, read, hidden = store.put_if_absent, store.read, set[str]()

    def put_twice(name: str, content: Bytes) -> PutOutcome:
        outcome = put(name, content)
        if name.endswith(".c"):
            hidden.add(name)
            return PutOutcome.EXISTED
        return outcome

    def read_later(name: str, *, limit_bytes: int) -> bytes:
        if name in hidden:
            raise ObjectMissing(f"{name} is not there")
        return read(name, limit_bytes=limit_bytes)

    monkeypatch.setattr(store, "put_if_absent", put_twice)
    monkeypatch.setattr(store, "read", read_later)
    with pytest.raises(StoreUnfit, match="exists and that it does not") as refused:
        day(repository, 4)
    assert "whether the snapshot counts there is not known" in refused.value.still_good
    hidden.clear()
    assert newest(repository).sequence == 4

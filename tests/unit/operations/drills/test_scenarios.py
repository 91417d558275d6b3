"""How each scenario reaches its snapshot: one copy, one snapshot, and never another one instead."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from drorch.errors import KeyWrong, SnapshotUnknown
from drorch.evidence.drill_report import Selection
from drorch.format.custody import split_seed
from drorch.format.retire_list import HoldKind, HoldWord
from drorch.ids import RunId
from drorch.operations.drills.scenarios.bad_cut_over import bad_cut_over
from drorch.operations.drills.scenarios.custodians import combine_key
from drorch.operations.drills.scenarios.first_store_lost import first_store_lost
from drorch.operations.drills.scenarios.reached import Asked
from drorch.operations.drills.scenarios.single_database import one_table, single_database
from drorch.repository.opening import Repository
from drorch.repository.retirement import put_list
from drorch.storage.memory import MemoryStore
from tests.support.repositories import EPOCH, Household, ManualClock, back_up, counting_random, seed, snapshots

NOW = EPOCH + timedelta(days=1)


@pytest.fixture
def repository() -> Repository:
    """Two stores; the second snapshot is in the first store only."""
    both = Household().create(MemoryStore(ManualClock()), MemoryStore(ManualClock()))
    random_bytes = counting_random()
    back_up(both, {"table/parcel": b"1"}, random_bytes=random_bytes)
    first_alone = replace(both, replicas=both.replicas[:1])
    back_up(first_alone, {"table/parcel": b"2"}, random_bytes=random_bytes)
    return both


def runs(repository: Repository) -> list[str]:
    return [str(one.link.manifest.run) for one in snapshots(repository)]


def asked(repository: Repository, wanted: str = "latest:land", store: str | None = None) -> Asked:
    return Asked(repository=repository, source="land", wanted=wanted, store=store)


def test_one_copy_is_drilled_and_no_other_store_can_help(repository: Repository) -> None:
    reached = single_database(asked(repository, runs(repository)[0], "store1"))
    assert [replica.name for replica in reached.repository.replicas] == ["store1"]
    assert (reached.store, reached.selection, reached.choices.tables) == ("store1", Selection.NAMED, ())


def test_a_store_without_the_latest_snapshot_is_told_and_no_older_one_is_taken(repository: Repository) -> None:
    with pytest.raises(SnapshotUnknown, match="store1 does not hold snapshot") as error:
        single_database(asked(repository, store="store1"))
    assert runs(repository)[1][:8] in str(error.value)
    assert single_database(asked(repository)).snapshot.stores == ("store0",)


def test_tables_are_what_one_table_restores(repository: Repository) -> None:
    assert one_table(asked(repository), ("public.parcel",)).choices.tables == ("public.parcel",)


def test_without_the_first_store_the_second_gives_what_it_has_and_the_loss_is_told(repository: Repository) -> None:
    reached = first_store_lost(asked(repository), ["store0", "store1"])
    assert [replica.name for replica in reached.repository.replicas] == ["store1"]
    assert str(reached.snapshot.link.manifest.run) == runs(repository)[0]
    assert reached.told[0] == "store0 counted as lost: restored from store1"
    assert "is newer and only in store0" in reached.told[1]


def test_without_the_only_store_nothing_remains(repository: Repository) -> None:
    with pytest.raises(SnapshotUnknown, match="without store0 nothing remains"):
        first_store_lost(asked(repository), ["store0"])


def pin(repository: Repository, run: str, *, stands: bool = True, kind: HoldKind = HoldKind.PIN) -> None:
    lane = snapshots(repository)[0].link.lane
    word = HoldWord(run=RunId.parse(run), kind=kind, stands=stands, reason="before the merger")
    for replica in repository.replicas:
        put_list(replica, repository.trust, lane, key=Household().maintainer, clock=ManualClock(), holds=[word])


def test_a_bad_cut_over_goes_back_to_what_was_pinned(repository: Repository) -> None:
    pin(repository, runs(repository)[0])
    reached = bad_cut_over(asked(repository), NOW)
    assert str(reached.snapshot.link.manifest.run) == runs(repository)[0]
    assert reached.selection is Selection.BEFORE_CUT_OVER
    assert "pinned for: before the merger" in reached.told[0]


@pytest.mark.parametrize("how", ["nothing", "taken back", "a legal hold"])
def test_without_a_pin_that_stands_there_is_nothing_to_go_back_to(repository: Repository, how: str) -> None:
    if how == "taken back":
        pin(repository, runs(repository)[0])
        pin(repository, runs(repository)[0], stands=False)
    elif how == "a legal hold":
        pin(repository, runs(repository)[0], kind=HoldKind.HOLD)
    with pytest.raises(SnapshotUnknown, match="no snapshot of land is pinned"):
        bad_cut_over(asked(repository), NOW)


def test_custodians_make_the_key_and_one_fewer_would_not() -> None:
    shares = split_seed(seed("test custodian"), threshold=2, count=3, random_bytes=counting_random("shares"))
    combined = combine_key(shares[:2], "custodian")
    assert combined.key.public() == replace_label(Household().custodian.public(), "custodian")
    assert combined.shares == 2
    assert "one fewer made no key" in combined.told
    with pytest.raises(KeyWrong):
        combine_key(shares[:1], "custodian")


def replace_label(public: object, label: str) -> object:
    return replace(public, label=label)  # type: ignore[type-var]

"""What a sweep plans and does when nobody else is there; with others see tests/faults/test_interleavings.py."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from drorch.errors import ChainBroken, StoreUnavailable
from drorch.format import names
from drorch.ids import RunId
from drorch.repository import packing, segments, sweeper
from drorch.repository.checker import CheckRequest, check
from drorch.repository.opening import Replica, Repository
from drorch.repository.sweeper import SweepPlan, SweepReport
from drorch.repository.writer import CommittedSnapshot
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from drorch.storage.recording import RecordingStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.faulty_store import FaultyStore
from tests.support.repositories import EPOCH, Household, ManualClock, back_up, counting_random, read_back, snapshots

HOUSEHOLD = Household()
STEADY, FIRST, SECOND = (random.Random(number).randbytes(90_000) for number in range(3))
LATER = EPOCH + timedelta(days=30)


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PACK_TARGET_BYTES", 80_000)
    monkeypatch.setattr(segments, "SEGMENT_PACKS", 1)


class Lane:
    """Two snapshots that share ``steady``."""

    def __init__(self) -> None:
        self.store = MemoryStore(ManualClock())
        self.repository = HOUSEHOLD.create(self.store)
        self.first = self.back_up("1", steady=STEADY, first=FIRST)
        self.second = self.back_up("2", steady=STEADY, second=SECOND)

    def back_up(self, label: str, **streams: bytes) -> CommittedSnapshot:
        return back_up(self.repository, streams, random_bytes=counting_random(label))

    def crash(self, survives: int) -> None:
        dying = CrashStore(self.store, survives_calls=survives)
        repository = self.on(dying)
        with pytest.raises(Crashed):
            back_up(
                repository,
                {"x": random.Random(8).randbytes(200_000)},
                random_bytes=counting_random(f"crash {survives}"),
            )

    def on(self, store: ObjectStore) -> Repository:
        return Repository(trust=self.repository.trust, replicas=(Replica(name="store0", store=store),))

    def plan(self, *give_up: RunId, store: ObjectStore | None = None) -> SweepPlan:
        replica = Replica(name="store0", store=store or self.store)
        contents = sweeper.read_contents(replica, self.repository.trust, self.first.lane)
        return sweeper.plan(contents, give_up, now=LATER)

    def execute(self, plan: SweepPlan, *, store: ObjectStore | None = None, at_least: int = 0) -> SweepReport:
        return sweeper.execute(
            plan,
            Replica(name="store0", store=store or self.store),
            self.repository.trust,
            key=HOUSEHOLD.maintainer,
            clock=ManualClock(),
            at_least=at_least,
            batch_objects=2,
        )

    def names(self, part: str = "") -> set[str]:
        return {stat.name for stat in self.store.list_objects("") if part in stat.name}


@pytest.fixture
def lane() -> Lane:
    return Lane()


def test_nothing_is_to_do_when_every_snapshot_stays(lane: Lane) -> None:
    plan = lane.plan()
    assert plan.is_empty
    assert lane.execute(plan) == SweepReport(retire_list=None, deleted=(), kept=())
    assert lane.names("/g/") == set()


def test_what_only_the_given_up_snapshot_needs_is_deleted(lane: Lane) -> None:
    before = lane.names()
    report = lane.execute(lane.plan(lane.first.run))
    assert report.retire_list == 0
    assert report.kept == ()
    assert lane.names() == before - set(report.deleted) | {names.retire_list(lane.first.lane, 0)}
    assert all("/p/" in name for name in report.deleted)
    (_, second) = snapshots(lane.repository)
    assert read_back(lane.repository, second) == {"steady": STEADY, "second": SECOND}
    assert check(lane.repository, CheckRequest(retired={lane.first.run})).errors == ()
    (finding, *_) = check(
        lane.repository, CheckRequest()
    ).errors  # who was not told of it sees that it is gone, and why
    assert "a retire list names it" in finding.text


def test_a_second_sweep_finds_nothing_more(lane: Lane) -> None:
    lane.execute(lane.plan(lane.first.run))
    assert lane.plan(lane.first.run).is_empty


def test_all_of_a_run_that_is_given_up_goes_with_its_index(lane: Lane) -> None:
    report = lane.execute(lane.plan(lane.first.run, lane.second.run))
    assert lane.names("/p/") == set()
    assert lane.names("/x/") == set()
    assert len(report.deleted) > 6
    assert len(lane.names("/m/")) == 4  # the chain stays
    made = lane.back_up("3", steady=STEADY, first=FIRST)
    assert made.totals.known_chunks == 0
    assert read_back(lane.repository, snapshots(lane.repository)[-1]) == {"steady": STEADY, "first": FIRST}


@pytest.mark.parametrize("survives", range(8, 22))
def test_what_a_broken_run_left_goes_after_the_margin(lane: Lane, survives: int) -> None:
    kept = lane.names("/p/") | lane.names("/x/")
    lane.crash(survives)
    young = sweeper.read_contents(lane.repository.replicas[0], lane.repository.trust, lane.first.lane)
    assert sweeper.plan(young, (), now=ManualClock().now()).is_empty or lane.names("/m/000000000003")
    lane.execute(lane.plan())
    assert lane.names("/p/") | lane.names("/x/") == kept or lane.names("/m/000000000003")
    assert check(lane.repository, CheckRequest()).errors == ()


def test_packs_of_a_run_that_left_no_list_are_retired_whatever_their_number(lane: Lane) -> None:
    before = lane.names("/p/")
    for survives in range(10, 30):
        lane.crash(survives)
        if lane.names("/p/") != before:
            break
    plan = lane.plan()
    assert [one.name for one in plan.unlisted] == sorted(lane.names("/p/") - before)
    report = lane.execute(plan)
    assert set(report.deleted) >= {one.name for one in plan.unlisted}
    assert lane.names("/p/") == before


def test_an_undecided_manifest_keeps_what_it_needs(lane: Lane) -> None:
    lane.store.delete([names.commit(lane.first.lane, 2)])
    plan = lane.plan(lane.second.run)
    needed = {name for run in plan.names.values() for name in run.values()}
    lane.execute(plan)
    assert needed == set()


def test_who_cannot_read_the_whole_chain_deletes_nothing(lane: Lane) -> None:
    plan = lane.plan(lane.first.run)
    before = lane.names("/p/")
    with pytest.raises(ChainBroken):
        lane.execute(plan, at_least=3)
    lane.store.delete([names.manifest(lane.first.lane, 1), names.commit(lane.first.lane, 1)])
    with pytest.raises(ChainBroken):
        lane.plan(lane.first.run)
    with pytest.raises(ChainBroken):
        lane.execute(plan)
    assert lane.names("/p/") == before


def test_a_store_that_fails_ends_the_sweep_where_it_is(lane: Lane) -> None:
    plan = lane.plan(lane.first.run, lane.second.run)
    faulty = FaultyStore(lane.store)
    faulty.plan("delete", StoreUnavailable("gone"), skip=1)
    with pytest.raises(StoreUnavailable):
        lane.execute(plan, store=faulty)
    faulty.assert_all_fired()
    assert check(lane.repository, CheckRequest(retired={lane.first.run, lane.second.run})).errors == ()
    lane.execute(lane.plan(lane.first.run, lane.second.run))
    assert lane.plan(lane.first.run, lane.second.run).is_empty


def test_a_retire_list_that_another_sweeper_put_is_not_overwritten(lane: Lane) -> None:
    plan = lane.plan(lane.first.run)
    assert lane.execute(plan).retire_list == 0
    assert lane.execute(plan).retire_list == 1
    assert len(lane.names("/g/")) == 2


def test_before_every_batch_all_manifests_are_read(lane: Lane) -> None:
    recorded = RecordingStore(lane.store)
    plan = lane.plan(lane.first.run, lane.second.run)
    before = recorded.traffic
    report = lane.execute(plan, store=recorded)
    requests = recorded.traffic.since(before).requests
    batches = -(-len(report.deleted) // 2)
    assert requests["delete"] == batches
    # two manifests, two commits, and the absent pair behind them; before, the retire list that was put and the absent one behind it
    assert requests["read"] == batches * 6 + 2
    assert requests["put"] == 1

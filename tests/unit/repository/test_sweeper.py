"""What a sweep plans and does when nobody else is there; with others see tests/faults/test_interleavings.py."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from drorch.errors import ChainBroken, StoreDenied, StoreUnavailable
from drorch.format import names
from drorch.format.objects import digest_of
from drorch.format.pack import ListedPack, PackList
from drorch.format.retire_list import HoldKind, HoldWord
from drorch.format.trust_record import Head as TrustHead
from drorch.format.trust_record import Revocation
from drorch.ids import RunId
from drorch.repository import lane_contents, packing, segments, sweep_plan, sweeper
from drorch.repository.checker import CheckRequest, check
from drorch.repository.findings import Kind
from drorch.repository.listing import list_lane, list_lanes
from drorch.repository.opening import Replica, Repository, open_repository
from drorch.repository.retirement import put_list, read_retirement
from drorch.repository.run_parts import CommittedSnapshot
from drorch.repository.sweep_plan import SweepPlan
from drorch.repository.sweeper import SweepReport
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.faulty_store import FaultyStore
from tests.support.hooked_store import HookedStore
from tests.support.recording_store import RecordingStore
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
        contents = lane_contents.read_contents(replica, self.repository.trust, self.first.lane)
        return sweep_plan.plan(contents, give_up, now=LATER)

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
    (second,) = snapshots(lane.repository)
    assert read_back(lane.repository, second) == {"steady": STEADY, "second": SECOND}
    found = check(lane.repository, CheckRequest())  # the retire list says so to everybody
    assert found.errors == ()
    assert [one.text for one in found.findings if one.kind is Kind.RETIRED] == ["given up by a prune: 1 of 2 snapshots"]
    (listing,) = (list_lane(lane.repository, one) for one in list_lanes(lane.repository))
    assert [one.link.manifest.run for one in listing.retired] == [lane.first.run]


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
    young = lane_contents.read_contents(lane.repository.replicas[0], lane.repository.trust, lane.first.lane)
    assert sweep_plan.plan(young, (), now=ManualClock().now()).is_empty or lane.names("/m/000000000003")
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
    lane.back_up("3", third=STEADY[::-1])
    plan = lane.plan(lane.first.run, lane.second.run)
    faulty = FaultyStore(lane.store)
    faulty.plan("delete", StoreUnavailable("gone"), skip=1)
    with pytest.raises(StoreUnavailable):
        lane.execute(plan, store=faulty)
    faulty.assert_all_fired()
    assert check(lane.repository, CheckRequest(retired={lane.first.run, lane.second.run})).errors == ()
    lane.execute(lane.plan(lane.first.run, lane.second.run))
    assert lane.plan(lane.first.run, lane.second.run).is_empty


def test_what_a_repair_put_beside_a_pack_goes_with_it(lane: Lane) -> None:
    for name in sorted(lane.plan(lane.first.run).object_names)[:2]:
        lane.store.put_if_absent(names.alternate(name, 1), b"its good bytes")
    other = next(iter(lane.names("/p/") - set(lane.plan(lane.first.run).object_names)))
    lane.store.put_if_absent(names.alternate(other, 1), b"its good bytes")
    lane.execute(lane.plan(lane.first.run))
    assert list(lane.names("~1")) == [names.alternate(other, 1)]
    assert lane.plan().is_empty


def test_that_the_newest_snapshot_is_given_up_is_an_alarm(lane: Lane) -> None:
    """No prune does that; who has the maintenance key can, so that an older state passes for the latest."""
    lane.execute(lane.plan(lane.second.run))
    (alarm,) = check(lane.repository, CheckRequest()).errors
    assert alarm.kind is Kind.HIDDEN
    assert alarm.snapshots == (str(lane.second.run),)


def held(lane: Lane, run: RunId, *, until: datetime | None = None, stands: bool = True) -> None:
    word = HoldWord(run=run, kind=HoldKind.HOLD, stands=stands, reason="case 12", until=until)
    replica = Replica(name="store0", store=lane.store)
    put_list(
        replica, lane.repository.trust, lane.first.lane, key=HOUSEHOLD.maintainer, clock=ManualClock(), holds=[word]
    )


def test_a_hold_that_came_between_plan_and_sweep_wins(lane: Lane) -> None:
    plan = lane.plan(lane.first.run)
    held(lane, lane.first.run)
    before = lane.names("/p/")
    report = lane.execute(plan)
    assert report.spared == {lane.first.run}
    assert report.deleted == ()
    assert lane.names("/p/") == before
    (first, _) = snapshots(lane.repository)
    assert read_back(lane.repository, first) == {"steady": STEADY, "first": FIRST}


@pytest.mark.parametrize("word", ["released", "ended"])
def test_a_hold_that_is_over_holds_nothing(lane: Lane, word: str) -> None:
    held(lane, lane.first.run, until=EPOCH if word == "ended" else None)
    if word == "released":
        held(lane, lane.first.run, stands=False)
    report = lane.execute(lane.plan(lane.first.run))
    assert report.spared == frozenset()
    assert report.deleted


def test_a_hold_on_what_was_given_up_before_comes_too_late(lane: Lane) -> None:
    lane.execute(lane.plan(lane.first.run))
    held(lane, lane.first.run)
    assert lane.first.run in read_retirement(lane.store, lane.repository.trust, lane.first.lane).retired


class LockedStore(HookedStore):
    """Refuses to delete what somebody locked."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.locked: set[str] = set()

    def delete(self, names: Sequence[str]) -> None:
        self.store.delete([name for name in names if name not in self.locked])
        if self.locked & set(names):
            raise StoreDenied("locked")


def test_what_is_locked_stays_is_told_and_goes_when_the_lock_is_over(lane: Lane) -> None:
    store = LockedStore(lane.store)
    plan = lane.plan(lane.first.run)
    everything = plan.object_names
    store.locked = set(everything[1:3])
    report = lane.execute(plan, store=store)
    assert set(report.refused) == store.locked
    assert set(report.deleted) == set(everything) - store.locked
    again = lane.execute(lane.plan(), store=store)
    assert again.retire_list is None  # it was announced before
    assert set(again.refused) == store.locked
    store.locked = set()
    assert set(lane.execute(lane.plan(), store=store).deleted) == set(report.refused)
    assert lane.plan().is_empty
    assert check(lane.repository, CheckRequest()).errors == ()


def test_who_may_delete_nothing_is_not_asked_once_for_each(lane: Lane) -> None:
    store = LockedStore(lane.store)
    plan = lane.plan(lane.first.run, lane.second.run)
    store.locked = set(plan.object_names)
    recorded = RecordingStore(store)
    report = lane.execute(plan, store=recorded)
    assert set(report.refused) == store.locked
    assert report.deleted == ()
    assert recorded.traffic.requests["delete"] == 1 + 2  # one batch, and its objects one by one


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


# -- a forger with the writer's key


def forged_list(lane: Lane, run: RunId) -> None:
    """A list of a run that never was, which names every pack of the lane."""
    packs = tuple(
        ListedPack(digest, stat.size_bytes)
        for stat in lane.store.list_objects(names.packs_prefix(lane.first.lane))
        if (digest := names.pack_digest(stat.name)) is not None
    )
    raw = PackList(run=run, packs=packs).sign(
        repository=lane.repository.trust.repository,
        lane=lane.first.lane,
        made_at=EPOCH,
        key=HOUSEHOLD.host.signing_key(),
    )
    lane.store.put_if_absent(names.pack_list(lane.first.lane, run), raw)


def test_a_forged_pack_list_makes_nothing_go_that_a_snapshot_needs(lane: Lane) -> None:
    forged_list(lane, RunId(b"\x07" * 16))
    before = lane.names("/p/")
    assert set(lane.execute(lane.plan()).deleted) == set()
    assert lane.names("/p/") == before
    lane.execute(lane.plan(lane.first.run))
    (second,) = snapshots(lane.repository)
    assert read_back(lane.repository, second) == {"steady": STEADY, "second": SECOND}
    assert lane.names("/p/") < before  # what only the first needed went all the same


def test_nor_where_the_true_list_is_gone(lane: Lane) -> None:
    forged_list(lane, RunId(b"\x07" * 16))
    lane.store.delete([names.pack_list(lane.first.lane, lane.second.run)])
    before = lane.names("/p/")
    lane.execute(lane.plan())
    assert lane.names("/p/") == before


def test_a_snapshot_that_comes_meanwhile_keeps_packs_that_a_forged_list_names_too(lane: Lane) -> None:
    forged_list(lane, RunId(b"\x07" * 16))
    plan = lane.plan(lane.first.run)  # what the first alone needs stands in two lists
    late = lane.back_up("late", first=FIRST)
    report = lane.execute(plan)
    assert report.kept
    listed = {one.link.manifest.run: one for one in snapshots(lane.repository)}
    assert read_back(lane.repository, listed[late.run]) == {"first": FIRST}


def revoke(lane: Lane) -> Repository:
    """The writer's key was stolen; its lane counts up to the second snapshot."""
    first = lane.repository.trust.last
    (raw,) = (lane.store.read("trust/0", limit_bytes=2**20),)
    key_id = HOUSEHOLD.host.signing_key().key_id
    record = replace(
        first,
        number=1,
        previous=digest_of(raw),
        signers=tuple(one for one in first.signers if one.public.key_id != key_id),
        revocations=(
            Revocation(key_id, {lane.first.lane: TrustHead(lane.second.sequence, lane.second.manifest_digest)}),
        ),
    )
    lane.store.put_if_absent("trust/1", record.sign([HOUSEHOLD.root], EPOCH))
    return open_repository([Replica(name="store0", store=lane.store)], digest_of(raw).raw)


def test_the_lane_of_a_revoked_writer_is_pruned_and_what_the_thief_signed_counts_for_nothing(lane: Lane) -> None:
    thief = lane.back_up("thief", first=FIRST)  # a manifest behind the last good one, that needs what is to go
    forged_list(lane, RunId(b"\x07" * 16))
    lane.repository = revoke(lane)
    lane.execute(lane.plan(lane.first.run))
    (second,) = snapshots(lane.repository)
    assert second.link.manifest.run == lane.second.run != thief.run
    assert read_back(lane.repository, second) == {"steady": STEADY, "second": SECOND}
    assert lane.plan(lane.first.run).newly == frozenset()
    assert not any("/p/" in name for name in lane.plan(lane.first.run).object_names)

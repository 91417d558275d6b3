"""Locks of a lane: what is extended and when, what a writer relies on, what a sweep leaves alone, what verify says."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from drorch.errors import StoreDenied
from drorch.format import names
from drorch.policy.locks import QUANTUM, SLACK, LockRule
from drorch.repository import lane_contents, packing, segments, sweep_plan, sweeper
from drorch.repository.checker import CheckRequest, check
from drorch.repository.findings import Kind
from drorch.repository.locking import ExtendedLane, LaneLocks, extend_beside_lanes, extend_lane, known_end
from drorch.repository.opening import Replica, Repository
from drorch.repository.retirement import read_retirement
from drorch.repository.run_parts import CommittedSnapshot
from drorch.storage.memory import MemoryStore
from tests.support.histories import SetClock
from tests.support.recording_store import RecordingStore
from tests.support.repositories import EPOCH, Household, back_up, counting_random, read_back, snapshots

HOUSEHOLD = Household()
DAY = timedelta(days=1)
RULE = LockRule(seconds=35 * 86_400)
STEADY, MORE = (random.Random(number).randbytes(90_000) for number in range(2))


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PACK_TARGET_BYTES", 80_000)
    monkeypatch.setattr(segments, "SEGMENT_PACKS", 1)


class Lane:
    """A store that locks, and a writer; both go by one clock."""

    def __init__(self) -> None:
        self.clock = SetClock(EPOCH)
        self.memory = MemoryStore(self.clock, lock=RULE)
        self.store = RecordingStore(self.memory)
        self.repository = self.locking(HOUSEHOLD.create(self.store))
        self.replica = self.repository.replicas[0]
        self.first = self.back_up("1", steady=STEADY)

    def locking(self, repository: Repository) -> Repository:
        replicas = tuple(Replica(name=one.name, store=one.store, lock=RULE) for one in repository.replicas)
        return Repository(trust=repository.trust, replicas=replicas)

    def back_up(self, label: str, **streams: bytes) -> CommittedSnapshot:
        return back_up(self.repository, streams, clock=self.clock, random_bytes=counting_random(label))

    def extend(self) -> ExtendedLane:
        return extend_lane(
            self.replica,
            self.repository.trust,
            self.first.lane,
            key=HOUSEHOLD.maintainer,
            clock=self.clock,
            now=self.clock.time,
        )

    def packs(self) -> set[str]:
        return {stat.name for stat in self.memory.list_objects(names.packs_prefix(self.first.lane))}

    def findings(self, kind: Kind) -> list[str]:
        return [one.name for one in check(self.repository, CheckRequest()).findings if one.kind is kind]


@pytest.fixture
def lane() -> Lane:
    return Lane()


def test_a_snapshot_says_until_when_all_that_it_needs_is_locked(lane: Lane) -> None:
    assert abs(lane.first.locked_until["store0"] - EPOCH - timedelta(seconds=RULE.seconds)) < timedelta(minutes=1)
    ends = [lane.memory.locked_until(name) for name in lane.packs()]
    assert all(end is not None and end >= lane.first.locked_until["store0"] for end in ends)


def test_nothing_is_due_for_fifty_days_and_then_everything_at_once(lane: Lane) -> None:
    lane.clock.time += QUANTUM - DAY
    assert lane.extend() == ExtendedLane(objects=0)
    assert lane.findings(Kind.LOCK) == []
    lane.clock.time += 2 * DAY
    done = lane.extend()
    stays = {stat.name for stat in LaneLocks(lane.replica, lane.repository.trust, lane.first.lane).objects()}
    assert done.objects == len(stays) - 1  # the list itself is new
    assert done.until == RULE.at_put(lane.clock.time)
    assert all(lane.memory.locked_until(name) == done.until for name in lane.packs())
    assert not any(names.is_index_segment(name) for name in stays)


def test_an_extension_is_asked_of_the_store_once_in_sixty_days(lane: Lane) -> None:
    lane.clock.time += QUANTUM + DAY
    lane.extend()
    before = lane.store.traffic
    for _ in range(int(QUANTUM / DAY) - 1):
        lane.clock.time += DAY
        assert lane.extend().objects == 0
    asked = lane.store.traffic.since(before).requests
    assert "extend_lock" not in asked
    assert "locked_until" not in asked
    lane.clock.time += 2 * DAY
    assert lane.extend().objects > 0


def test_a_writer_declines_packs_whose_lock_is_too_short_and_takes_those_that_were_extended(lane: Lane) -> None:
    lane.clock.time += QUANTUM + SLACK + DAY
    before = lane.packs()
    extended = Lane()
    theirs = extended.packs()
    extended.clock.time = lane.clock.time - 2 * DAY
    extended.extend()
    extended.clock.time = lane.clock.time
    lane.back_up("late", steady=STEADY)
    extended.back_up("late", steady=STEADY)
    assert len(lane.packs() - before) >= 2  # all stored afresh
    assert extended.packs() == theirs
    for one in (lane, extended):
        newest = snapshots(one.repository)[-1]
        assert read_back(one.repository, newest) == {"steady": STEADY}


def test_what_an_extension_says_is_true_of_everything_as_old(lane: Lane) -> None:
    for day in (10, 20, 20, 30, 40, 60, 60):
        lane.clock.time += day * DAY
        lane.back_up(
            f"day {lane.clock.time}", steady=STEADY, more=random.Random(str(lane.clock.time)).randbytes(50_000)
        )
        lane.extend()
        extend_beside_lanes(lane.replica, now=lane.clock.time, only_count=False)
        said = read_retirement(lane.memory, lane.repository.trust, lane.first.lane).extensions
        for stat in LaneLocks(lane.replica, lane.repository.trust, lane.first.lane).objects():
            end = lane.memory.locked_until(stat.name)
            assert end is not None
            assert end + timedelta(seconds=1) >= known_end(RULE, stat.stored_at, said)
            assert not RULE.is_short(end, lane.clock.time)
        assert lane.findings(Kind.LOCK) == []


def test_what_a_prune_let_go_is_not_extended_and_goes_when_its_lock_ends(lane: Lane) -> None:
    lane.clock.time += 10 * DAY
    lane.back_up("2", more=MORE)
    lane.clock.time += 10 * DAY
    contents = lane_contents.read_contents(lane.replica, lane.repository.trust, lane.first.lane)
    plan = sweep_plan.plan(contents, [lane.first.run], now=lane.clock.time)
    refused = sweeper.execute(plan, lane.replica, lane.repository.trust, key=HOUSEHOLD.maintainer, clock=lane.clock)
    assert set(refused.refused) == set(plan.object_names)
    lane.clock.time += 50 * DAY
    assert lane.extend().objects > 0
    for name in plan.object_names:
        end = lane.memory.locked_until(name)
        assert end is not None
        assert end < EPOCH + timedelta(seconds=RULE.seconds) + QUANTUM + SLACK + DAY
    lane.clock.time = EPOCH + timedelta(seconds=RULE.seconds) + QUANTUM + SLACK + 2 * DAY
    contents = lane_contents.read_contents(lane.replica, lane.repository.trust, lane.first.lane)
    again = sweep_plan.plan(contents, (), now=lane.clock.time)
    done = sweeper.execute(again, lane.replica, lane.repository.trust, key=HOUSEHOLD.maintainer, clock=lane.clock)
    assert done.refused == ()
    assert {name for name in plan.object_names if "/p/" in name} <= set(done.deleted)
    (left,) = snapshots(lane.repository)
    assert read_back(lane.repository, left) == {"more": MORE}


def test_verify_says_which_locks_end_too_early(lane: Lane) -> None:
    lane.clock.time += QUANTUM + SLACK + 2 * DAY
    short = lane.findings(Kind.LOCK)
    assert lane.packs() <= set(short)
    assert "trust/0" in short
    report = check(lane.repository, CheckRequest())
    assert report.exit_code != 0
    assert report.harmed == ()  # nothing is lost yet


def test_a_locked_object_cannot_be_deleted_by_anybody(lane: Lane) -> None:
    with pytest.raises(StoreDenied):
        lane.memory.delete(sorted(lane.packs()))
    assert check(lane.repository, CheckRequest()).errors == ()

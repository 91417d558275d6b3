"""A repository against a model: backups, lost and shrinking caches, crashes and sweeps in any order; every listed snapshot reads back equal.

Streams are edited in place, so chunks are new, known, or deltas against what an earlier run of any fate has left.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from drorch.ids import LaneId, RunId
from drorch.repository import lane_contents, packing, segments, sweep_plan, sweeper
from drorch.repository.checker import CheckRequest, check
from drorch.repository.data_checker import Depth
from drorch.repository.opening import Replica, Repository
from drorch.storage.memory import MemoryStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.repositories import Household, ManualClock, back_up, counting_random, read_back, snapshots

HOUSEHOLD = Household()
Streams = dict[str, bytes]
ROOMS = st.sampled_from([10**9, 150_000, 0])  # for bases: all, some, none; hypothesis likes the first
SIZES = st.sampled_from([0, 1, 100, 65_535, 65_536, 70_000, 200_000])


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


class RepositoryMachine(RuleBasedStateMachine):
    """``model`` is what must be readable; ``streams`` is the database that changes."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="drorch-property-"))
        self.store = MemoryStore(ManualClock())
        self.repository = HOUSEHOLD.create(self.store)
        self.model: dict[RunId, Streams] = {}
        self.given_up: set[RunId] = set()
        self.maybe: dict[int, Streams] = {}
        self.lane: LaneId | None = None
        self.runs = 0
        self.met: Counter[str] = Counter()
        self.streams: Streams = {}
        self.patches = [
            patch.object(packing, "PACK_TARGET_BYTES", 60_000),
            patch.object(segments, "SEGMENT_PACKS", 1),
        ]
        for one in self.patches:
            one.start()

    def teardown(self) -> None:
        for one in self.patches:
            one.stop()
        shutil.rmtree(self.directory)

    @initialize(size=SIZES)
    def first_stream(self, size: int) -> None:
        self.streams = {"schema": b"create", "table/0": noise(0, 200_000), "table/1": noise(1, size)}

    # -- the database changes

    @rule(number=st.integers(0, 3), size=SIZES, seed=st.integers(0, 5))
    def write_stream(self, number: int, size: int, seed: int) -> None:
        self.streams = {**self.streams, f"table/{number}": noise(seed, size)}

    @rule(number=st.integers(0, 3), at=st.floats(0, 1), insert=st.binary(max_size=20))
    def edit_stream(self, number: int, at: float, insert: bytes) -> None:
        self.streams = {**self.streams, **self.edited(self.tables()[number % len(self.tables())], at, insert)}

    def tables(self) -> list[str]:
        return sorted(name for name in self.streams if name.startswith("table/"))

    def edited(self, name: str, at: float, insert: bytes) -> Streams:
        old = self.streams[name]
        position = int(at * len(old))
        return {name: old[:position] + insert + old[position + 3 :]}

    # -- runs

    @rule(at=st.floats(0, 1), insert=st.binary(max_size=20), room=ROOMS)
    def pass_a_day(self, at: float, insert: bytes, room: int) -> None:
        """A little changes in every table, and is backed up: what deltas are for."""
        for name in self.tables():
            self.streams = {**self.streams, **self.edited(name, at, insert)}
        self.back_up(room=room)

    def random_bytes(self) -> object:
        self.runs += 1
        return counting_random(f"run {self.runs}")

    @rule(room=ROOMS)
    def back_up(self, room: int) -> None:
        made = back_up(
            self.repository,
            self.streams,
            cache=self.directory,
            base_limit_bytes=room,
            random_bytes=self.random_bytes(),  # type: ignore[arg-type]
        )
        self.met["runs with deltas"] += made.totals.delta_chunks > 0
        self.met["runs that missed a base"] += made.totals.missed_bytes > 0
        self.model[made.run] = self.streams
        self.lane = made.lane

    @rule(survives=st.integers(0, 60), applies_last=st.booleans(), room=ROOMS)
    def crash(self, survives: int, applies_last: bool, room: int) -> None:  # noqa: FBT001 - hypothesis names it
        store = CrashStore(self.store, survives_calls=survives, applies_last=applies_last)
        dying = Repository(trust=self.repository.trust, replicas=(Replica(name="store0", store=store),))
        before = {one.link.manifest.run for one in snapshots(self.repository)}
        try:
            made = back_up(
                dying,
                self.streams,
                cache=self.directory,
                base_limit_bytes=room,
                random_bytes=self.random_bytes(),  # type: ignore[arg-type]
            )
        except Crashed:
            came = {one.link.manifest.run for one in snapshots(self.repository)} - before
            assert len(came) <= 1
            self.model |= dict.fromkeys(came, self.streams)
        else:
            self.model[made.run] = self.streams
            self.lane = made.lane

    @rule()
    def lose_the_cache(self) -> None:
        shutil.rmtree(self.directory)
        self.directory.mkdir()

    @precondition(lambda self: self.lane is not None and len(self.model) > 1)
    @rule(choice=st.randoms(use_true_random=False))
    def sweep(self, choice: random.Random) -> None:
        assert self.lane is not None
        newest = snapshots(self.repository)[-1].link.manifest.run
        give_up = choice.choice(sorted(self.model.keys() - {newest}))  # no prune gives up the newest
        replica = self.repository.replicas[0]
        contents = lane_contents.read_contents(replica, self.repository.trust, self.lane)
        later = ManualClock().now() + timedelta(days=100)
        plan = sweep_plan.plan(contents, {give_up, *self.given_up}, now=later)
        report = sweeper.execute(plan, replica, self.repository.trust, key=HOUSEHOLD.maintainer, clock=ManualClock())
        self.met["sweeps that deleted"] += bool(report.deleted)
        del self.model[give_up]
        self.given_up.add(give_up)

    # -- what always holds

    @invariant()
    def every_snapshot_reads_back_equal(self) -> None:
        listed = {one.link.manifest.run: one for one in snapshots(self.repository)}
        assert listed.keys() == self.model.keys()
        for run, streams in self.model.items():
            assert read_back(self.repository, listed[run]) == streams

    @invariant()
    def a_check_finds_nothing_and_needs_are_what_the_trees_use(self) -> None:
        depth = Depth(recipients=(HOUSEHOLD.custodian,))
        report = check(self.repository, CheckRequest(depth=depth, retired=self.given_up))
        assert report.errors == ()


TestRepository = RepositoryMachine.TestCase
TestRepository.settings = settings(max_examples=9, stateful_step_count=12, deadline=None)


def test_one_walk_that_meets_everything() -> None:
    """The same walk every time: what chance may leave out (deltas, bases that had to go, packs that died) is met together."""
    machine, dice = RepositoryMachine(), random.Random(12)
    try:
        machine.first_stream(70_000)
        for step in range(15):
            machine.pass_a_day(dice.random(), dice.randbytes(9), 10**9 if step < 8 else 150_000)
            if step in (4, 9):
                machine.crash(survives=dice.randrange(20, 40), applies_last=step == 9, room=10**9)
            if step % 3 == 2:
                machine.sweep(dice)
                machine.every_snapshot_reads_back_equal()
        machine.a_check_finds_nothing_and_needs_are_what_the_trees_use()
        assert machine.met["runs with deltas"] > 5, machine.met
        assert machine.met["runs that missed a base"], machine.met
        assert machine.met["sweeps that deleted"], machine.met
    finally:
        machine.teardown()

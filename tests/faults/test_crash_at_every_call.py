"""The run dies, or a store fails, at store call n, for every n: what was committed stays, the new one is whole or absent."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from drorch.errors import DrorchError, StoreFull, StoreUnavailable
from drorch.ids import RunId
from drorch.operations.choose import choose
from drorch.repository import packing, segments
from drorch.repository.checker import CheckRequest, check
from drorch.repository.opening import Replica, Repository
from drorch.storage.filesystem import FilesystemStore
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from drorch.storage.retrying import RetryingStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.faulty_store import FaultyStore
from tests.support.hooked_store import HookedStore
from tests.support.register import Register
from tests.support.repositories import EPOCH, Household, ManualClock, back_up, counting_random, read_back, snapshots

HOUSEHOLD = Household()
pytestmark = pytest.mark.timeout(120)


def streams(day: int) -> dict[str, bytes]:
    steady, new = random.Random(0).randbytes(100_000), random.Random(day).randbytes(200_000)
    return {
        "schema": b"create",
        "table/steady": steady,
        "table/new": new,
        "table/empty": b"",
        "table/small": b"%d" % day,
    }


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """More packs, each with an index segment of its own: more places to die at."""
    monkeypatch.setattr(packing, "PACK_TARGET_BYTES", 80_000)
    monkeypatch.setattr(segments, "SEGMENT_PACKS", 1)


@dataclass(frozen=True)
class Base:
    """A repository with one snapshot, copied for each try."""

    objects: dict[str, bytes]
    repository: Repository
    first: RunId

    def on(self, *stores: ObjectStore) -> Repository:
        replicas = tuple(Replica(name=f"store{number}", store=store) for number, store in enumerate(stores))
        return Repository(trust=self.repository.trust, replicas=replicas)

    def fill(self, store: ObjectStore) -> ObjectStore:
        for name, content in self.objects.items():
            store.put_if_absent(name, content)
        return store

    def memory(self) -> ObjectStore:
        return self.fill(MemoryStore(ManualClock()))


@pytest.fixture(scope="module")
def base() -> Base:
    store = MemoryStore(ManualClock())
    repository = HOUSEHOLD.create(store)
    made = back_up(repository, streams(1), random_bytes=counting_random("first"))
    objects = {stat.name: store.read(stat.name, limit_bytes=10**8) for stat in store.list_objects("")}
    return Base(objects, repository, made.run)


Fresh = Callable[[], ObjectStore]


@pytest.fixture(params=["memory", "filesystem"])
def fresh(request: pytest.FixtureRequest, base: Base, tmp_path: Path) -> Iterator[Fresh]:
    """Make stores that hold the base; the directories are small and gone at the end."""
    directories: list[Path] = []

    def make() -> ObjectStore:
        if request.param == "memory":
            return base.memory()
        if not directories:
            (tmp_path / "base").mkdir()
            base.fill(FilesystemStore(tmp_path / "base"))
        directory = tmp_path / f"store{len(directories)}"
        shutil.copytree(tmp_path / "base", directory)
        directories.append(directory)
        return FilesystemStore(directory)

    yield make
    for directory in directories:
        shutil.rmtree(directory)


def contents(repository: Repository) -> dict[RunId, dict[str, bytes]]:
    return {one.link.manifest.run: read_back(repository, one) for one in snapshots(repository)}


def assert_sound(repository: Repository, base: Base, second: dict[str, bytes]) -> int:
    """The first snapshot is as it was, others are whole; return how many others there are."""
    found = contents(repository)
    assert found.pop(base.first) == streams(1)
    assert all(content == second for content in found.values())
    report = check(repository, CheckRequest())
    assert report.errors == ()
    return len(found)


@pytest.mark.parametrize("applies_last", [False, True], ids=["before the call", "its answer is lost"])
def test_the_run_dies_at_every_store_call(base: Base, fresh: Fresh, applies_last: object, tmp_path: Path) -> None:
    outcomes, reused = [], []
    for survives in range(100):
        store = fresh()
        crashing = CrashStore(store, survives_calls=survives, applies_last=bool(applies_last))
        try:
            back_up(
                base.on(crashing), streams(2), random_bytes=counting_random("second"), cache=tmp_path / f"{survives}"
            )
        except Crashed:
            assert crashing.has_crashed
        else:
            assert not crashing.has_crashed
            break
        outcomes.append(assert_sound(base.on(store), base, streams(2)))
        again = back_up(
            base.on(store), streams(2), random_bytes=counting_random("third"), cache=tmp_path / f"{survives}"
        )
        assert again.sequence in (2, 3)
        assert assert_sound(base.on(store), base, streams(2)) == outcomes[-1] + 1
        reused.append(again.totals.new_bytes)
    else:
        pytest.fail("the run makes more than 100 calls")
    assert len(outcomes) > 15
    assert set(outcomes) == ({0, 1} if applies_last else {0})
    assert min(reused) == 0  # what the dead run had uploaded is used


def test_the_run_dies_at_every_store_call_while_it_stores_deltas(tmp_path: Path) -> None:
    registers = [Register(2_000), Register(2_000)]
    registers[1].update()
    days = [{"schema": b"create", "table/parcel": register.stream()} for register in registers]
    store = MemoryStore(ManualClock())
    repository = HOUSEHOLD.create(store)
    first = back_up(
        repository, days[0], cache=tmp_path / "first", base_limit_bytes=10**9, random_bytes=counting_random("first")
    )
    objects = {stat.name: store.read(stat.name, limit_bytes=10**8) for stat in store.list_objects("")}
    base = Base(objects, repository, first.run)
    deltas, deaths = [], 0
    for survives in range(100):
        cache = tmp_path / f"{survives}"
        shutil.copytree(tmp_path / "first", cache)
        fresh = base.memory()
        run = partial(back_up, streams=days[1], cache=cache, base_limit_bytes=10**9)
        try:
            run(base.on(CrashStore(fresh, survives_calls=survives)), random_bytes=counting_random("second"))
        except Crashed:
            deaths += 1
        else:
            break
        again = run(base.on(fresh), random_bytes=counting_random("third"))
        deltas.append(again.totals.delta_chunks)
        assert contents(base.on(fresh)) == {first.run: days[0], again.run: days[1]}
        assert again.totals.new_bytes < 1_000, "what the dead run left is used, or made again"
        assert check(base.on(fresh), CheckRequest()).errors == ()
    assert deaths > 8
    assert max(deltas) > 0


class DyingStore(HookedStore):
    """A store that is gone for good from its n-th call on."""

    def __init__(self, store: ObjectStore, survives_calls: int, error: DrorchError) -> None:
        super().__init__(store)
        self.left = survives_calls
        self.error = error
        self.refused = 0

    def around(self, verb: str, name: str, call: Callable[[], object]) -> object:  # type: ignore[override]
        self.left -= 1
        if self.left < 0:
            self.refused += 1
            raise self.error
        return call()


@pytest.mark.parametrize("dying", [0, 1], ids=["the first store", "the second store"])
@pytest.mark.parametrize("error", [StoreUnavailable("gone"), StoreFull("no room")], ids=["gone", "full"])
def test_one_of_two_stores_fails_for_good_at_every_call(base: Base, dying: int, error: DrorchError) -> None:
    counted = 0
    for survives in range(100):
        stores = [base.memory(), base.memory()]
        failing = DyingStore(stores[dying], survives, error)
        pair: list[ObjectStore] = [failing if number == dying else store for number, store in enumerate(stores)]
        made = back_up(base.on(*pair), streams(2), random_bytes=counting_random("second"))
        if not failing.refused:
            assert made.copies == ("store0", "store1")
            break
        counted += 1
        assert made.copies == (f"store{1 - dying}",)
        assert {name: type(reason) for name, reason in made.dropped.items()} == {f"store{dying}": type(error)}
        assert assert_sound(base.on(stores[1 - dying]), base, streams(2)) == 1
        assert assert_sound(base.on(stores[dying]), base, streams(2)) in (0, 1)
        back_up(base.on(*stores), streams(2), random_bytes=counting_random("third"))
        assert assert_sound(base.on(*stores), base, streams(2)) == 2
    assert counted > 15


def test_an_answer_that_is_lost_at_every_put_commits_exactly_once(base: Base) -> None:
    puts = 0
    for skip in range(100):
        store = base.memory()
        faulty = FaultyStore(store)
        fault = faulty.plan("put", StoreUnavailable("connection reset"), after=True, skip=skip)
        retrying = RetryingStore(faulty, clock=ManualClock(), random_fraction=lambda: 0.5)
        made = back_up(base.on(retrying), streams(2), random_bytes=counting_random("second"))
        if not fault.fired:
            break
        puts += 1
        assert made.sequence == 2
        found = contents(base.on(store))
        assert found == {base.first: streams(1), made.run: streams(2)}
        assert assert_sound(base.on(store), base, streams(2)) == 1
    assert puts > 8


def test_an_answer_that_is_lost_for_good_leaves_a_whole_snapshot_or_none(base: Base) -> None:
    """The commit alone is asked for: it decides what is told."""
    told = []
    for skip in range(100):
        store = base.memory()
        faulty = FaultyStore(store)
        fault = faulty.plan("put", StoreUnavailable("connection reset"), after=True, skip=skip)
        try:
            back_up(base.on(faulty), streams(2), random_bytes=counting_random("second"))
        except StoreUnavailable:
            assert fault.fired
            told.append(0)
        else:
            if not fault.fired:
                break
            told.append(1)
        assert assert_sound(base.on(store), base, streams(2)) == told[-1]
        back_up(base.on(store), streams(2), random_bytes=counting_random("third"))
    assert told == [0] * (len(told) - 1) + [1]


def test_a_store_that_falls_silent_at_the_commit_is_not_said_to_hold_nothing(base: Base) -> None:
    outcomes = set()
    for applied in (True, False):
        store = base.memory()
        faulty = FaultyStore(store)
        faulty.plan("put", StoreUnavailable("connection reset"), after=applied, name_part=".c")
        faulty.plan("read", StoreUnavailable("connection reset"), name_part="000000000002.c", skip=1)
        with pytest.raises(StoreUnavailable) as refused:
            back_up(base.on(faulty), streams(2), random_bytes=counting_random("second"))
        assert "whether the snapshot counts there is not known" in refused.value.still_good
        outcomes.add(assert_sound(base.on(store), base, streams(2)))
    assert outcomes == {0, 1}


def test_an_upload_that_fails_in_the_background_ends_the_run(base: Base) -> None:
    """The disk of the store fills up while packs are on their way; no thread is left, and nothing of the run counts."""
    big = {"table/big": random.Random(5).randbytes(6_000_000)}
    failures = 0
    for skip in range(20):
        store = base.memory()
        faulty = FaultyStore(store)
        fault = faulty.plan("put", StoreFull("no space left on device"), name_part="/p/", skip=skip)
        try:
            back_up(base.on(faulty), big, random_bytes=counting_random("second"))
        except StoreFull:
            assert fault.fired == 1
        else:
            assert not fault.fired
            break
        failures += 1
        assert assert_sound(base.on(store), base, big) == 0
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("upload", "seal"))]
    assert failures > 3


@pytest.mark.parametrize("years", [-1, 1])
def test_a_clock_that_is_a_year_wrong_changes_recorded_times_only(base: Base, years: int) -> None:
    store = base.memory()
    wrong = ManualClock(EPOCH + timedelta(days=365 * years))
    second = back_up(base.on(store), streams(2), random_bytes=counting_random("second"), clock=wrong)
    third = back_up(base.on(store), streams(3), random_bytes=counting_random("third"))
    assert [made.sequence for made in (second, third)] == [2, 3]
    assert contents(base.on(store)) == {base.first: streams(1), second.run: streams(2), third.run: streams(3)}
    assert check(base.on(store), CheckRequest()).errors == ()
    assert choose(base.on(store), "latest:land").link.manifest.run == third.run

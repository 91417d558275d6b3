"""A store that was away catches up: whole, in an order that may be cut anywhere, and never over another history."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from drorch.errors import ChainBroken, DrorchError, ObjectConflict, RunVoided, StoreUnavailable
from drorch.format import names
from drorch.format.objects import ObjectType
from drorch.ids import RunId
from drorch.repository import packing, segments
from drorch.repository.checker import CheckRequest, check
from drorch.repository.copier import catch_up
from drorch.repository.copy_report import CopyReport
from drorch.repository.opening import Replica, Repository
from drorch.repository.retirement import put_list
from drorch.storage.filesystem import FilesystemStore
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.faulty_store import FaultyStore
from tests.support.pack_sets import sign_pack_sets
from tests.support.repositories import (
    EPOCH,
    Household,
    ManualClock,
    back_up,
    counting_random,
    read_back,
    snapshots,
)

HOUSEHOLD = Household()


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """More packs, and an index segment for each."""
    monkeypatch.setattr(packing, "PACK_TARGET_BYTES", 80_000)
    monkeypatch.setattr(segments, "SEGMENT_PACKS", 1)


def streams(day: int) -> dict[str, bytes]:
    steady, new = random.Random(0).randbytes(100_000), random.Random(day).randbytes(200_000)
    return {"schema": b"create", "table/steady": steady, "table/new": new}


def memory() -> MemoryStore:
    return MemoryStore(ManualClock())


def opened(repository: Repository, *stores: ObjectStore) -> Repository:
    """Return the repository as these stores hold it, the names as they were made."""
    replicas = tuple(Replica(name=f"store{number}", store=store) for number, store in enumerate(stores))
    return Repository(trust=repository.trust, replicas=replicas)


def objects(store: ObjectStore) -> dict[str, bytes]:
    return {stat.name: store.read(stat.name, limit_bytes=10**8) for stat in store.list_objects("")}


def copied(repository: Repository, here: ObjectStore, there: ObjectStore, **options: object) -> CopyReport:
    source, target = Replica(name="here", store=here), Replica(name="there", store=there)
    return catch_up([source], target, repository.trust, **options)  # type: ignore[arg-type]


def day(repository: Repository, number: int, source: str = "land") -> RunId:
    return back_up(repository, streams(number), source=source, random_bytes=counting_random(f"{source} {number}")).run


def away(here: ObjectStore, there: ObjectStore) -> Repository:
    """Return a repository in two stores of which the second misses three snapshots of one lane and all of another."""
    both = HOUSEHOLD.create(here, there)
    day(both, 1)
    alone = opened(both, here)
    for number in (2, 3, 4):
        day(alone, number)
    day(alone, 5, source="civil")
    return both


def memory_pair(_tmp: Path) -> tuple[ObjectStore, ObjectStore]:
    return memory(), memory()


def directories(tmp: Path) -> tuple[ObjectStore, ObjectStore]:
    for name in ("here", "there"):
        (tmp / name).mkdir()
    return FilesystemStore(tmp / "here"), FilesystemStore(tmp / "there")


@pytest.mark.parametrize("stores", [memory_pair, directories])
def test_the_store_holds_the_same_afterwards_and_takes_part_again(
    stores: Callable[[Path], tuple[ObjectStore, ObjectStore]], tmp_path: Path
) -> None:
    here, there = stores(tmp_path)
    repository = away(here, there)
    assert set(back_up(repository, streams(6), random_bytes=counting_random("six")).dropped) == {"store1"}
    seen: list[int] = []
    report = copied(repository, here, there, progress=seen.append)
    assert [one.link.manifest.source for one in report.snapshots].count("land") == 4
    assert all(one.is_whole for one in report.snapshots)
    assert (len(report.snapshots), report.problems, report.voided) == (5, (), ())
    assert objects(there) == objects(here)
    assert (sum(seen), len(seen)) == (report.bytes, report.objects)
    assert sorted(head.sequence for head in report.heads.values()) == [1, 5]
    for snapshot in snapshots(opened(repository, there)):
        assert read_back(opened(repository, there), snapshot)
    assert check(opened(repository, there), CheckRequest()).findings == ()
    again = back_up(repository, streams(7), random_bytes=counting_random("seven"))
    assert (set(again.copies), again.dropped) == ({"store0", "store1"}, {})
    assert again.totals.known_bytes > 0  # what was copied counts as present: it is not stored again


def test_a_second_copy_puts_nothing() -> None:
    here, there = memory(), memory()
    repository = away(here, there)
    copied(repository, here, there)
    watched = CrashStore(there, survives_calls=10**9)
    report = copied(repository, here, watched)
    assert report.snapshots == ()
    assert [name for verb, name in watched.calls if verb == "put" and not name.startswith("trust/")] == []


def test_a_commit_comes_last_and_packs_before_what_names_them() -> None:
    here, there = memory(), memory()
    repository = away(here, there)
    watched = CrashStore(there, survives_calls=10**9)
    copied(repository, here, watched)
    kinds = [name.split("/")[2] for verb, name in watched.calls if verb == "put" and name.startswith("l/")]
    kinds = [
        f"{kind}{'c' if name.endswith('.c') else ''}"
        for kind, name in zip(
            kinds, [name for verb, name in watched.calls if verb == "put" and name.startswith("l/")], strict=True
        )
    ]
    order = {"r": 0, "p": 1, "q": 2, "x": 3, "m": 4, "mc": 5}
    runs = "".join(str(order[kind]) for kind in kinds).split("5")[:-1]
    assert len(runs) == 4
    assert all(list(one) == sorted(one) and one[0] == "0" for one in runs)


@pytest.mark.parametrize("applies_last", [False, True])
def test_it_may_be_killed_at_every_call_and_goes_on(applies_last: bool) -> None:  # noqa: FBT001
    here = memory()
    repository = away(here, memory())
    whole = objects(here)
    first = opened(repository, here)
    begun = {name: raw for name, raw in whole.items() if name.startswith("trust/")}
    calls, number = 10**9, 0
    while number < calls:
        there = memory()
        for name, raw in begun.items():
            there.put_if_absent(name, raw)
        dying = CrashStore(there, survives_calls=number, applies_last=applies_last)
        try:
            copied(repository, here, dying)
            calls = len(dying.calls)
        except Crashed:
            pass
        for snapshot in snapshots(opened(repository, there)):  # whatever is committed can be read
            assert read_back(opened(repository, there), snapshot) == read_back(first, snapshot)
        copied(repository, here, there)
        assert objects(there) == whole
        number += 1 if number < 12 else 7
    assert number > 60


@pytest.mark.parametrize("part", ["/p/", "/m/", "/r/", "/q/"])
def test_a_store_that_stops_answering_ends_it_and_the_rest_follows(part: str) -> None:
    here, there = memory(), memory()
    repository = away(here, there)
    faulty = FaultyStore(there)
    faulty.plan("put", StoreUnavailable("gone"), name_part=part, skip=1)
    with pytest.raises(StoreUnavailable):
        copied(repository, here, faulty)
    assert copied(repository, here, there).problems == ()
    assert objects(there) == objects(here)


def largest_new_pack(here: ObjectStore, there: ObjectStore) -> str:
    fresh = {name: raw for name, raw in objects(here).items() if "/p/" in name and name not in objects(there)}
    return max(fresh, key=lambda name: (len(fresh[name]), name))


@pytest.mark.parametrize("damage", ["altered", "gone"])
def test_a_pack_that_is_good_nowhere_is_named_and_the_rest_is_copied(damage: str) -> None:
    here, there = memory(), memory()
    repository = away(here, there)
    name = largest_new_pack(here, there)
    raw = here.read(name, limit_bytes=10**8)
    here.delete([name])
    if damage == "altered":
        here.put_if_absent(name, raw[:-1] + bytes([raw[-1] ^ 1]))
    report = copied(repository, here, there)
    assert [problem.name for problem in report.problems] == [name]
    assert [one.is_whole for one in report.snapshots].count(False) >= 1
    assert [one.is_whole for one in report.snapshots].count(True) >= 1
    assert name not in objects(there)
    assert {one for one in objects(here) if one not in objects(there)} <= {name}
    again = back_up(repository, streams(8), random_bytes=counting_random("eight"))
    assert set(again.copies) == {"store0", "store1"}
    lost = [one.link.manifest.run for one in report.snapshots if not one.is_whole]
    here.delete([name])
    here.put_if_absent(name, raw)  # the disk was mended: looked at again, the store becomes whole
    mended = copied(repository, here, there, doubtful=lost)
    assert (mended.problems, [one.is_whole for one in mended.snapshots]) == ((), [True] * len(lost))
    assert objects(there)[name] == raw


def test_another_source_helps_out() -> None:
    here, other, there = memory(), memory(), memory()
    repository = HOUSEHOLD.create(here, other, there)
    day(opened(repository, here, other), 1)
    name = largest_new_pack(here, there)
    here.delete([name])
    sources = [Replica(name="here", store=here), Replica(name="other", store=other)]
    report = catch_up(sources, Replica(name="there", store=there), repository.trust)
    assert report.problems == ()
    assert objects(there) == objects(other)


@pytest.mark.parametrize(("part", "suffix"), [("/m/", "1"), ("/r/", ""), ("/q/", "")])
def test_what_stands_in_the_commit_too_is_taken_from_there(part: str, suffix: str) -> None:
    here, there = memory(), memory()
    repository = HOUSEHOLD.create(here, there)
    day(opened(repository, here), 1)
    (name,) = [name for name in objects(here) if part in name and name.endswith(suffix) and not name.endswith(".c")]
    raw = here.read(name, limit_bytes=10**8)
    here.delete([name])
    here.put_if_absent(name, raw[:-1] + bytes([raw[-1] ^ 1]))
    assert copied(repository, here, there).problems == ()
    assert objects(there)[name] == raw


def test_an_altered_object_is_never_copied() -> None:
    """Every object of the lane in turn, one bit changed: what arrives is genuine or is missing, and it is told."""
    here = memory()
    repository = HOUSEHOLD.create(here)
    day(repository, 1)
    genuine = objects(here)
    for name in [name for name in genuine if name.startswith("l/") and "/x/" not in name]:
        there = memory()
        there.put_if_absent("trust/0", genuine["trust/0"])
        here.delete([name])
        here.put_if_absent(name, genuine[name][:-1] + bytes([genuine[name][-1] ^ 1]))
        report = copied(repository, here, there)
        arrived = objects(there)
        assert all(arrived[one] == genuine[one] for one in arrived), name
        assert report.problems or arrived == genuine, name
        here.delete([name])
        here.put_if_absent(name, genuine[name])


def test_another_history_is_refused_and_left_as_it_is() -> None:
    here, there = memory(), memory()
    repository = HOUSEHOLD.create(here, there)
    day(repository, 1)
    day(opened(repository, here), 2)
    day(opened(repository, there), 3)  # two hosts with one key, or a restored disk image
    day(opened(repository, here), 4)
    day(opened(repository, here), 5, source="civil")
    before = objects(there)
    report = copied(repository, here, there)
    (problem,) = report.problems
    assert isinstance(problem.error, ChainBroken)
    assert "another history" in problem.error.message
    assert problem.name == ""
    lane = names.lane_prefix(problem.lane)
    assert {name: raw for name, raw in objects(there).items() if name.startswith(lane)} == {
        name: raw for name, raw in before.items() if name.startswith(lane)
    }
    assert [one.link.manifest.source for one in report.snapshots] == ["civil"]  # other lanes do not suffer


def test_other_bytes_under_a_name_are_never_overwritten() -> None:
    here, there = memory(), memory()
    repository = away(here, there)
    name = next(name for name in objects(here) if "/r/" in name and name not in objects(there))
    there.put_if_absent(name, b"planted")
    report = copied(repository, here, there)
    assert [type(problem.error) for problem in report.problems] == [ObjectConflict]
    assert objects(there)[name] == b"planted"


def test_a_run_under_way_is_not_copied_before_it_is_decided() -> None:
    here, there = memory(), memory()
    repository = HOUSEHOLD.create(here, there)
    faulty = FaultyStore(here)
    faulty.plan("put", StoreUnavailable("gone"), name_part=".c")
    with pytest.raises(DrorchError):
        back_up(opened(repository, faulty), streams(1), random_bytes=counting_random("one"))
    assert any("/m/" in name for name in objects(here))
    assert copied(repository, here, there).snapshots == ()
    assert not any("/m/" in name for name in objects(there))


def test_a_manifest_without_its_commit_is_completed() -> None:
    here, there = memory(), memory()
    repository = HOUSEHOLD.create(here, there)
    faulty = FaultyStore(there)
    faulty.plan("put", StoreUnavailable("gone"), name_part=".c")
    made = back_up(opened(repository, here, faulty), streams(1), random_bytes=counting_random("one"))
    assert set(made.dropped) == {"store1"}
    assert len(copied(repository, here, there).snapshots) == 1
    assert objects(there) == objects(here)


def test_a_snapshot_that_the_store_declared_void_is_told_and_the_lane_goes_on() -> None:
    here, there = memory(), memory()
    repository = HOUSEHOLD.create(here, there)
    faulty = FaultyStore(there)
    faulty.plan("put", StoreUnavailable("gone"), name_part=".c")
    back_up(opened(repository, here, faulty), streams(1), random_bytes=counting_random("one"))
    day(opened(repository, there), 2)  # alone, it settles what is open: the first snapshot is void there from now on
    report = copied(repository, here, there)
    assert [link.sequence for link in report.voided] == [1]
    assert (report.snapshots, report.problems) == ((), ())
    back = copied(repository, there, here)
    assert (back.voided, [one.link.sequence for one in back.snapshots]) == ((), [2])
    assert len(snapshots(opened(repository, here))) == 2


def test_what_a_sweep_of_the_store_is_about_to_delete_gets_no_commit() -> None:
    here, there = memory(), memory()
    repository = HOUSEHOLD.create(here, there)
    run = day(opened(repository, here), 1)
    (snapshot,) = snapshots(opened(repository, here))
    lane = snapshot.link.lane
    raw = sign_pack_sets(
        ObjectType.RETIRE_LIST,
        repository=repository.trust.repository,
        lane=lane,
        number=0,
        packs={run: b"\xff"},
        made_at=EPOCH,
        key=HOUSEHOLD.maintainer,
    )
    there.put_if_absent(names.retire_list(lane, 0), raw)
    report = copied(repository, here, there)
    assert [type(problem.error) for problem in report.problems] == [RunVoided]
    assert snapshots(opened(repository, there)) == []


def test_the_lane_goes_on_behind_a_snapshot_that_a_prune_of_the_store_keeps_away() -> None:
    here, there = memory(), memory()
    both = HOUSEHOLD.create(here, there)
    gone = day(both, 1)
    alone = opened(both, here)
    needs_it = back_up(alone, streams(1), random_bytes=counting_random("again")).run  # made while "there" was away
    other = {"table/other": random.Random(77).randbytes(200_000)}
    kept = back_up(alone, other, random_bytes=counting_random("other")).run
    lane = next(one.link.lane for one in snapshots(alone))
    target = Replica(name="there", store=there)
    put_list(
        target,
        both.trust,
        lane,
        key=HOUSEHOLD.maintainer,
        clock=ManualClock(),
        packs={gone: b"\xff"},
        given_up={gone},
    )
    there.delete([stat.name for stat in there.list_objects(names.packs_prefix(lane))])
    report = copied(alone, here, there, key=HOUSEHOLD.maintainer, clock=ManualClock())
    assert report.problems == ()
    assert [link.manifest.run for link in report.swept] == [needs_it]
    (listed,) = snapshots(opened(both, there))
    assert listed.link.manifest.run == kept
    assert read_back(opened(both, there), listed) == other
    assert check(opened(both, there), CheckRequest()).errors == ()
    assert copied(alone, here, there, key=HOUSEHOLD.maintainer, clock=ManualClock()).objects == 0
    after = day(both, 9)  # the store takes part again, and what was taken is stored anew
    assert read_back(opened(both, there), snapshots(opened(both, there))[-1]) == streams(9)
    assert snapshots(opened(both, there))[-1].link.manifest.run == after


def test_a_snapshot_that_the_store_has_is_not_given_up_because_a_sweep_once_named_its_packs() -> None:
    here, there = memory(), memory()
    both = HOUSEHOLD.create(here, there)
    run = day(both, 1)
    lane = snapshots(both)[0].link.lane
    put_list(
        Replica(name="there", store=there),
        both.trust,
        lane,
        key=HOUSEHOLD.maintainer,
        clock=ManualClock(),
        packs={run: b"\xff"},
    )
    for options in ({"repair": True}, {"doubtful": [run]}):
        report = copied(both, here, there, key=HOUSEHOLD.maintainer, clock=ManualClock(), **options)
        assert (report.problems, report.swept) == ((), ())
    assert [one.link.manifest.run for one in snapshots(opened(both, there))] == [run]


def test_what_a_sweep_gave_up_is_no_problem() -> None:
    here, there = memory(), memory()
    repository = HOUSEHOLD.create(here, there)
    run = day(opened(repository, here), 1)
    given_up = largest_new_pack(here, there)
    day(opened(repository, here), 2)
    first = next(one for one in snapshots(opened(repository, here)) if one.link.manifest.run == run)
    raw = sign_pack_sets(
        ObjectType.RETIRE_LIST,
        repository=repository.trust.repository,
        lane=first.link.lane,
        number=0,
        packs={run: b"\xff"},
        made_at=EPOCH,
        key=HOUSEHOLD.maintainer,
    )
    here.put_if_absent(names.retire_list(first.link.lane, 0), raw)
    here.delete([given_up])
    report = copied(repository, here, there)
    assert (len(report.snapshots), report.problems) == (2, ())
    assert not report.snapshots[0].is_whole


def test_the_trust_chain_comes_first() -> None:
    here, there = memory(), memory()
    repository = HOUSEHOLD.create(here)
    day(repository, 1)
    watched = CrashStore(there, survives_calls=10**9)
    copied(repository, here, watched)
    puts = [name for verb, name in watched.calls if verb == "put"]
    assert puts[0] == "trust/0"
    assert objects(there) == objects(here)


def test_a_repair_finds_room_beside_what_somebody_put_where_the_copy_goes() -> None:
    """Whoever has the writer's credential may put any bytes under a name that is free, and no repair may be stopped by it."""
    here, there = memory(), memory()
    repository = HOUSEHOLD.create(here, there)
    day(repository, 1)
    pack = next(name for name in objects(there) if "/p/" in name)
    there.delete([pack])
    for name in (pack, f"{pack}~1"):
        there.put_if_absent(name, b"garbage")
    report = copied(repository, here, there, repair=True)
    assert report.problems == ()
    assert objects(there)[f"{pack}~2"] == objects(here)[pack]
    alone = opened(repository, there)
    assert [read_back(alone, snapshot) for snapshot in snapshots(alone)] == [streams(1)]


@pytest.mark.parametrize("suffix", ["", ".c"])
def test_a_repair_puts_a_good_manifest_and_commit_beside_one_that_was_altered(suffix: str) -> None:
    here, there = memory(), memory()
    repository = HOUSEHOLD.create(here, there)
    for number in (1, 2):
        day(repository, number)
    (second,) = [name for name in objects(there) if name.endswith(f"000000000002{suffix}")]
    there.delete([second])
    there.put_if_absent(second, objects(here)[second][:-1] + b"?")
    alone = opened(repository, there)
    before = check(alone, CheckRequest()).errors
    assert [finding.name for finding in before] == [second]
    report = copied(repository, here, there, repair=True)
    assert report.problems == ()
    assert objects(there)[f"{second}~1"] == objects(here)[second]
    assert check(alone, CheckRequest()).errors == ()
    assert [read_back(alone, snapshot) for snapshot in snapshots(alone)] == [streams(1), streams(2)]
    day(repository, 3)


def test_a_snapshot_whose_damaged_commit_somebody_took_away_is_not_declared_void() -> None:
    """The good copy that a repair put beside it says that it counts; nobody else may be left who could."""
    here, there = memory(), memory()
    repository = HOUSEHOLD.create(here, there)
    day(repository, 1)
    (commit,) = [name for name in objects(there) if name.endswith(".c")]
    whole = objects(there)[commit]
    there.delete([commit])
    there.put_if_absent(commit, b"damaged")
    assert copied(repository, here, there, repair=True).problems == ()
    there.delete([commit])
    alone = opened(repository, there)
    day(alone, 2)
    assert objects(there)[commit] == whole
    assert [read_back(alone, snapshot) for snapshot in snapshots(alone)] == [streams(1), streams(2)]

"""``check`` notices each object that is deleted or altered, says what it touches, and finds nothing in what is whole."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest

from drorch.errors import DrorchError, StoreUnavailable
from drorch.format import names
from drorch.format.keys import RecipientKey, RunRecord, SealedAgain, key_bundle, seal_run_keys
from drorch.format.objects import ObjectType, digest_of
from drorch.format.trust_record import Role, RootKey, Signer, TrustRecord
from drorch.ids import Digest, LaneId, RepositoryId, RunId
from drorch.repository.checker import CheckRequest, check
from drorch.repository.data_checker import Depth
from drorch.repository.findings import CheckReport, Kind, Level
from drorch.repository.lane import Head
from drorch.repository.needs import NeedsCollector
from drorch.repository.opening import Replica, Repository, open_repository
from drorch.storage.interface import ObjectStat
from drorch.storage.memory import MemoryStore
from tests.support.faulty_store import FaultyStore
from tests.support.hooked_store import HookedStore
from tests.support.pack_sets import sign_pack_sets
from tests.support.recording_store import RecordingStore
from tests.support.repositories import EPOCH, Household, ManualClock, back_up, counting_random, seed, snapshots

HOUSEHOLD = Household()
HELP = {"help/1/readme.txt": b"read me"}


def streams(day: int) -> dict[str, bytes]:
    noise = random.Random(1).randbytes(400_000)
    return {"schema": b"create", "table/steady": noise, "table/new": random.Random(day).randbytes(200_000)}


def second_trust(trust_0: bytes) -> TrustRecord:
    host, maintainer = HOUSEHOLD.host.signing_key().public, HOUSEHOLD.maintainer.public
    return TrustRecord(
        number=1,
        previous=digest_of(trust_0),
        repository=repository_id(),
        roots=(RootKey(HOUSEHOLD.root.public, "root"),),
        threshold=1,
        recipients=(HOUSEHOLD.custodian.public(),),
        signers=(Signer(host, Role.WRITER, "host"), Signer(maintainer, Role.MAINTAINER, "maintainer")),
    )


def repository_id() -> RepositoryId:
    return RepositoryId(seed(HOUSEHOLD.name)[:16])


@dataclass(frozen=True)
class Built:
    """A repository with one of everything, made once; each test gets a copy of its objects."""

    objects: dict[str, bytes]
    runs: tuple[RunId, ...]

    @property
    def root(self) -> bytes:
        return digest_of(self.objects[names.trust(0)]).raw

    @property
    def lane(self) -> LaneId:
        """The lane that has three snapshots."""
        (name,) = (name for name in self.objects if name.endswith("/m/000000000003"))
        lane = names.lane_of(name)
        assert lane is not None
        return lane

    def store(self) -> MemoryStore:
        store = MemoryStore(ManualClock())
        for name, content in self.objects.items():
            store.put_if_absent(name, content)
        return store

    def open(self, *stores: Any) -> Repository:
        replicas = [Replica(name=f"store{number}", store=store) for number, store in enumerate(stores)]
        return open_repository(replicas, self.root)


@pytest.fixture(scope="module")
def built() -> Built:
    store = MemoryStore(ManualClock())
    repository = HOUSEHOLD.create(store)
    made = [back_up(repository, streams(1), random_bytes=counting_random("1"))]
    trust_0 = store.read(names.trust(0), limit_bytes=10**6)
    store.put_if_absent(names.trust(1), second_trust(trust_0).sign([HOUSEHOLD.root], EPOCH))
    repository = open_repository([Replica(name="store0", store=store)], digest_of(trust_0).raw)
    made += [back_up(repository, streams(day), random_bytes=counting_random(f"{day}")) for day in (2, 3)]
    made.append(back_up(repository, {"a": b"other lane"}, source="other", random_bytes=counting_random("o")))
    lane, first = made[0].lane, made[0].run
    opened = RunRecord.verify(
        store.read(names.run_record(lane, first), limit_bytes=10**6),
        repository=repository_id(),
        lane=lane,
        run=first,
        allowed=repository.trust.allowed(ObjectType.RUN_RECORD, lane),
    ).open([HOUSEHOLD.custodian])
    later = RecipientKey.from_seed(seed("later"))
    sealed = seal_run_keys(opened, later.public(), repository_id(), lane, first)
    for number in (0, 1):
        again = [SealedAgain(lane, first, later.public().recipient_id, sealed)]
        bundle = key_bundle(
            repository=repository_id(), number=number, sealed=again, made_at=EPOCH, key=HOUSEHOLD.maintainer
        )
        store.put_if_absent(names.bundle(number), bundle)
    for object_type, name in (
        (ObjectType.RETIRE_LIST, names.retire_list(lane, 0)),
        (ObjectType.DAMAGE_LIST, names.damage_list(lane, 0)),
    ):
        listed = sign_pack_sets(
            object_type,
            repository=repository_id(),
            lane=lane,
            number=0,
            packs={RunId(bytes(16)): b"\x80"},
            made_at=EPOCH,
            key=HOUSEHOLD.maintainer,
        )
        store.put_if_absent(name, listed)
    for name, content in HELP.items():
        store.put_if_absent(name, content)
    objects = {stat.name: store.read(stat.name, limit_bytes=10**8) for stat in store.list_objects("")}
    return Built(objects, tuple(one.run for one in made))


def deep(**more: Any) -> CheckRequest:
    depth = Depth(read_data_percent=100, recipients=(HOUSEHOLD.custodian,), seed=b"seed")
    return CheckRequest(depth=depth, known_objects=HELP, **more)


def keyless(percent: float = 100, **more: Any) -> CheckRequest:
    return CheckRequest(depth=Depth(read_data_percent=percent, seed=b"seed"), known_objects=HELP, **more)


def shapes(report: CheckReport) -> set[tuple[Level, Kind, str]]:
    return {(finding.level, finding.kind, finding.name) for finding in report.findings}


def test_a_whole_repository_has_no_error(built: Built) -> None:
    for request in (keyless(0), keyless(100), deep()):
        report = check(built.open(built.store()), request)
        assert report.errors == ()
        assert report.exit_code == 0
        assert set(report.good) == {str(run) for run in built.runs}
        assert {finding.kind for finding in report.findings} == {Kind.INDEX}  # the damage list is told
        assert report.counts.snapshots == 4


def unnoticed(built: Built, change: Callable[[bytes], bytes | None], request: CheckRequest) -> set[str]:
    """Change one object after the other (``None``: delete it); return those of which the check says nothing."""
    untouched = shapes(check(built.open(built.store()), request))
    found = set()
    for name, content in built.objects.items():
        store, changed = built.store(), change(content)
        store.delete([name])
        if changed is not None:
            store.put_if_absent(name, changed)
        try:
            report = check(built.open(store), request)
        except DrorchError:
            assert name.startswith("trust/")  # without trust nothing is opened at all
        else:
            found |= set() if shapes(report) - untouched else {name}
    return found


def is_end_of_list(name: str) -> bool:
    """Nothing in a bucket alone can tell that the last of a numbered list is gone."""
    return name == "keys/1" or "/g/" in name or "/d/" in name


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_each_object_that_is_deleted_is_noticed(built: Built) -> None:
    assert {name for name in unnoticed(built, lambda _: None, keyless(0)) if not is_end_of_list(name)} == set()


def test_each_object_that_is_altered_is_noticed_with_the_key(built: Built) -> None:
    assert unnoticed(built, lambda content: flipped(content, len(content) // 2), deep()) == set()


def test_each_object_that_is_altered_is_noticed_without_a_key_but_for_the_writers_own_index(built: Built) -> None:
    missed = unnoticed(built, lambda content: flipped(content, len(content) // 3), keyless())
    assert {name for name in missed if "/x/" not in name} == set()


def test_each_object_that_is_cut_short_is_noticed_without_reading_packs(built: Built) -> None:
    missed = unnoticed(built, lambda content: content[:-1], keyless(0))
    assert {name for name in missed if "/x/" not in name} == set()


def packs_of(built: Built) -> list[str]:
    return [name for name in built.objects if "/p/" in name]


def test_a_missing_pack_names_the_snapshots_and_with_a_key_the_streams(built: Built) -> None:
    largest = max(packs_of(built), key=lambda name: len(built.objects[name]))
    store = built.store()
    store.delete([largest])
    report = check(built.open(store), keyless(0))
    (finding,) = report.errors
    assert (finding.kind, finding.name, finding.sources) == (Kind.MISSING, largest, ("land",))
    assert set(finding.snapshots) == {str(run) for run in built.runs[:3]}
    assert report.exit_code == 47
    assert set(report.harmed) == set(finding.snapshots)
    assert report.good == (str(built.runs[3]),)
    (with_key,) = [f for f in check(built.open(store), deep()).errors if f.name == largest]
    assert "table/steady" in with_key.streams


def test_a_listing_that_leaves_something_out_proves_no_absence(built: Built) -> None:
    hidden = packs_of(built)[0]

    class Forgetful(HookedStore):
        def list_objects(self, prefix: str) -> Iterator[ObjectStat]:
            return (stat for stat in self.store.list_objects(prefix) if stat.name != hidden)

    report = check(built.open(Forgetful(built.store())), keyless(0))
    assert report.errors == ()
    assert (Level.NOTE, Kind.UNLISTED, hidden) in shapes(report)


def test_a_hidden_suffix_is_seen_by_who_knows_the_head(built: Built) -> None:
    lane = built.lane
    store = built.store()
    store.delete([names.manifest(lane, 3), names.commit(lane, 3)])
    known = digest_of(built.objects[names.manifest(lane, 3)])
    assert check(built.open(store), keyless(0)).errors == ()
    report = check(built.open(store), keyless(0, known_heads={("store0", lane): Head(3, known)}))
    assert [finding.kind for finding in report.errors] == [Kind.HIDDEN]
    assert report.exit_code == 46
    other = check(built.open(built.store()), keyless(0, known_heads={("store0", lane): Head(3, Digest(bytes(32)))}))
    assert [finding.kind for finding in other.errors] == [Kind.HIDDEN]


def test_a_commit_that_vanished_is_seen_by_who_knows_the_snapshot(built: Built) -> None:
    lane = built.lane
    store = built.store()
    store.delete([names.commit(lane, 3)])
    known = {("store0", lane): built.runs[:3]}
    assert [f.kind for f in check(built.open(store), keyless(0, known_snapshots=known)).errors] == [Kind.HIDDEN]
    assert check(built.open(built.store()), keyless(0, known_snapshots=known)).errors == ()


def test_a_whole_lane_that_vanished_is_seen_by_who_knows_it(built: Built) -> None:
    lane = built.lane
    store = built.store()
    store.delete([name for name in built.objects if name.startswith(names.lane_prefix(lane))])
    head = Head(3, digest_of(built.objects[names.manifest(lane, 3)]))
    report = check(built.open(store), keyless(0, known_heads={("store0", lane): head}))
    assert [finding.kind for finding in report.errors] == [Kind.HIDDEN]


def test_a_store_that_lags_behind_another_is_told(built: Built) -> None:
    lane = built.lane
    late = built.store()
    late.delete([names.manifest(lane, 3), names.commit(lane, 3)])
    report = check(built.open(built.store(), late), keyless(0))
    assert report.errors == ()
    assert (Level.NOTE, Kind.BEHIND, names.manifests_prefix(lane)) in shapes(report)


def test_what_one_store_lost_and_another_has_is_still_good(built: Built) -> None:
    broken = built.store()
    broken.delete(packs_of(built))
    report = check(built.open(broken, built.store()), keyless(0))
    assert {finding.store for finding in report.errors} == {"store0"}
    assert report.harmed == ()
    assert set(report.good) == {str(run) for run in built.runs}


def test_a_store_that_does_not_answer_is_a_finding_and_the_other_is_checked(built: Built) -> None:
    dead = FaultyStore(built.store())
    repository = built.open(dead, built.store())
    dead.plan("list", StoreUnavailable("gone"), times=100)
    report = check(repository, keyless(0))
    dead.assert_all_fired()
    assert {(finding.store, finding.kind) for finding in report.errors} == {("store0", Kind.UNREADABLE)}
    assert set(report.good) == {str(run) for run in built.runs}


def test_requests_are_few_and_nothing_is_read_twice(built: Built) -> None:
    recorded = RecordingStore(built.store())
    repository = built.open(recorded)
    before = recorded.traffic
    check(repository, keyless(0))
    requests = recorded.traffic.since(before).requests
    lanes, manifests, runs = 2, 4, 4
    small = 3 + 3 + 1  # trust and bundles with the absent one behind them, the help file
    assert requests["read"] <= small + 2 * manifests + 2 * lanes + 2 * runs + lanes * 2 + 2
    assert requests["list"] <= 3 + lanes
    assert set(requests) == {"read", "list"}


def test_a_share_of_the_packs_is_read(built: Built) -> None:
    repository = built.open(built.store())
    whole = check(repository, keyless(100)).counts
    assert whole.packs_read == whole.packs == len(packs_of(built))
    some = {
        check(repository, CheckRequest(depth=Depth(read_data_percent=40, seed=bytes([n])))).counts.packs_read
        for n in range(9)
    }
    assert sum(some) > 0
    assert max(some) < whole.packs


def test_a_manifest_that_names_other_packs_than_its_trees_use_is_noticed(built: Built) -> None:
    """A writer's fault that only the trees tell: nothing else is wrong with the snapshot."""

    store = MemoryStore(ManualClock())
    repository = HOUSEHOLD.create(store)
    whole = NeedsCollector.bitmaps
    with patch.object(NeedsCollector, "bitmaps", lambda self: dict.fromkeys(whole(self), b"\x80")):
        back_up(repository, streams(1))
    assert snapshots(repository)
    request = CheckRequest(depth=Depth(recipients=(HOUSEHOLD.custodian,)))
    assert [finding.kind for finding in check(repository, request).errors] == [Kind.DIFFERS]


def test_a_snapshot_sealed_to_somebody_else_is_a_note(built: Built) -> None:
    stranger = RecipientKey.from_seed(seed("stranger"))
    report = check(built.open(built.store()), CheckRequest(depth=Depth(read_data_percent=100, recipients=(stranger,))))
    assert report.errors == ()
    assert sum(finding.kind is Kind.UNREADABLE for finding in report.findings) == 4

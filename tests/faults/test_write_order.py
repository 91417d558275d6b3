"""FORMAT section 12, watched from the store: what is durable before what is begun."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from drorch.clock import SystemClock
from drorch.errors import DrorchError, StoreUnavailable
from drorch.format import names
from drorch.format.objects import ObjectType
from drorch.ids import RepositoryId
from drorch.repository.opening import Repository
from drorch.storage.interface import Bytes, ObjectStore, PutOutcome
from drorch.storage.memory import MemoryStore
from tests.support.pack_sets import sign_pack_sets
from tests.support.repositories import EPOCH, Household, back_up, counting_random, read_back, seed, snapshots


class WatchedStore:
    """A store that notes every put when it begins and when it is durable, and every read of a retire list."""

    def __init__(self) -> None:
        self.inner: ObjectStore = MemoryStore(SystemClock())
        self.events: list[tuple[str, str]] = []
        self.before_put: Callable[[str], None] = lambda _name: None

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def put_if_absent(self, name: str, content: Bytes) -> PutOutcome:
        self.events.append(("begin", name))
        self.before_put(name)
        outcome = self.inner.put_if_absent(name, content)
        self.events.append(("durable" if outcome is PutOutcome.CREATED else "existed", name))
        return outcome

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        self.events.append(("read", name))
        return self.inner.read(name, limit_bytes=limit_bytes)

    def positions(self, event: str, folder: str, ending: str = "") -> list[int]:
        """When it happened to objects below ``l/<lane>/<folder>/``; commits only with ``.c`` as ending."""
        return [
            at
            for at, (what, name) in enumerate(self.events)
            if what == event
            and f"/{folder}/" in name
            and (name.endswith(ending) if ending else not name.endswith(".c"))
        ]


@pytest.fixture
def store() -> WatchedStore:
    return WatchedStore()


@pytest.fixture
def repository(store: WatchedStore) -> Repository:
    made = Household().create(store)  # type: ignore[arg-type]  # the rest is delegated
    store.events.clear()
    return made


def take(repository: Repository, label: str, content: bytes = b"") -> None:
    streams = {"table": random.Random(content or label).randbytes(60_000_000), "small": content or label.encode()}
    back_up(repository, streams, random_bytes=counting_random(label))


def test_each_kind_of_object_is_durable_before_the_next_is_begun(repository: Repository, store: WatchedStore) -> None:
    take(repository, "one")
    assert len(store.positions("durable", "p")) > 3
    for earlier, later in (("r", "p"), ("p", "q"), ("q", "m")):
        assert max(store.positions("durable", earlier)) < min(store.positions("begin", later))
    (manifest,), (commit,) = store.positions("durable", "m"), store.positions("begin", "m", ".c")
    assert manifest < commit


def test_the_retire_lists_are_read_between_manifest_and_commit(repository: Repository, store: WatchedStore) -> None:
    take(repository, "one")
    (manifest,), (commit,) = store.positions("durable", "m"), store.positions("begin", "m", ".c")
    assert [at for at in store.positions("read", "g") if manifest < at < commit]


def test_an_undecided_manifest_is_decided_before_the_next_is_begun(repository: Repository, store: WatchedStore) -> None:
    def fail_at_commit(name: str) -> None:
        if name.endswith(".c"):
            raise StoreUnavailable("the store is gone")

    store.before_put = fail_at_commit
    with pytest.raises(DrorchError):
        take(repository, "one")
    assert not snapshots(repository)
    store.before_put = lambda _name: None
    store.events.clear()
    take(repository, "two")
    decided, second = store.positions("durable", "m", ".c"), store.positions("begin", "m")
    assert decided[0] < second[0] < decided[1]
    assert [read_back(repository, one)["small"] for one in snapshots(repository)] == [b"two"]


def test_of_a_late_writer_and_the_next_run_the_store_picks_one(repository: Repository, store: WatchedStore) -> None:
    """The writer sleeps before its commit; the next run declares it void and commits; then the writer wakes."""

    def sleep_through_the_next_run(name: str) -> None:
        if name.endswith(".c"):
            store.before_put = lambda _name: None
            take(repository, "two")

    store.before_put = sleep_through_the_next_run
    with pytest.raises(DrorchError):
        take(repository, "one")
    assert [read_back(repository, one)["small"] for one in snapshots(repository)] == [b"two"]


def retire_at(repository: Repository, store: WatchedStore, ending: str) -> None:
    """Let the sweeper retire all packs of the first run when an object of that ending is about to be put."""
    (first,) = snapshots(repository)
    household = Household()
    retire_list = sign_pack_sets(
        ObjectType.RETIRE_LIST,
        repository=RepositoryId(seed(household.name)[:16]),
        lane=first.link.lane,
        number=0,
        packs={first.link.manifest.run: b"\xff"},
        made_at=EPOCH,
        key=household.maintainer,
    )

    def sweep(name: str) -> None:
        if "/m/" in name and name.endswith(ending):
            store.inner.put_if_absent(names.retire_list(first.link.lane, 0), retire_list)

    store.before_put = sweep


def test_a_run_that_needs_packs_which_a_sweeper_took_before_is_void(
    repository: Repository, store: WatchedStore
) -> None:
    take(repository, "one", content=b"same")
    retire_at(repository, store, "02")
    with pytest.raises(DrorchError):
        take(repository, "two", content=b"same")
    assert len(snapshots(repository)) == 1
    assert store.positions("durable", "m", "02.c")  # the number is decided


def test_a_sweeper_that_comes_after_the_manifest_finds_it(repository: Repository, store: WatchedStore) -> None:
    """The writer looked before; so the list was put after the manifest, which the sweeper reads before it deletes."""
    take(repository, "one", content=b"same")
    retire_at(repository, store, "02.c")
    take(repository, "two", content=b"same")
    assert len(snapshots(repository)) == 2

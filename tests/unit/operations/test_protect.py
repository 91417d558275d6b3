"""The books of a backup: whatever becomes of the catalog, what is told is true."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drorch.catalog.sqlite import open_sqlite
from drorch.clock import SystemClock
from drorch.errors import CaptureFailed, CatalogError, RunVoided, SourceForeign
from drorch.ids import Digest
from drorch.operations.machine import Machine
from drorch.operations.protect import Protector
from drorch.operations.protection import Protection
from drorch.repository.opening import Replica, Repository, open_repository
from drorch.storage.memory import MemoryStore
from tests.support.hooked_store import HookedStore
from tests.support.noise import MEGABYTE, Nobody, NoiseCapture, NoiseSource
from tests.support.repositories import Household, counting_random, snapshots
from tests.support.repositories import back_up as store_streams

TEXT = "name: noise\n"


class FailingCatalog:
    """A real catalog of which some calls fail."""

    def __init__(self, catalog: Any, *failing: str) -> None:
        self._catalog = catalog
        self.failing = set(failing)

    def __getattr__(self, name: str) -> Any:
        if name in self.failing:
            raise CatalogError("the disk of the catalog is full")
        return getattr(self._catalog, name)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[FailingCatalog]:
    with closing(open_sqlite(tmp_path / "catalog.sqlite")) as catalog:
        yield FailingCatalog(catalog)


@pytest.fixture
def repository() -> Repository:
    return Household().create(MemoryStore(SystemClock()))


def back_up(
    repository: Repository, catalog: Any, tmp_path: Path, *, fails: bool = False, machine: str = "one", label: str = "a"
) -> None:
    protector = Protector(
        repository=repository,
        host_key=Household().host,
        catalog=catalog,
        machine=Machine(host=f"host-{machine}", machine_id=machine, pid=1, process_started="now"),
        is_alive=lambda pid, started: True,
        cache=tmp_path / "cache",
        clock=SystemClock(),
        random_bytes=counting_random(label),
    )
    digest = Digest(hashlib.sha256(TEXT.encode()).digest())
    protection = Protection(address="noise", policy="noise", policy_text=TEXT, policy_digest=digest, probes={})
    protector.run(protection, NoiseSource(NoiseCapture([MEGABYTE], fails=fails)), Nobody())


@pytest.mark.parametrize("call", ["record_snapshot", "remember_head", "end_run"])
def test_a_snapshot_that_only_the_catalog_misses_is_not_called_lost(
    repository: Repository, catalog: FailingCatalog, tmp_path: Path, call: str
) -> None:
    catalog.failing = {call}
    with pytest.raises(CatalogError) as caught:
        back_up(repository, catalog, tmp_path)
    (snapshot,) = snapshots(repository)
    assert snapshot.short_id in caught.value.still_good
    assert "catalog rebuild" in caught.value.still_good


def test_what_broke_a_run_is_told_though_the_catalog_is_broken_too(
    repository: Repository, catalog: FailingCatalog, tmp_path: Path
) -> None:
    catalog.failing = {"end_run"}
    with pytest.raises(CaptureFailed):
        back_up(repository, catalog, tmp_path, fails=True)


def test_a_copy_of_the_machine_may_not_feed_the_same_source(
    repository: Repository, catalog: FailingCatalog, tmp_path: Path
) -> None:
    back_up(repository, catalog, tmp_path)
    with pytest.raises(SourceForeign):
        back_up(repository, catalog, tmp_path, machine="two", label="b")
    assert len(snapshots(repository)) == 1


class Overtaken(HookedStore):
    """Before the first ``times`` commits another run of the same source settles the lane, and adds a snapshot of its own."""

    def __init__(self, store: MemoryStore, times: int) -> None:
        super().__init__(store)
        self.left = times

    def around(self, verb: str, name: str, call: Callable[[], Any]) -> Any:
        if verb == "put" and name.endswith(".c") and self.left:
            self.left -= 1
            trust = open_repository([Replica(name="store0", store=self.store)], None).trust
            alone = Repository(trust=trust, replicas=(Replica(name="store0", store=self.store),))
            store_streams(alone, {"a": b"1"}, source="noise", random_bytes=counting_random(f"other {self.left}"))
        return call()


@pytest.mark.parametrize("times", [1, 2])
def test_a_run_that_was_declared_void_is_repeated_once(
    repository: Repository, catalog: FailingCatalog, tmp_path: Path, times: int
) -> None:
    store = repository.replicas[0].store
    assert isinstance(store, MemoryStore)
    overtaken = Repository(trust=repository.trust, replicas=(Replica(name="store0", store=Overtaken(store, times)),))
    if times == 1:
        back_up(overtaken, catalog, tmp_path)
    else:
        with pytest.raises(RunVoided):
            back_up(overtaken, catalog, tmp_path)
    runs = catalog.runs(limit=10)
    assert [run.error_slug for run in runs] == ([None] if times == 1 else ["run-voided"]) + ["run-voided"]
    lines = [line.text for line in catalog.log_lines(runs[0].run_id)]
    assert any(line.startswith("repeats a run that does not count") for line in lines)
    assert len(snapshots(repository)) == 2

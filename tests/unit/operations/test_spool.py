"""What waits in the spool is shipped whole, whenever the process dies, and leaves it empty."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drorch.catalog.interface import Catalog
from drorch.catalog.sqlite import open_sqlite
from drorch.operations import spool as spooling
from drorch.operations.spool import ShipReport, current_outage, is_empty, prepare, ship, spooled
from drorch.repository import packing, segments
from drorch.repository.beginning import RunPlace
from drorch.repository.checker import CheckRequest, check
from drorch.repository.opening import Replica, open_repository
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.recording_store import RecordingStore
from tests.support.repositories import Household, ManualClock, back_up, counting_random, read_back, snapshots

HOUSEHOLD = Household()
BEFORE, ONE, TWO = ({"rows": random.Random(number).randbytes(90_000)} for number in range(3))


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PACK_TARGET_BYTES", 80_000)
    monkeypatch.setattr(segments, "SEGMENT_PACKS", 1)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with closing(open_sqlite(tmp_path / "catalog.sqlite")) as catalog:
        yield catalog


class NoCatalog:
    """Knows nothing and forgets everything."""

    def __getattr__(self, _name: str) -> Callable[..., tuple[()]]:
        return lambda *_args, **_options: ()


NO_CATALOG: Any = NoCatalog()


class Outage:
    """One store with a snapshot, and two more that wait because it was away."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.far, self.near = MemoryStore(ManualClock()), MemoryStore(ManualClock())
        self.repository = HOUSEHOLD.create(self.far)
        back_up(self.repository, BEFORE, random_bytes=counting_random("before"))
        self.spool = Replica(name="spool", store=self.near)
        prepare(self.spool, self.repository)
        self.waiting = open_repository([self.spool], self.repository.trust.root_digest.raw)
        for content in (ONE, TWO):
            self.wait(content)

    def wait(self, content: dict[str, bytes]) -> None:
        place = spooled(RunPlace(source="land"), current_outage(self.spool, counting_random("outage")))
        label = f"{place.source} {len(snapshots(self.waiting))}"
        back_up(self.waiting, content, source=place.source, random_bytes=counting_random(label))

    def ship(
        self, far: ObjectStore | None = None, near: ObjectStore | None = None, *, is_idle: bool = True
    ) -> ShipReport:
        return ship(
            Replica(name="spool", store=near or self.near),
            Replica(name="store0", store=far or self.far),
            self.repository,
            self.catalog,
            clock=ManualClock(),
            progress=lambda _count: None,
            is_idle=lambda: is_idle,
        )

    def contents(self) -> list[dict[str, bytes]]:
        return sorted(
            (read_back(self.repository, one) for one in snapshots(self.repository)), key=lambda one: one["rows"]
        )


EVERYTHING = sorted((BEFORE, ONE, TWO), key=lambda one: one["rows"])


def test_what_waits_is_whole_by_itself_and_arrives(catalog: Catalog) -> None:
    outage = Outage(catalog)
    assert [read_back(outage.waiting, one) for one in snapshots(outage.waiting)] == [ONE, TWO]
    report = outage.ship()
    assert report.freed_bytes
    assert is_empty(outage.spool)
    assert outage.contents() == EVERYTHING
    assert check(outage.repository, CheckRequest()).errors == ()
    assert outage.ship().copied.objects == 0


def test_the_next_outage_has_lanes_of_its_own(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    outage = Outage(catalog)
    outage.ship()
    monkeypatch.setattr(spooling, "_ID_BYTES", 9)  # the next id, however it is drawn
    outage.wait(ONE)
    assert outage.ship().copied.problems == ()
    assert len(outage.contents()) == 4
    assert check(outage.repository, CheckRequest()).errors == ()


def test_while_a_backup_is_at_work_nothing_is_deleted(catalog: Catalog) -> None:
    outage = Outage(catalog)
    report = outage.ship(is_idle=False)
    assert report.freed_bytes is None
    assert len(report.copied.snapshots) == 2
    assert not is_empty(outage.spool)
    assert outage.ship().freed_bytes
    assert outage.contents() == EVERYTHING


def test_it_may_be_killed_at_any_call_on_either_side() -> None:
    first, second = Outage(NO_CATALOG), Outage(NO_CATALOG)
    first.ship(near=(near := RecordingStore(first.near)))
    second.ship(far=(far := RecordingStore(second.far)))
    fired = 0
    for side, calls in (("near", near.traffic.request_count), ("far", far.traffic.request_count)):
        for survives in range(1, calls, 4):
            outage = Outage(NO_CATALOG)
            dying = CrashStore(getattr(outage, side), survives_calls=survives, applies_last=bool(survives & 4))
            try:
                outage.ship(far=dying) if side == "far" else outage.ship(near=dying)
            except Crashed:
                fired += 1
            arrived = outage.contents()
            assert all(one in EVERYTHING for one in arrived)
            outage.ship()
            assert outage.contents() == EVERYTHING
            assert check(outage.repository, CheckRequest()).errors == ()
            assert is_empty(outage.spool)
    assert fired > 10

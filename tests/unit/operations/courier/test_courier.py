"""Two stores that never see each other, a disk between them, and whoever has it in hands."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drorch.errors import (
    IntegrityError,
    NothingDone,
    ObjectConflict,
    ObjectCorrupt,
    SignatureInvalid,
    StoreDenied,
    StoreFull,
    StoreMissing,
)
from drorch.format.courier import HAVE_NAME, LIST_NAME, CourierList
from drorch.operations.courier import export, ingest
from drorch.operations.courier.export import ExportReport
from drorch.operations.courier.have import have
from drorch.operations.courier.ingest import IngestReport
from drorch.repository import packing, segments
from drorch.repository.checker import CheckRequest, check
from drorch.repository.opening import Replica, Repository
from drorch.storage.filesystem import FilesystemStore
from drorch.storage.interface import ObjectStore
from drorch.storage.memory import MemoryStore
from tests.support.crash_store import Crashed, CrashStore
from tests.support.hooked_store import HookedStore, Result
from tests.support.recording_store import RecordingStore
from tests.support.repositories import Household, ManualClock, back_up, counting_random, read_back, snapshots

HOUSEHOLD = Household()
STEADY, FIRST, SECOND = (random.Random(number).randbytes(90_000) for number in range(3))


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PACK_TARGET_BYTES", 80_000)
    monkeypatch.setattr(segments, "SEGMENT_PACKS", 1)


class Strait:
    """The mainland, an island without a line, and a disk."""

    def __init__(self, disk: Path) -> None:
        self.mainland = MemoryStore(ManualClock())
        self.island: ObjectStore = MemoryStore(ManualClock())
        self.repository = HOUSEHOLD.create(self.mainland)
        self.disk: ObjectStore = FilesystemStore(disk)
        self.back_up("1", steady=STEADY, first=FIRST)

    def back_up(self, label: str, source: str = "land", **streams: bytes) -> None:
        back_up(self.repository, streams, source=source, random_bytes=counting_random(label))

    def export(self, disk: ObjectStore | None = None, wanted: bytes | None = None) -> ExportReport:
        return export.run(
            self.repository,
            disk or self.disk,
            wanted=wanted,
            key=HOUSEHOLD.maintainer,
            clock=ManualClock(),
            progress=lambda _count: None,
        )

    def ingest(
        self, island: ObjectStore | None = None, disk: ObjectStore | None = None, *, is_new: bool = True
    ) -> IngestReport:
        target = Replica(name="island", store=island or self.island)
        root = self.repository.trust.root_digest.raw
        return ingest.run(disk or self.disk, target, root, is_new=is_new, progress=lambda _count: None)

    def on_the_island(self) -> Repository:
        return Repository(trust=self.repository.trust, replicas=(Replica(name="island", store=self.island),))

    def judge(self, *contents: dict[str, bytes]) -> None:
        """The island holds these snapshots, whole, byte-identical, and nobody misses anything."""
        repository = self.on_the_island()
        assert [read_back(repository, one) for one in snapshots(repository)] == list(contents)
        assert check(repository, CheckRequest()).errors == ()
        for stat in self.island.list_objects(""):
            assert self.island.read(stat.name, limit_bytes=2**26) == self.mainland.read(stat.name, limit_bytes=2**26)


@pytest.fixture
def strait(tmp_path: Path) -> Strait:
    (tmp_path / "disk").mkdir()
    return Strait(tmp_path / "disk")


ONE, TWO = {"steady": STEADY, "first": FIRST}, {"steady": STEADY, "second": SECOND}


def test_a_disk_brings_everything_and_then_only_what_is_new(strait: Strait) -> None:
    first = strait.export()
    assert strait.ingest().copied.problems == ()
    strait.judge(ONE)
    strait.back_up("2", steady=STEADY, second=SECOND)
    second = strait.export()  # the disk came back and says what the island has
    assert second.known > 0
    assert second.bytes < 0.7 * first.bytes
    assert [len(one.copied.snapshots) for one in (first, second)] == [1, 1]
    strait.ingest(is_new=False)
    strait.judge(ONE, TWO)
    assert strait.export().objects == 0


def test_the_other_side_may_say_by_mail_what_it_has(strait: Strait, tmp_path: Path) -> None:
    strait.export()
    strait.ingest()
    page = have(strait.island, strait.repository.trust)
    strait.back_up("2", steady=STEADY, second=SECOND)
    (tmp_path / "other").mkdir()
    other = FilesystemStore(tmp_path / "other")
    assert strait.export(other, wanted=page).known == page.count(b"\n") - 1
    strait.ingest(disk=other, is_new=False)
    strait.judge(ONE, TWO)


def test_a_page_that_says_too_much_makes_a_medium_that_does_not_suffice_and_no_harm(strait: Strait) -> None:
    lie = have(strait.mainland, strait.repository.trust)
    strait.back_up("2", steady=STEADY, second=SECOND)
    strait.export(wanted=lie)
    with pytest.raises(StoreMissing):  # not even the trust chain is there
        strait.ingest()
    assert list(strait.island.list_objects("")) == []


def test_a_page_of_another_repository_is_refused(strait: Strait) -> None:
    other = Household(name="other")
    page = have(MemoryStore(ManualClock()), other.create(MemoryStore(ManualClock())).trust)
    with pytest.raises(ObjectCorrupt):
        strait.export(wanted=page)
    with pytest.raises(ObjectCorrupt):
        strait.export(wanted=b"\xff\xfe")


def altered(strait: Strait, change: Callable[[bytes], bytes], part: str = "/p/") -> str:
    name = next(stat.name for stat in strait.disk.list_objects("") if part in stat.name)
    content = strait.disk.read(name, limit_bytes=2**26)
    strait.disk.delete([name])
    strait.disk.put_if_absent(name, change(content))
    return name


@pytest.mark.parametrize("part", ["/p/", "/m/", "/q/", "/r/", "/x/"])
def test_one_altered_byte_and_nothing_at_all_is_taken(strait: Strait, part: str) -> None:
    strait.export()
    name = altered(strait, lambda content: content[:-1] + bytes([content[-1] ^ 1]), part)
    with pytest.raises(ObjectCorrupt) as refused:
        strait.ingest()
    assert refused.value.found == name
    assert list(strait.island.list_objects("")) == []


def test_a_list_that_was_altered_or_signed_by_others_is_refused(strait: Strait) -> None:
    strait.export()
    altered(strait, lambda content: content[:-1] + bytes([content[-1] ^ 1]), LIST_NAME)
    with pytest.raises(SignatureInvalid):
        strait.ingest()
    forged = CourierList(made_at=ManualClock().now(), objects=()).sign(
        repository=strait.repository.trust.repository, key=HOUSEHOLD.host.signing_key()
    )
    strait.disk.delete([LIST_NAME])
    strait.disk.put_if_absent(LIST_NAME, forged)
    with pytest.raises(SignatureInvalid):
        strait.ingest()
    assert list(strait.island.list_objects("")) == []


def test_what_somebody_added_to_the_disk_is_not_even_looked_at(strait: Strait) -> None:
    strait.export()
    strait.disk.put_if_absent("trust/1", b"a trust record of my own")
    strait.disk.put_if_absent("l/" + "0a" * 16 + "/p/00/" + "00" * 32, b"rubbish")
    strait.disk.delete(["trust/1"])
    strait.ingest()
    strait.judge(ONE)


def test_a_disk_that_was_not_sealed_is_refused(strait: Strait) -> None:
    with pytest.raises(StoreFull):
        strait.export(FullAfter(strait.disk, 5))
    with pytest.raises(NothingDone):
        strait.ingest()
    strait.export()
    strait.ingest()
    strait.judge(ONE)


class FullAfter(HookedStore):
    """Takes so many objects."""

    def __init__(self, store: ObjectStore, objects: int) -> None:
        super().__init__(store)
        self.left = objects

    def around(self, verb: str, name: str, call: Callable[[], Any]) -> Any:
        if verb == "put":
            self.left -= 1
            if self.left < 0:
                raise StoreFull("no room left")
        return call()


def test_an_empty_store_is_filled_only_when_it_is_said_to_be_new(strait: Strait) -> None:
    strait.export()
    with pytest.raises(StoreMissing):
        strait.ingest(is_new=False)
    assert list(strait.island.list_objects("")) == []


def test_a_store_of_another_repository_is_left_alone(strait: Strait) -> None:
    strait.export()
    other = MemoryStore(ManualClock())
    Household(name="other").create(other)
    before = {stat.name for stat in other.list_objects("")}
    with pytest.raises((IntegrityError, ObjectConflict)):
        strait.ingest(other)
    assert {stat.name for stat in other.list_objects("")} == before


class Unwritable(HookedStore):
    """A store of which only can be read."""

    def around(self, verb: str, name: str, call: Callable[[], Result]) -> Result:
        if verb in {"put", "delete", "extend_lock"}:
            raise StoreDenied("the medium is read-only", expected="calls that read", found=f"{verb} {name}")
        return call()


def test_a_disk_that_cannot_be_written_to_brings_what_it_has(strait: Strait) -> None:
    strait.export()
    report = strait.ingest(disk=Unwritable(strait.disk))
    assert isinstance(report.not_returned, StoreDenied)
    strait.judge(ONE)


def test_ingest_killed_at_any_call_harms_nothing_and_the_next_one_ends_it(strait: Strait) -> None:
    strait.back_up("2", steady=STEADY, second=SECOND)
    strait.export()
    counted = RecordingStore(MemoryStore(ManualClock()))
    strait.ingest(counted)
    fired = 0
    for survives in range(0, counted.traffic.request_count, 3):
        strait.island = MemoryStore(ManualClock())
        dying = CrashStore(strait.island, survives_calls=survives, applies_last=survives % 2 == 0)
        with pytest.raises(Crashed):
            strait.ingest(dying)
        fired += dying.has_crashed
        listed = snapshots(strait.on_the_island())
        assert all(read_back(strait.on_the_island(), one) in (ONE, TWO) for one in listed)
        strait.ingest()
        strait.judge(ONE, TWO)
    assert fired > 10


def test_export_killed_at_any_call_leaves_a_disk_that_is_refused_or_whole(strait: Strait, tmp_path: Path) -> None:
    counted = RecordingStore(MemoryStore(ManualClock()))
    strait.export(counted)
    for survives in range(0, counted.traffic.request_count, 5):
        disk = MemoryStore(ManualClock())
        with pytest.raises(Crashed):
            strait.export(CrashStore(disk, survives_calls=survives))
        strait.island = MemoryStore(ManualClock())
        with pytest.raises((NothingDone, StoreMissing)):
            strait.ingest(disk=disk)
        assert list(strait.island.list_objects("")) == []
        strait.export(disk)
        strait.ingest(disk=disk)
        strait.judge(ONE)


def test_the_page_is_no_object_of_the_repository(strait: Strait) -> None:
    strait.export()
    strait.ingest()
    assert HAVE_NAME in {stat.name for stat in strait.disk.list_objects("")}
    assert not any(stat.name.startswith("courier/") for stat in strait.island.list_objects(""))

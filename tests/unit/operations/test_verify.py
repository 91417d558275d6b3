"""What the host remembers makes hiding visible; scopes find what is meant even where the store hides it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.catalog.interface import Catalog, CopyRecord, CopyState, LaneHead, SnapshotRecord, SnapshotResult
from drorch.catalog.sqlite import open_sqlite
from drorch.errors import SnapshotUnknown
from drorch.format import names
from drorch.operations import verify
from drorch.operations.verify import Memory, VerifyRequest
from drorch.repository.findings import CheckReport, Kind
from drorch.repository.opening import Repository
from drorch.repository.run_parts import CommittedSnapshot
from drorch.storage.memory import MemoryStore
from tests.support.repositories import EPOCH, Household, ManualClock, back_up, counting_random


class House:
    """A repository with two snapshots of one source and one of another, and the catalog that knows them."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.store = MemoryStore(ManualClock())
        self.repository: Repository = Household().create(self.store)
        self.made = [self._back_up("land/d595", day) for day in (1, 2)] + [self._back_up("civil", 3)]

    def _back_up(self, source: str, day: int) -> CommittedSnapshot:
        made = back_up(
            self.repository, {"table": b"%d" % day * 70_000}, source=source, random_bytes=counting_random(f"{day}")
        )
        record = SnapshotRecord(
            snapshot=str(made.run),
            lane=str(made.lane),
            sequence=made.sequence,
            manifest_digest=str(made.manifest_digest),
            source=source,
            policy=source.partition("/")[0],
            engine="test",
            restore_point=EPOCH,
            started_at=EPOCH,
            ended_at=EPOCH,
            result=SnapshotResult.COMPLETE,
            bytes_read=0,
            bytes_stored=0,
            rows=0,
            tables=0,
            policy_digest="0" * 64,
        )
        copy = CopyRecord(
            snapshot=str(made.run), store="store0", state=CopyState.COMPLETE, stored_at=EPOCH, size_bytes=0
        )
        self.catalog.record_snapshot(record, [copy])
        self.catalog.remember_head(
            LaneHead(
                store="store0",
                lane=str(made.lane),
                sequence=made.sequence,
                manifest_digest=str(made.manifest_digest),
            )
        )
        return made

    def verify(self, wanted: str | None = None, *, memory: Memory | None = None) -> CheckReport:
        known = Memory.of(self.catalog, {"store0"}) if memory is None else memory
        return verify.run(
            self.repository,
            VerifyRequest(wanted=wanted),
            known,
            random_bytes=counting_random("seed"),
            progress=lambda *_: None,
        )

    def hide(self, *numbers: int) -> None:
        lane = self.made[0].lane
        self.store.delete([name(lane, number) for number in numbers for name in (names.manifest, names.commit)])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    catalog = open_sqlite(tmp_path / "catalog.sqlite")
    yield House(catalog)
    catalog.close()


def test_what_is_there_agrees_with_what_is_remembered(house: House) -> None:
    assert house.verify().errors == ()
    assert len(house.verify().good) == 3


def test_a_hidden_snapshot_is_missed_by_who_remembers_it_only(house: House) -> None:
    house.hide(2)
    assert {finding.kind for finding in house.verify().errors} == {Kind.HIDDEN}
    assert house.verify(memory=Memory()).errors == ()


@pytest.mark.parametrize("wanted", [None, "land", "land/d595"])
def test_a_hidden_lane_is_missed_by_name_too(house: House, wanted: str | None) -> None:
    house.hide(1, 2)
    assert {finding.kind for finding in house.verify(wanted).errors} == {Kind.HIDDEN}


def test_another_source_is_not_touched_by_it(house: House) -> None:
    house.hide(1, 2)
    assert house.verify("civil").errors == ()
    assert house.verify("civil").good == (str(house.made[2].run),)


def test_a_prefix_of_a_name_is_no_name(house: House) -> None:
    with pytest.raises(SnapshotUnknown):
        house.verify("lan")
    assert house.verify(house.made[1].run.short).good == (str(house.made[1].run),)

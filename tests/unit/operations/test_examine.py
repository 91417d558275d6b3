"""What the doctor says of a store's clock, and of directories."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from drorch.operations.examine import examine_clock, examine_directory
from drorch.repository.opening import Replica
from drorch.sources.interface import Level
from drorch.storage.memory import MemoryStore
from tests.support.repositories import EPOCH, ManualClock


@pytest.mark.parametrize(
    ("apart", "level"), [(0, Level.OK), (300, Level.NOTE), (1_200, Level.FAIL), (31_536_000, Level.FAIL)]
)
@pytest.mark.parametrize("side", [1, -1], ids=["ahead", "behind"])
def test_a_clock_that_is_wrong_is_told(apart: int, level: Level, side: int) -> None:
    store = MemoryStore(ManualClock())
    told = examine_clock(Replica(name="hanoi", store=store), store.server_time() + timedelta(seconds=side * apart))
    assert told.finding.level is level
    assert "hanoi: its clock and this host's are" in told.finding.text
    assert store.server_time() >= EPOCH


def test_a_directory_that_cannot_be_looked_at_is_a_failure_and_no_fault_of_ours(tmp_path: Path) -> None:
    (found,) = examine_directory(tmp_path / ("x" * 300), "state", 10)
    assert (found.finding.level, found.code) == (Level.FAIL, 11)
    assert found.finding.text.endswith("cannot be looked at: File name too long")

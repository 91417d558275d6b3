"""What a machine remembers of its chain of the ledger, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from drorch.errors import StoreError
from drorch.ids import LaneId
from drorch.operations.proof.memory import ChainMemory

CHAIN = LaneId(bytes(16))


@pytest.mark.parametrize("name", [str(CHAIN), "lock"])
def test_a_place_that_cannot_be_had_is_an_error_of_ours(name: str, tmp_path: Path) -> None:
    in_the_way = tmp_path / name
    in_the_way.mkdir() if name == "lock" else in_the_way.touch()
    with pytest.raises(StoreError, match="cannot be written"), ChainMemory(tmp_path, CHAIN).alone():
        pass

"""Is there room for a restore? Asked before it begins; a disk that is full all the same says nothing of the backup."""

from __future__ import annotations

import pytest

from drorch.errors import TargetFull, TargetRefused
from drorch.evidence.drill_checks import Check, Outcome
from drorch.operations.drills.checking import failed_by
from drorch.operations.drills.enough_room import lacking_room, needed_bytes
from drorch.operations.room import Disk

GIGABYTE = 10**9


@pytest.mark.parametrize("engine", ["postgresql", "mariadb", "sqlite", "files", "command"])
def test_what_fits_to_the_byte_is_begun_and_one_byte_less_is_not(engine: str) -> None:
    needed = needed_bytes(engine, GIGABYTE)
    assert needed > GIGABYTE
    assert lacking_room(engine, GIGABYTE, Disk(free_bytes=needed, total_bytes=needed)) is None
    told = lacking_room(engine, GIGABYTE, Disk(free_bytes=needed - 1, total_bytes=10 * needed))
    assert told is not None
    assert "room for about" in told


def test_a_server_needs_more_than_its_rows() -> None:
    assert needed_bytes("postgresql", GIGABYTE) > 2 * needed_bytes("files", GIGABYTE) - GIGABYTE


def test_a_full_disk_amid_a_restore_proves_neither() -> None:
    assert failed_by(Check.RESTORE, "restore", TargetFull("no room left")).outcome is Outcome.INCONCLUSIVE
    assert failed_by(Check.RESTORE, "restore", TargetRefused("a row was refused")).outcome is Outcome.FAIL

"""``drorch init`` keeps nothing of what it could not finish."""

from __future__ import annotations

from pathlib import Path

from drorch.errors import TargetRefused
from tests.support.desk import Desk


def test_a_file_that_cannot_be_written_is_said_and_nothing_is_kept(desk: Desk, tmp_path: Path) -> None:
    base = tmp_path / "new"
    (recipient,) = (desk.base / "keys").glob("custodian*.pub")
    (base / "keys" / recipient.name).mkdir(parents=True)  # in the way
    words = ("--store", "disk=store", "--recipient", str(recipient), "--root-passphrase-file", "passphrase")
    told = desk.drorch("init", str(base), *words, expect=TargetRefused.exit_code)
    assert f"{recipient.name} cannot be written" in " ".join(told.err.split())
    assert [path for path in base.rglob("*") if path.is_file()] == []

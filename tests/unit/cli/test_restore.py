"""What ``restore`` and ``status`` say of numbers: what came back and what was stored, not something beside it."""

from __future__ import annotations

from pathlib import Path

from drorch.quantities import format_size
from tests.support.desk import Desk


def test_one_table_is_counted_as_one_table(desk: Desk, tmp_path: Path) -> None:
    snapshot = desk.back_up()["snapshot"]
    whole = desk.restore(snapshot, tmp_path / "whole.db", "--json").json()
    one = desk.restore(snapshot, tmp_path / "one.db", "--table", "birth", "--json").json()
    assert (whole["tables"], whole["rows"]) == (2, 3)
    assert (one["tables"], one["rows"]) == (1, 2)
    assert 0 < one["bytes"] < whole["bytes"]


def test_what_status_calls_stored_is_what_the_backup_said(desk: Desk) -> None:
    desk.back_up()
    told = desk.back_up()["bytes_stored"]
    assert told > 0
    desk.drorch("status").says(f"Stored {format_size(told)} for")

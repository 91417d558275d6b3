"""Time-stamps that are owed are asked for again by the daemon: not while a drill may still be asking, and once an hour."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drorch.daemon.stamp_keeper import StampKeeper

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def test_it_asks_an_hour_after_the_drill_and_each_hour_until_nothing_is_owed(tmp_path: Path) -> None:
    owed, asked = tmp_path / "owed", []
    keeper = StampKeeper(owed, lambda: asked.append(True))
    keeper.beat(NOW)
    owed.touch()
    os.utime(owed, (NOW.timestamp(), NOW.timestamp()))
    keeper.beat(NOW + timedelta(minutes=59))
    assert asked == []
    for minutes in (60, 61, 119):
        keeper.beat(NOW + timedelta(minutes=minutes))
    assert len(asked) == 1
    keeper.beat(NOW + timedelta(minutes=120))
    assert len(asked) == 2
    owed.unlink()
    for minutes in (180, 240):
        keeper.beat(NOW + timedelta(minutes=minutes))
    assert len(asked) == 2


def test_one_that_failed_is_asked_again_no_sooner(tmp_path: Path) -> None:
    owed, asked = tmp_path / "owed", []

    def refused() -> None:
        asked.append(True)
        raise OSError

    keeper = StampKeeper(owed, refused)
    owed.touch()
    os.utime(owed, (0, 0))
    for minutes in (0, 1, 59):
        try:
            keeper.beat(NOW + timedelta(minutes=minutes))
        except OSError:
            assert minutes == 0
    assert asked == [True]

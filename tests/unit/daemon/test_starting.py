"""What a daemon has to do with the stores is done with stores that are opened anew: one that was away at the start comes back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from drorch.daemon.observing import Observer
from drorch.daemon.starting import store_users
from drorch.errors import StoreMissing
from drorch.settings import load_settings
from drorch.wiring import Wiring
from tests.support.desk import Desk
from tests.support.manual_clock import START

LATER = START + timedelta(minutes=20)


def users(wiring: Wiring, settings: Path) -> dict[str, Observer]:
    found = store_users(wiring, lambda: load_settings(settings, {}))
    return {type(one).__name__: one for one in found}


def away(desk: Desk, *, is_away: bool) -> None:
    for store in ("disk", "vault"):
        here, there = desk.base / store, desk.base / f"{store}.away"
        here.rename(there) if is_away else there.rename(here)


def test_a_machine_without_the_role_backup_reads_stores_that_come_back(desk: Desk) -> None:
    snapshot = desk.back_up()["snapshot"]
    settings = desk.base / "drorch.yaml"
    text = settings.read_text(encoding="utf-8").replace("var/state", "other-machine")
    settings.write_text(f"{text}roles: [drill]\n", encoding="utf-8")
    with Wiring(load_settings(settings, {})) as wiring:
        reader = users(wiring, settings)["StoreReader"]
        away(desk, is_away=True)
        with pytest.raises(StoreMissing):
            reader.beat(START)
        away(desk, is_away=False)
        reader.beat(START + timedelta(minutes=1))  # not every half minute
        assert wiring.catalog().snapshots() == ()
        reader.beat(LATER)
        assert [one.snapshot for one in wiring.catalog().snapshots()] == [snapshot]
    desk.drorch("status", "--check").says("1 of 1 are backed up by other machines")


def test_a_machine_that_backs_up_learns_from_nobody(desk: Desk) -> None:
    desk.back_up()
    with Wiring(load_settings(desk.base / "drorch.yaml", {})) as wiring:
        wiring.catalog().replace_listing([], [])
        users(wiring, desk.base / "drorch.yaml")["StoreReader"].beat(START)
        assert wiring.catalog().snapshots() == ()

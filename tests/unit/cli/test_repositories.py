"""A catalog saves a restore some looking, and its loss costs nothing else."""

from __future__ import annotations

from drorch.cli.repositories import known_lanes, known_sources
from drorch.settings import load_settings
from drorch.wiring import Wiring
from tests.support.desk import Desk


def test_without_a_catalog_nothing_is_known_and_nothing_fails(desk: Desk) -> None:
    desk.back_up()
    settings = load_settings(desk.base / "drorch.yaml", {})
    with Wiring(settings) as wiring:
        lanes, retired = known_sources(wiring)
        assert (list(lanes.values()), retired) == (["civil"], set())
    settings.state_directory.chmod(0o777)
    with Wiring(settings) as wiring:
        assert known_sources(wiring) == ({}, ())
        assert known_lanes(wiring, "latest:civil").wanted == ()

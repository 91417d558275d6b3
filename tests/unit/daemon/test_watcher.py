"""The dead man's switch is pinged as often as it expects, whatever happens to the clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from drorch.daemon.watcher import Watcher
from drorch.settings import load_settings
from drorch.wiring import Wiring
from tests.support.listener import Listener
from tests.support.manual_clock import START


@pytest.fixture
def settings(tmp_path: Path, listener: Listener) -> Path:
    file = tmp_path / "drorch.yaml"
    file.write_text(
        "version: 1\ndirectories: {state: state}\nmetrics: none\nheartbeat: {url: 'env:SWITCH', every: 1h}\n",
        encoding="utf-8",
    )
    return file


def test_a_clock_that_is_set_back_keeps_nobody_waiting_for_a_ping(settings: Path, listener: Listener) -> None:
    environment = {"SWITCH": f"http://{listener.address}/ping"}
    with Wiring(load_settings(settings, environment)) as wiring:
        watcher = Watcher(wiring, lambda: wiring.settings, lambda _text: None)
        for moment in (START, START + timedelta(minutes=30), START - timedelta(days=1)):
            watcher.beat(moment)
    assert listener.paths == ["/ping", "/ping"]

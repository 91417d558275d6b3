"""Where drorch keeps its own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from drorch.settings import default_settings


class TestDirectories:
    def test_root_has_those_of_the_system(self, directory: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("os.geteuid", lambda: 0)
        found = default_settings({"HOME": "/nonexistent"})
        assert (found.state_directory, found.cache_directory) == (Path("/var/lib/drorch"), Path("/var/cache/drorch"))
        assert found.temporary_directory == Path("/var/tmp/drorch")

    def test_others_have_those_of_their_account(self, directory: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("os.geteuid", lambda: 4_242_424)
        found = default_settings({"HOME": "/home/an", "XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "relative"})
        assert (found.state_directory, found.cache_directory) == (Path("/s/drorch"), Path("/home/an/.cache/drorch"))
        assert found.temporary_directory == Path("/var/tmp/drorch-4242424")
        assert default_settings({}).state_directory == Path("/nonexistent/.local/state/drorch")

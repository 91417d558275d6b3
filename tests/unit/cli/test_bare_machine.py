"""A machine without a drorch.yaml: a command that was not told which repository is meant says so, and how to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.desk import Desk


@pytest.mark.parametrize(
    "words",
    [
        ["snapshots"],
        ["snapshots", "show", "latest:land"],
        ["restore", "latest:land", "--to", "sqlite:///nowhere/x.db"],
        ["verify"],
        ["evidence", "log"],
    ],
    ids=" ".join,
)
def test_no_store_is_named(words: list[str], desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bare").mkdir()
    monkeypatch.chdir(tmp_path / "bare")
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "bare"))
    answer = desk.call(*words)
    assert answer.code == 11
    answer.says("no store is named", "--store URL --trust DIGEST")

"""A place for a drorch.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that only the caller may write."""
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    return tmp_path

"""drorch's own cache is no part of what is backed up."""

from __future__ import annotations

from pathlib import Path

import pytest

from drorch.errors import SourceUnsupported
from drorch.sources.files.own_cache import require_outside


@pytest.mark.parametrize("tree", [".", "var", "var/cache/drorch", "linked"])
def test_a_tree_that_holds_it_is_refused(tmp_path: Path, tree: str) -> None:
    cache = tmp_path / "var/cache/drorch"
    cache.mkdir(parents=True)
    (tmp_path / "linked").symlink_to(tmp_path / "var")
    with pytest.raises(SourceUnsupported, match="own cache"):
        require_outside(cache, ["/elsewhere", str(tmp_path / tree)], ["*.tmp", "/other/"])


@pytest.mark.parametrize("exclude", ["/var/cache/drorch/", "/var/cache/", "cache/", "drorch"])
def test_one_that_leaves_it_out_is_taken(tmp_path: Path, exclude: str) -> None:
    require_outside(tmp_path / "var/cache/drorch", [str(tmp_path)], [exclude])


@pytest.mark.parametrize("tree", ["var/cache/dror", "var/cache/drorch/inside", "..other", "srv"])
def test_a_tree_beside_it_is_taken(tmp_path: Path, tree: str) -> None:
    require_outside(tmp_path / "var/cache/drorch", [str(tmp_path / tree)], [])

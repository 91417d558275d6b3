"""Make room on the cache's disk: bases of deltas are the big part of the cache, and the part that costs least to lose."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from drorch.repository.index_file import remove_file

BASES, ANCHORS = ".bases", ".anchors"


def shrink_bases(cache: Path, wanted_bytes: int) -> int:
    """Remove bases, those of the lane with the most first, until ``wanted_bytes`` are free; return what was removed.

    A lane without bases stores what changes whole once more, and caches it anew. A run that is using them goes on without.
    """
    removed = 0
    for directory in sorted(_lanes(cache), key=_size, reverse=True):
        if removed >= wanted_bytes:
            break
        size = _size(directory)
        shutil.rmtree(directory, ignore_errors=True)
        remove_file(directory.with_suffix(ANCHORS))
        removed += size - _size(directory)
    return removed


def _lanes(cache: Path) -> list[Path]:
    """Return the directories of bases; none where somebody else could have put them."""
    with suppress(OSError):
        if cache.stat().st_uid == os.geteuid() and not cache.stat().st_mode & 0o022:
            return [path for path in cache.glob(f"*{BASES}") if path.is_dir() and not path.is_symlink()]
    return []


def _size(directory: Path) -> int:
    total = 0
    for folder, _folders, files in os.walk(directory):
        for name in files:
            with suppress(OSError):
                total += (Path(folder) / name).lstat().st_size
    return total

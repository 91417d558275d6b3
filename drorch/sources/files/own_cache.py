"""A backup that held drorch's own cache would hold, changed at each run, a copy of what it just stored."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from drorch.errors import SourceUnsupported
from drorch.sources.files.patterns import Patterns


def require_outside(cache: Path, paths: Sequence[str], exclude: Sequence[str]) -> None:
    """Raise ``SourceUnsupported`` when ``cache`` lies in one of the trees and is not left out of it."""
    place = os.fsencode(os.path.realpath(cache))
    left_out = Patterns(exclude)
    for path in paths:
        root = os.fsencode(os.path.realpath(path))
        inside = os.path.relpath(place, root)
        if inside == b".." or inside.startswith(b"../"):
            continue
        if inside == b"." or not left_out.fit(inside, is_directory=True):
            raise SourceUnsupported(
                "drorch's own cache lies in a tree that is backed up",
                expected=f"`directories: {{cache: ...}}` outside {path}",
                found=str(cache),
                hint=f"move the cache, or leave it out: `exclude: [/{os.fsdecode(inside)}/]`",
            )

"""Write a throw-away tree of files, names as bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from drorch.sandbox.interface import TreeEntry


def write_tree(root: Path, entries: Iterable[TreeEntry]) -> None:
    """Make ``root`` and what is to be in it; directories come by themselves with the files in them."""
    root.mkdir(parents=True)
    for entry in entries:
        place = root / os.fsdecode(entry.name)
        if entry.content is None and entry.says is None and entry.same_as is None:
            place.mkdir(parents=True)
            place.chmod(entry.mode)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.says is not None:
            place.symlink_to(os.fsdecode(entry.says))
        elif entry.same_as is not None:
            place.hardlink_to(root / os.fsdecode(entry.same_as))
        else:
            place.write_bytes(entry.content or b"")
            place.chmod(entry.mode)
            if entry.modified_ns is not None:
                os.utime(place, ns=(entry.modified_ns, entry.modified_ns))

"""Directories of ours: nobody else may write there, and nothing starts when their disks are nearly full."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from drorch.errors import NothingDone, SettingsInvalid
from drorch.quantities import format_size

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def private_directory(path: Path, label: str) -> Path:
    """Make ``path`` with mode 0700 and return it; raise ``SettingsInvalid`` when another account could put something there.

    ``label`` is its name among `directories:` of drorch.yaml.
    """
    remedy = f"name another in `directories: {{{label}: ...}}`"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status, parent, is_link = path.stat(), path.parent.stat(), path.is_symlink()
    except OSError as error:
        raise SettingsInvalid(
            f"the directory {path} cannot be made", found=error.strerror or "", hint=f"make room or rights, or {remedy}"
        ) from error
    anybodys = status.st_uid not in {0, os.geteuid()} or status.st_mode & _WRITABLE_BY_OTHERS
    if anybodys or (is_link and parent.st_mode & stat.S_IWOTH):  # who may write in /var/tmp may have made the link
        raise SettingsInvalid(
            f"the directory {path} is not safe",
            expected="one of this account or root, in which nobody else may write",
            found=f"{'a link, ' if is_link else ''}owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}",
            hint=f"if it is yours: chmod 0700 {path}; else {remedy}",
        )
    return path


def require_room(directories: Mapping[str, Path], keep_free_percent: int) -> None:
    """Raise ``NothingDone`` when the disk of a directory has less than that share free; ``directories`` is by label."""
    for label, path in directories.items():
        existing = next((place for place in (path, *path.parents) if place.exists()), path)
        try:
            disk = os.statvfs(existing)
        except OSError:  # whoever writes there says what is the matter
            continue
        free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        if free * 100 < total * keep_free_percent:
            raise NothingDone(
                f"the disk of {path} is nearly full, so nothing was started",
                expected=f"{keep_free_percent} % free, as `keep_free` says",
                found=f"{format_size(free)} of {format_size(total)}",
                hint=f"make room, name another directory in `directories: {{{label}: ...}}`, or lower"
                " `limits: {keep_free: ...}` in drorch.yaml",
            )

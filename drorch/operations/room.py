"""Directories of ours: nobody else may write there, and nothing starts when their disks are nearly full."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Room on the disk of a directory, as an unprivileged account sees it."""

    free_bytes: int
    total_bytes: int

    def missing_bytes(self, keep_free_percent: int) -> int:
        """Return how much must become free before that share of the disk is; 0 when it is."""
        return max(0, (self.total_bytes * keep_free_percent + 99) // 100 - self.free_bytes)


def disk_of(path: Path) -> Disk:
    """Return the disk on which ``path`` lies or will lie; raises ``OSError``."""
    disk = os.statvfs(existing_part(path))
    return Disk(free_bytes=disk.f_bavail * disk.f_frsize, total_bytes=max(1, disk.f_blocks * disk.f_frsize))


def require_room(directories: Mapping[str, Path], keep_free_percent: int) -> None:
    """Raise ``NothingDone`` when the disk of a directory has less than that share free; ``directories`` is by label.

    The directory ``cache`` is shrunk first: what lies in it may go at any moment.
    """
    for label, path in directories.items():
        try:
            disk = disk_of(path)
            missing, cache = disk.missing_bytes(keep_free_percent), directories.get("cache")
            if missing and cache is not None and _on_one_disk(cache, path):
                from drorch.repository.cache_room import shrink_bases  # not with every command: `status` is to be quick

                shrink_bases(cache, missing)
                disk = disk_of(path)
        except OSError:  # whoever writes there says what is the matter
            continue
        if disk.missing_bytes(keep_free_percent):
            raise NothingDone(
                f"the disk of {path} is nearly full, so nothing was started",
                expected=f"{keep_free_percent} % free, as `keep_free` says",
                found=f"{format_size(disk.free_bytes)} of {format_size(disk.total_bytes)}",
                hint=f"make room, name another directory in `directories: {{{label}: ...}}`, or lower"
                " `limits: {keep_free: ...}` in drorch.yaml",
            )


def _on_one_disk(one: Path, other: Path) -> bool:
    return existing_part(one).stat().st_dev == existing_part(other).stat().st_dev


def existing_part(path: Path) -> Path:
    """Return the path itself or the nearest directory above it that is there; raises ``OSError``."""
    return next((place for place in (path, *path.parents) if place.exists()), path)

"""A disk that really is full: a tmpfs of a few MB in a mount namespace of its own; needs no root where user namespaces work.

Nothing outside sees the mount, and it ends with its keeper. Where neither root nor user namespaces may mount (a container
without rights) ``can_mount`` is false, and tests fall back on a limit of the size of files (``prlimit --fsize``), which
is refused just as really: ``EFBIG`` instead of ``ENOSPC``.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_MOUNT = 'mount -t tmpfs -o size="$1",mode=0777 tmpfs "$2" && echo mounted && exec cat'


@dataclass(frozen=True, kw_only=True)
class SmallDisk:
    """``directory`` is small for whatever is started with ``prefix``; ``outside`` is how everybody else sees it."""

    directory: Path
    keeper: int

    @property
    def prefix(self) -> list[str]:
        """What goes before a command's words."""
        words = ["nsenter", f"--target={self.keeper}", "--mount", f"--wd={Path.cwd()}"]
        return words if os.geteuid() == 0 else [*words, "--user", "--preserve-credentials"]

    @property
    def server_prefix(self) -> list[str]:
        """The same for a PostgreSQL server, which refuses to be root, be it a namespace's."""
        if os.geteuid() == 0:  # who starts the server makes it somebody else
            return self.prefix
        return [*self.prefix, "unshare", "--user", "--map-user=1000", "--map-group=1000"]

    @property
    def outside(self) -> Path:
        return Path(f"/proc/{self.keeper}/root{self.directory}")

    def fill(self, *, but_bytes: int) -> Path:
        """Fill the disk with a file until only ``but_bytes`` are left; return the file."""
        path = self.outside / "filler"
        free = os.statvfs(self.outside)
        with path.open("wb") as file:
            left = free.f_bavail * free.f_frsize - but_bytes
            while left > 0:
                left -= file.write(bytes(min(left, 1 << 16)))
        return path


@functools.cache
def can_mount() -> bool:
    """Whether a file system can be mounted here; asked once."""
    told = subprocess.run([*_unshare(), "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False)
    return told.returncode == 0


def _unshare() -> Sequence[str]:
    return ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--mount", "--map-root-user")


@contextlib.contextmanager
def small_disk(directory: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """Lend a file system of ``size_bytes`` at ``directory``, which is made if it is not there."""
    directory.mkdir(exist_ok=True)
    command = [*_unshare(), "sh", "-c", _MOUNT, "sh", str(size_bytes), str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        try:
            assert keeper.stdout.readline() == b"mounted\n"
            yield SmallDisk(directory=directory, keeper=keeper.pid)
        finally:
            keeper.stdin.close()


def limited(size_bytes: int) -> list[str]:
    """Return what goes before a command's words so that no file of it can grow beyond ``size_bytes``."""
    return ["prlimit", f"--fsize={size_bytes}", "--"]


# Which refusals can be had here; the second only where something can be mounted.
REFUSALS = ("file-size-limit", "small-disk") if can_mount() else ("file-size-limit",)

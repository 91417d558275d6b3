"""The system calls that make an object durable, one method each.

Which of them run in which order is what survives a power loss; a recording stand-in proves that order
(tests/faults/test_filesystem_power_loss.py).
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


class SystemCalls(Protocol):
    """Calls of the operating system; all raise ``OSError``."""

    def create(self, path: str) -> int:
        """Create a file that must not exist, for writing, readable by its owner only; return its descriptor."""
        ...

    def write(self, descriptor: int, content: memoryview) -> int:
        """Write some of ``content``; return how many bytes."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return when the file's bytes are on the disk."""
        ...

    def link(self, existing: str, new: str) -> None:
        """Give a file a further name; raise ``FileExistsError`` when something has that name."""
        ...

    def unlink(self, path: str) -> None:
        """Remove a name."""
        ...

    def make_directory(self, path: str) -> None:
        """Make a directory that only its owner may enter; raise ``FileExistsError`` when something has that name."""
        ...

    def sync_directory(self, path: str) -> None:
        """Return when the names in the directory are on the disk."""
        ...


class PosixCalls:
    """The real ones."""

    def create(self, path: str) -> int:
        """See ``SystemCalls``."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)

    def write(self, descriptor: int, content: memoryview) -> int:
        """See ``SystemCalls``."""
        return os.write(descriptor, content)

    def sync(self, descriptor: int) -> None:
        """See ``SystemCalls``."""
        os.fsync(descriptor)

    def link(self, existing: str, new: str) -> None:
        """See ``SystemCalls``."""
        os.link(existing, new, follow_symlinks=False)

    def unlink(self, path: str) -> None:
        """See ``SystemCalls``."""
        Path(path).unlink()

    def make_directory(self, path: str) -> None:
        """See ``SystemCalls``."""
        Path(path).mkdir(DIRECTORY_MODE)

    def sync_directory(self, path: str) -> None:
        """See ``SystemCalls``."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file if nobody holds it: whether we hold it now, ``None`` where files cannot be locked.

    The lock goes with the descriptor, so that a dead process holds none.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True

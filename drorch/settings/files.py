"""Files of an installation, read so that nothing that lies there can hang or drown who reads."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from drorch.policy.encoding import LONGEST_FILE_BYTES

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def read_file(path: Path) -> bytes:
    """Return what a file holds, one byte more than may be used when it is too long; raise ``OSError``, also for what is no file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not make anybody wait
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(LONGEST_FILE_BYTES + 1)
    finally:
        os.close(descriptor)


def why_unsafe(status: os.stat_result) -> str:
    """Return who else could have written a file or directory; empty when only root and the caller could."""
    if status.st_uid not in {0, os.geteuid()}:
        return f"belongs to uid {status.st_uid}"
    if status.st_mode & _WRITABLE_BY_OTHERS:
        return f"is writable by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""

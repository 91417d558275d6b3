"""The one border where errors of the operating system become ours."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drorch.errors import (
    ObjectCorrupt,
    ObjectMissing,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreMissing,
    StoreUnavailable,
    StoreUnfit,
)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_PASSING = (
    errno.EIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENOTCONN,
    errno.ECONNRESET,
    errno.EREMOTEIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
    errno.EBUSY,
)
# What file systems without hard links, or that cannot flush a directory, answer.
_UNFIT = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK, errno.EINVAL, errno.ENAMETOOLONG)


@contextmanager
def our_errors(address: str, subject: str) -> Iterator[None]:
    """Turn an ``OSError`` of the body into the ``StoreError`` or ``ObjectMissing`` that it means."""
    try:
        yield
    except OSError as error:
        raise _translated(error, address, subject) from error


def _translated(error: OSError, address: str, subject: str) -> StoreError | ObjectCorrupt:
    found = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return missing(address, subject)
    if error.errno == errno.ELOOP:
        return ObjectCorrupt(f"{subject} is not a plain file", expected="a file", found="a symbolic link")
    if error.errno in _FULL:
        return StoreFull(f"no room left in {address}", found=found, hint="free space there, or add a disk")
    if error.errno in _DENIED:
        return StoreDenied(f"may not use {subject} in {address}", found=found, hint="check owner and mode")
    if error.errno in _PASSING:
        return StoreUnavailable(f"{address} does not answer", found=found)
    if error.errno in _UNFIT:
        return StoreUnfit(
            f"the file system of {address} cannot keep {subject} safely",
            expected="hard links, and directories that can be flushed",
            found=found,
            hint="use a local disk, NFS, or object storage",
        )
    return StoreError(f"{address} failed at {subject}", found=found)


def missing(address: str, subject: str) -> StoreError:
    """Return ``ObjectMissing``, or ``StoreMissing`` when the store's own directory is not there."""
    if not Path(address).is_dir():
        return StoreMissing(
            f"{address} is not there", expected="a directory", found="nothing", hint="is the disk mounted?"
        )
    return ObjectMissing(f"{subject} is not in {address}")

"""Owners, times and extended attributes of a name, read without following a link."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Mapping
from functools import lru_cache

from drorch.sources.files.lines import Metadata

_NOT_KEPT = (b"security.selinux",)  # labels are made by the policy of each host; `restorecon` gives them anew
_NONE = (errno.ENOTSUP, errno.ENODATA)  # a file system without attributes; one that went meanwhile


def read_xattrs(where: int | bytes) -> dict[bytes, bytes]:
    """Return the extended attributes behind a descriptor, or of a path whose last name is not followed. Raises ``OSError``."""
    follow = isinstance(where, int)
    found: dict[bytes, bytes] = {}
    try:
        names = os.listxattr(where, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return found
        raise
    for name in map(os.fsencode, names):
        if name in _NOT_KEPT:
            continue
        try:
            found[name] = os.getxattr(where, name, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _NONE:
                raise
    return found


def path_in(directory: int, name: bytes) -> bytes:
    """Return a path to ``name`` in an open directory, for calls that take no directory descriptor."""
    return f"/proc/self/fd/{directory}/".encode() + name


def metadata_of(status: os.stat_result, xattrs: Mapping[bytes, bytes]) -> Metadata:
    """Return what a listing keeps of a name."""
    return Metadata(
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        user=user_name(status.st_uid),
        group=group_name(status.st_gid),
        mtime_ns=status.st_mtime_ns,
        xattrs=xattrs,
    )


@lru_cache(maxsize=4_096)
def user_name(uid: int) -> str | None:
    """Return what this machine calls a user."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


@lru_cache(maxsize=4_096)
def group_name(gid: int) -> str | None:
    """Return what this machine calls a group."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None


def is_sparse(status: os.stat_result) -> bool:
    """Whether a file takes less room than its size says: it has holes, or its file system compresses."""
    return status.st_blocks * 512 < status.st_size


def kind_left_out(mode: int) -> str:
    """Return what a name is that no snapshot keeps; empty for files, directories and links."""
    tests = ((stat.S_ISSOCK, "socket"), (stat.S_ISFIFO, "fifo"), (stat.S_ISBLK, "device"), (stat.S_ISCHR, "device"))
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
        return ""
    return next((word for test, word in tests if test(mode)), "of an unknown kind")

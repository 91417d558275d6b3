"""Putting a finished tree in its place so that the name holds the old tree or the new one at any moment, and never less.

The work happens in ``NAME__drorch_ID/`` beside it: closed to others, marked as ours, locked. One exchange of two names makes the
result visible. A run that is killed leaves that directory; the next one removes the tree in it only when the mark says that it
was being built: after the exchange what lies there is the old one.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Final

from drorch.errors import DecisionNeeded, TargetRefused
from drorch.sources.files.building import remove_tree
from drorch.sources.files.names import shown
from drorch.sources.files.walking import reason

_MARK: Final = b"made-by-drorch"
_TREE: Final = b"tree"
_HERE: Final = -100  # AT_FDCWD
_NO_REPLACE, _EXCHANGE = 1, 2
_UNABLE: Final = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
OURS_ON_A_FRESH_DISK: Final = b"lost+found"
# Names are bytes here, which pathlib does not take.


class Side:
    """A directory of ours in which a tree is built."""

    def __init__(self, directory: bytes) -> None:
        self.directory = directory
        self.tree = os.path.join(directory, _TREE)


@contextmanager
def side_directory(target: bytes, short_id: str, *, inside: bool) -> Iterator[Side]:
    """Make a side directory beside ``target`` or in it, yield it with an empty tree, and remove it at the end.

    Raises ``DecisionNeeded`` when something else has its name or another restore is at work, ``TargetRefused``.
    """
    suffix = f"__drorch_{short_id}".encode()
    side = Side(os.path.join(target, suffix[2:]) if inside else target + suffix)
    with refusals(side.directory):
        with suppress(FileExistsError):
            os.mkdir(side.directory, 0o700)
        with suppress(OSError):  # or everything below would inherit what its new neighbours have
            os.removexattr(side.directory, "system.posix_acl_default")
        mark = os.path.join(side.directory, _MARK)
        if not _exists(mark) and os.listdir(side.directory):
            raise DecisionNeeded(f"{shown(side.directory)} is in the way and not ours", hint="move it away")
        locked = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _lock(locked, side)
            _clear(locked, side, target)
            os.mkdir(side.tree, 0o700)
            os.pwrite(locked, str(os.lstat(side.tree).st_ino).encode().ljust(20), 0)
            os.fsync(locked)
            try:
                yield side
            finally:
                _clear(locked, side, target)
                os.unlink(mark)
                os.rmdir(side.directory)
        finally:
            os.close(locked)


def put_new(side: Side, target: bytes) -> None:
    """Give the tree the name ``target``, which is absent or an empty directory; raises ``DecisionNeeded`` if it no longer is."""
    with refusals(target):
        os.sync()
        try:
            os.rename(side.tree, target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise DecisionNeeded(
                    f"something has appeared in {shown(target)} while the restore was running",
                    hint="--replace keeps it aside",
                ) from error
            raise
        _sync(os.path.dirname(target))


def put_inside(side: Side, target: bytes) -> None:
    """Move what the tree holds into ``target``, an empty directory that cannot be renamed: where a disk is mounted."""
    with refusals(target):
        for name in sorted(os.listdir(side.tree)):
            there = os.path.join(target, name)
            if _exists(there):
                raise DecisionNeeded(
                    f"{shown(there)} has appeared while the restore was running", hint="empty the directory, try again"
                )
            os.rename(os.path.join(side.tree, name), there)
        os.sync()


def replace_old(side: Side, target: bytes, moment: datetime) -> bytes:
    """Exchange the tree and ``target``; return where the old one is kept: ``NAME__before_YYYYMMDD_HHMM``."""
    with refusals(target):
        os.sync()
        try:
            _rename(side.tree, target, _EXCHANGE)
        except OSError as error:
            if error.errno not in _UNABLE:
                raise
            kept = _put_aside(
                target, target, moment
            )  # for an instant the name holds nothing: this file system cannot do better
            os.rename(side.tree, target)
        else:
            kept = _put_aside(side.tree, target, moment)
        _sync(os.path.dirname(target))
        return kept


def _put_aside(old: bytes, target: bytes, moment: datetime) -> bytes:
    name = target + f"__before_{moment:%Y%m%d_%H%M}".encode()
    for number in range(1, 1_000):
        kept = name if number == 1 else name + f"_{number}".encode()
        if _exists(kept):
            continue
        try:
            _rename(old, kept, _NO_REPLACE)
        except OSError as error:
            if error.errno == errno.EEXIST:
                continue
            if error.errno not in _UNABLE:
                raise
            os.rename(old, kept)
        return kept
    raise DecisionNeeded(f"{shown(target)} was kept aside a thousand times in this minute", hint="remove some of them")


def _clear(locked: int, side: Side, target: bytes) -> None:
    """Remove the tree if it is the one that was being built; an old one, left there by a run that was killed, is put aside."""
    if not _exists(side.tree):
        return
    built = os.pread(locked, 20, 0).strip()
    found = os.lstat(side.tree)
    if built == str(found.st_ino).encode() or not os.listdir(side.tree):
        remove_tree(side.tree)
    else:
        _put_aside(side.tree, target, datetime.fromtimestamp(found.st_ctime).astimezone())


def _rename(old: bytes, new: bytes, how: int) -> None:
    """renameat2(2), which Python does not have."""
    library = ctypes.CDLL(None, use_errno=True)
    call = getattr(library, "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, "no renameat2")
    if call(_HERE, ctypes.c_char_p(old), _HERE, ctypes.c_char_p(new), ctypes.c_uint(how)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _lock(descriptor: int, side: Side) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DecisionNeeded(
            f"another restore is at work in {shown(side.directory)}", hint="wait until it has ended"
        ) from error


def _exists(path: bytes) -> bool:
    return os.path.lexists(path)


def _sync(directory: bytes) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_empty(path: bytes) -> bool:
    """Whether a directory holds nothing, or only what a file system begins with."""
    return not [name for name in os.listdir(path) if name != OURS_ON_A_FRESH_DISK]


def is_directory(path: bytes) -> bool:
    """Whether there is a directory, not a link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


@contextmanager
def refusals(path: bytes) -> Iterator[None]:
    """Turn what the file system says into ``TargetRefused``."""
    try:
        yield
    except OSError as error:
        raise TargetRefused(f"{shown(path)} was refused by the file system", found=reason(error)) from error

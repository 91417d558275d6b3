"""What SQLite's errors mean to us: the one border where ``sqlite3`` exceptions turn into ours."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from drorch.errors import (
    CaptureFailed,
    DecisionNeeded,
    DrorchError,
    SourceLocked,
    SourceMissing,
    SourceRightsMissing,
    SourceUnsupported,
    TargetError,
    TargetFull,
    TargetRefused,
)

FOREIGN = (sqlite3.Error, sqlite3.Warning)
"""Everything that ``sqlite3`` raises; its ``Warning`` is not an ``Error``."""

_LOCKED_HINT = "another program writes to the file; raise `busy_timeout`, or choose a quieter hour"
_READING: dict[int, tuple[type[DrorchError], str, str]] = {
    sqlite3.SQLITE_BUSY: (SourceLocked, "the database is locked", _LOCKED_HINT),
    sqlite3.SQLITE_LOCKED: (SourceLocked, "a table of the database is locked", _LOCKED_HINT),
    sqlite3.SQLITE_PROTOCOL: (SourceLocked, "no read lock was granted on the write-ahead log", _LOCKED_HINT),
    sqlite3.SQLITE_NOTADB: (
        SourceUnsupported,
        "not a SQLite database, or an encrypted one",
        "drorch reads plain SQLite 3 files; an encrypted database is exported by its own application",
    ),
    sqlite3.SQLITE_CORRUPT: (
        CaptureFailed,
        "the database file is damaged",
        "`sqlite3 FILE .recover` saves what is readable; restore the last good snapshot beside it and compare",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        SourceRightsMissing,
        "SQLite cannot open the file or the -wal and -shm files beside it",
        "run as the file's owner, or give this account read access to the file, its -wal and -shm and their directory",
    ),
    sqlite3.SQLITE_READONLY: (
        SourceRightsMissing,
        "the file can be read, but its journal must be worked off by somebody who may write",
        "open the database once with its own application (or `sqlite3 FILE 'select 1'` as its owner), then try again",
    ),
    sqlite3.SQLITE_PERM: (SourceRightsMissing, "the file may not be read", "run as the file's owner"),
    sqlite3.SQLITE_INTERRUPT: (CaptureFailed, "the capture was stopped", ""),
    sqlite3.SQLITE_IOERR: (CaptureFailed, "the disk under the database reported an error", "look at the kernel's log"),
    sqlite3.SQLITE_NOLFS: (SourceUnsupported, "the file is larger than this system can read", ""),
}


def primary_code(error: BaseException) -> int:
    """Return SQLite's primary result code, or 1 (SQLITE_ERROR) where the module raised on its own."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def what_sqlite_said(error: BaseException) -> str:
    """Return the code's name and the text; SQLite puts names of tables and columns there, never values."""
    name = getattr(error, "sqlite_errorname", "")
    return f"{name}: {error}" if name else str(error)


@contextmanager
def reading(address: str) -> Iterator[None]:
    """Turn every foreign error of a block that reads a source into a ``SourceError``."""
    try:
        yield
    except FOREIGN as error:
        known = _READING.get(primary_code(error), (CaptureFailed, "the database could not be read", ""))
        kind, message, hint = known
        raise kind(f"{address}: {message}", found=what_sqlite_said(error), hint=hint) from error
    except FileNotFoundError as error:
        raise SourceMissing(f"{address}: there is no such file", hint="check `file:` in the policy") from error
    except PermissionError as error:
        raise SourceRightsMissing(
            f"{address}: this account may not read the file",
            found=str(error.strerror),
            hint="run as the file's owner, or give this account read access to the file and its directory",
        ) from error
    except OSError as error:
        raise CaptureFailed(f"{address}: the file cannot be read", found=str(error)) from error


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn every foreign error of a block that writes a target into a ``TargetError``; ``what`` names the object at work."""
    try:
        yield
    except FOREIGN as error:
        if primary_code(error) == sqlite3.SQLITE_FULL:
            raise TargetFull(f"{what}: no room left on the disk", found=what_sqlite_said(error)) from error
        if primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise DecisionNeeded(f"{what}: another program holds the file", hint="stop it, then try again") from error
        raise TargetRefused(f"{what}: SQLite refused it", found=what_sqlite_said(error)) from error
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        kind: type[TargetError] = TargetFull if full else TargetRefused
        raise kind(f"{what}: the file system refused it", found=str(error)) from error

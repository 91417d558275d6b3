"""The one border where SQLAlchemy's and the drivers' errors become ours."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import exc

from drorch.errors import Bug, CatalogError

_REBUILD = "then make it again: `drorch catalog rebuild` (history is lost, nothing that a restore needs)"
_BROKEN = ("the catalog is damaged", f"move the file away, {_REBUILD}")
_UNREADABLE = ("the catalog cannot be opened", "the file and its folder must belong to the account that runs drorch")

_FULL = ("no room for the catalog", "free space on its file system; what it held is still there")
_LEAST_ROOM_BYTES = 256 * 1024  # SQLite's shared memory and the first pages of its log

# SQLite's primary result codes (sqlite.org/rescode.html)
_SQLITE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: (
        "the catalog may not be written",
        "it must belong to the account that runs drorch, on a file system that is not read-only",
    ),
    sqlite3.SQLITE_BUSY: ("the catalog is locked by another process", "wait for it to end; `fuser FILE` names it"),
    sqlite3.SQLITE_LOCKED: ("the catalog is locked by another process", "wait for it to end; `fuser FILE` names it"),
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: ("this file is no catalog", f"if it was one, move it away, {_REBUILD}"),
    sqlite3.SQLITE_CANTOPEN: _UNREADABLE,
    sqlite3.SQLITE_PERM: _UNREADABLE,
    sqlite3.SQLITE_AUTH: _UNREADABLE,
    sqlite3.SQLITE_IOERR: ("the disk under the catalog fails", f"look at the kernel's log; {_REBUILD}"),
}

# What libpq says before there is a connection comes without a state: the first line tells why.
_UNCONNECTED = (
    "no connection to the catalog's server",
    "see `catalog:` in drorch.yaml; a database for it is made by: createdb -E UTF8 -T template0 NAME",
)
# PostgreSQL's SQLSTATE, the longest match counts (appendix A of its manual)
_POSTGRESQL = {
    "08": _UNCONNECTED,
    "25006": ("the catalog may not be written", "its server is a standby or read-only; see `catalog:` in drorch.yaml"),
    "42501": ("the account may not use the catalog", "it must own the catalog's tables, or own the empty database"),
    "53": ("the catalog's server has no room or connection left", "free space or connections on the server"),
    "55P03": ("the catalog is locked by another process", "wait for it to end; pg_stat_activity names it"),
    "57P": ("the catalog's server is going down or coming up", "try again when it is up"),
}


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Let only our errors out of the block: ``CatalogError`` for the world's faults, ``Bug`` for the caller's."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _of_driver(error, address) from error
    except exc.StatementError as error:  # not from the driver: a value that no column takes, such as a naive time
        raise Bug("the catalog was given a value that it cannot keep", found=_first_line(error.orig)) from error
    except exc.SQLAlchemyError as error:
        raise CatalogError(f"the catalog {address} cannot be used", found=_first_line(error)) from error
    except sqlite3.Error as error:  # from the driver itself, where SQLAlchemy does not stand between
        message, hint = _explanation(error, address)
        raise CatalogError(f"{message}: {address}", found=_first_line(error), hint=hint) from error
    except OSError as error:
        raise CatalogError(f"{_UNREADABLE[0]}: {address}", found=_first_line(error), hint=_UNREADABLE[1]) from error
    except (ValueError, OverflowError) as error:  # raised while values are read
        raise CatalogError(
            f"the catalog holds a value that drorch does not write: {address}",
            found=_first_line(error),
            hint=_BROKEN[1],
        ) from error


def _of_driver(error: exc.DBAPIError, address: str) -> Bug | CatalogError:
    if isinstance(error, exc.IntegrityError):
        return Bug("the catalog was asked for what contradicts it", found=_first_line(error.orig))
    message, hint = _explanation(error.orig, address)
    return CatalogError(f"{message}: {address}", found=_first_line(error.orig), hint=hint)


def _explanation(error: BaseException | None, address: str) -> tuple[str, str]:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF == sqlite3.SQLITE_IOERR and _is_full(address):
        return _FULL  # SQLite calls a full disk so when it is its shared memory that finds no room
    if code is not None:
        return _SQLITE.get(code & 0xFF, ("the catalog cannot be used", ""))
    if isinstance(error, sqlite3.Error):
        return _BROKEN  # raised by the driver itself: text that is not UTF-8
    state = getattr(error, "sqlstate", None)
    if state is None:
        return _UNCONNECTED
    for length in (5, 3, 2):
        if state[:length] in _POSTGRESQL:
            return _POSTGRESQL[state[:length]]
    return ("the catalog cannot be used", "")


def _is_full(address: str) -> bool:
    try:
        return shutil.disk_usage(Path(address).parent).free < _LEAST_ROOM_BYTES
    except OSError:
        return False


def _first_line(error: BaseException | None) -> str:
    # later lines of a server's message quote values
    return (str(error).strip().splitlines() or [""])[0][:200]

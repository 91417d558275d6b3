"""A SQLite file seen from outside: where it is, how it is opened read-only, and what opening would leave behind."""

from __future__ import annotations

import os
import pwd
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from drorch.errors import SourceMissing, SourceRightsMissing, SourceUnsupported, UsageInvalid

MAGIC = b"SQLite format 3\x00"
COMPANIONS = ("-wal", "-shm", "-journal")
OLDEST_LIBRARY = (3, 37, 0)
"""The first with STRICT tables and ``PRAGMA table_list``, which tells WITHOUT ROWID and shadow tables."""


def parse_location(location: str) -> Path:
    """Return the absolute path that ``sqlite:///var/lib/registry.db`` names; ``%23`` and the like are decoded.

    Raises:
        UsageInvalid: not that form, a host, a query, or a relative path.
    """
    rest = location.removeprefix("sqlite://")
    path = os.fsdecode(unquote_to_bytes(rest))
    if rest == location or not rest.startswith("/") or not rest.strip("/") or set(rest) & {"?", "#"} or "\x00" in path:
        raise UsageInvalid(
            "not the location of a SQLite file",
            expected="sqlite:///path/file.db",
            found=location[:200],
            hint="the path is absolute; write ? as %3F, # as %23 and % as %25",
        )
    return Path("/" + path.lstrip("/"))


@dataclass(frozen=True, slots=True)
class Header:
    """What the first 100 bytes say without SQLite."""

    is_empty: bool
    is_wal: bool


def read_header(path: Path) -> Header:
    """Return what the file's header says; a file of no bytes is an empty database.

    Raises:
        SourceMissing: there is no regular file.
        SourceUnsupported: the file is not a plain SQLite 3 database.
        OSError: as the system says.
    """
    if path.exists() and not path.is_file():
        raise SourceMissing(f"{path} is not a regular file", expected="a SQLite database file")
    with path.open("rb") as file:
        header = file.read(100)
    if header and (len(header) < 100 or not header.startswith(MAGIC)):
        raise SourceUnsupported(
            f"{path} is not a SQLite database, or an encrypted one",
            expected="a file that starts with 'SQLite format 3'",
            hint="drorch reads plain SQLite 3 files; an encrypted database is exported by its own application",
        )
    return Header(is_empty=not header, is_wal=bool(header) and 2 in header[18:20])


def refuse_foreign_companions(path: Path, header: Header) -> None:
    """Refuse when SQLite would create ``-wal`` or ``-shm`` under this account beside somebody else's database.

    Measured: opening a WAL database whose companions are absent creates them, even with ``mode=ro``. As root they get
    the owner of the database; for any other account they would shut the owner out of its own database.

    Raises:
        SourceRightsMissing: with the account to use.
    """
    if not header.is_wal or all(Path(f"{path}{suffix}").exists() for suffix in ("-wal", "-shm")):
        return
    owner = path.stat().st_uid
    if os.geteuid() in {0, owner}:
        return
    raise SourceRightsMissing(
        f"{path} is in WAL mode and reading it would create -wal and -shm files that its owner cannot write",
        expected=f"to run as {_account_name(owner)} or root",
        found=f"running as {_account_name(os.geteuid())}",
        hint="run drorch as the file's owner, or back up while the application has the database open",
    )


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def connect_read_only(path: Path, *, busy_timeout_seconds: float) -> sqlite3.Connection:
    """Return a connection that cannot write: TEXT is fetched as ``bytearray``, BLOB as ``bytes``.

    Raises:
        sqlite3.Error: as SQLite says.
    """
    uri = f"file:{quote(os.fsencode(path))}?mode=ro"
    connection = sqlite3.connect(
        uri, uri=True, timeout=busy_timeout_seconds, isolation_level=None, check_same_thread=False, cached_statements=0
    )
    try:
        connection.text_factory = bytearray
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA cell_size_check=ON")  # damaged pages are errors, not strange rows
    except BaseException:
        connection.close()
        raise
    return connection


def identifier(name: str) -> str:
    """Return ``name`` quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'

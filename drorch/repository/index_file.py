"""The file behind a lane's index: opened for one process at a time, thrown away when broken, done without when it cannot be had."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import suppress
from pathlib import Path

VERSION = 5
_SCHEMA = f"""
create table if not exists segment (name text primary key) without rowid;
create table if not exists pack (
    run blob not null, ordinal integer not null, digest blob not null, size integer not null,
    present integer not null default 0, listed integer not null default 0, seen integer not null default 0,
    stored_at integer not null default 0,
    primary key (run, ordinal)) without rowid;
create index if not exists pack_digest on pack (digest);
create table if not exists chunk (
    id blob primary key, kind integer not null, plain_length integer not null, run blob not null,
    place blob not null, twin blob not null, base blob not null, checksum integer not null) without rowid;
create table if not exists pack_use (
    run blob not null, ordinal integer not null, held integer not null, served integer,
    primary key (run, ordinal)) without rowid;
create table if not exists pack_list (
    run blob not null, store text not null, digest blob not null, primary key (run, store)) without rowid;
create table if not exists carried (
    name text primary key, entry blob not null, needs blob not null, checksum integer not null) without rowid;
create temp table fresh (
    id blob primary key, kind integer not null, plain_length integer not null, run blob not null,
    place blob not null, twin blob not null, base blob not null, checksum integer not null) without rowid;
pragma user_version = {VERSION};
"""


def open_file(path: Path | None) -> tuple[sqlite3.Connection, Path | None]:
    """Return a connection and the file that is behind it; ``None`` when that ends with the connection.

    It does so when ``path`` is ``None``, and when the file is in use by another process or cannot be read or written. The rows of one
    process must never be seen by another: which packs count as present differs from run to run.
    """
    if path is not None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return _prepared_or_new(path), path
        except (sqlite3.Error, OSError):
            pass
    return _prepared(""), None  # a temporary file of SQLite's, not memory: a lane may hold millions of chunks


def remove_file(path: Path) -> None:
    """Remove the file and its log, as far as that is possible: a log that stayed would be played into the next file."""
    for part in (path, *(path.with_name(path.name + tail) for tail in ("-wal", "-shm", "-journal"))):
        with suppress(OSError):
            part.unlink(missing_ok=True)


def checksum(*parts: bytes) -> int:
    """Return what tells that a row is as it was written: SQLite does not notice a bit that flips in a file."""
    value = 0
    for part in parts:
        value = zlib.crc32(part, value)
    return value


def _prepared_or_new(path: Path) -> sqlite3.Connection:
    try:
        return _prepared(str(path))
    except sqlite3.OperationalError:  # locked, full, not ours to write: nothing is wrong with the file
        raise
    except sqlite3.DatabaseError:
        remove_file(path)
        return _prepared(str(path))


def _prepared(target: str) -> sqlite3.Connection:
    connection = sqlite3.connect(target, check_same_thread=False, timeout=0)
    try:
        connection.execute("pragma locking_mode = exclusive")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.create_function("ordinal_of", 1, _ordinal_of, deterministic=True)
        _check_version(connection)
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("pragma user_version").fetchone()
    (tables,) = connection.execute("select count(*) from sqlite_master").fetchone()
    if tables and version != VERSION:
        raise sqlite3.DatabaseError("tables of another version")


def _ordinal_of(place: bytes) -> int:
    return int.from_bytes(place[:4], "big")

"""Putting a finished database file in its place so that the name holds the old content or the new at any moment.

The work happens in a directory beside the file (same file system, closed to others, marked as ours); one ``rename`` or
``link`` makes the result visible. What a killed run leaves is that directory, which the next run recognises.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from drorch.errors import DecisionNeeded
from drorch.sources.sqlite.database_file import COMPANIONS, connect_read_only
from drorch.sources.sqlite.faults import FOREIGN, primary_code, what_sqlite_said, writing

_MARK = "made-by-drorch"
_FILE = "database"
_PATIENCE_SECONDS = 2.0
_DAMAGE = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_STOP_PROGRAMS = "stop the programs that use it, then try again"


@contextmanager
def side_directory(file: Path, short_id: str) -> Iterator[Path]:
    """Make ``FILE__drorch_ID/`` and yield the path inside it where the new database is to be built; remove it all at the end.

    Raises:
        DecisionNeeded: something else has that name, or another restore of this snapshot is at work.
        TargetError: the file system refused.
    """
    directory = file.with_name(f"{file.name}__drorch_{short_id}")
    with writing(str(directory)):
        directory.mkdir(mode=0o700, exist_ok=True)
        mark = directory / _MARK
        if not mark.exists() and any(directory.iterdir()):
            raise DecisionNeeded(f"{directory} is in the way and not ours", hint="move it away")
        with mark.open("ab") as locked:
            _lock(locked.fileno(), directory)
            _remove_all_but_mark(directory)
            try:
                yield directory / _FILE
            finally:
                _remove_all_but_mark(directory)
                mark.unlink()
                directory.rmdir()


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DecisionNeeded(f"another restore is at work in {directory}", hint="wait until it has ended") from error


def _remove_all_but_mark(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.name != _MARK:
            entry.unlink()


def sync(path: Path) -> None:
    """Return when the content of a file, or the names in a directory, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_new(built: Path, file: Path) -> None:
    """Give ``built`` the name ``file``, which is absent or empty.

    Raises:
        DecisionNeeded: a file has appeared there in the meantime.
        TargetError: the file system refused.
    """
    with writing(str(file)):
        sync(built)
        if file.exists() and file.stat().st_size == 0:
            _take_over_mode_and_owner(file, built)
            built.rename(file)
        else:
            try:
                os.link(built, file)  # unlike rename, never over somebody's file
            except FileExistsError as error:
                raise DecisionNeeded(
                    f"{file} has appeared while the restore was running", hint="--replace keeps it aside"
                ) from error
        sync(file.parent)


def replace_old(built: Path, file: Path, moment: datetime) -> Path:
    """Keep the old ``file`` as ``FILE__before_YYYYMMDD_HHMM``, give its name to ``built``, and return where the old one is.

    The old database is brought to rest first: its write-ahead log or hot journal is worked into it, since companions
    of the old file would be taken for those of the new one.

    Raises:
        DecisionNeeded: another program has the old database open, or its log cannot be worked in.
        TargetError: the file system refused.
    """
    with _at_rest(file), writing(str(file)):
        _take_over_mode_and_owner(file, built)
        sync(built)
        kept = _keep_under_another_name(file, f"{file.name}__before_{moment:%Y%m%d_%H%M}")
        sync(file.parent)  # the old one has two names now; from here on it can only lose the first
        built.rename(file)
        sync(file.parent)
    return kept


@contextmanager
def _at_rest(file: Path) -> Iterator[None]:
    """Hold the old database so that nobody writes to it, with nothing of it outside the file."""
    _refuse_damage_with_a_log(file)
    try:
        with closing(sqlite3.connect(file, timeout=_PATIENCE_SECONDS, isolation_level=None)) as connection:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            else:
                connection.execute("BEGIN EXCLUSIVE")
                yield
                return
    except FOREIGN as error:
        if primary_code(error) not in _DAMAGE:
            raise DecisionNeeded(
                f"{file} cannot be brought to rest", found=what_sqlite_said(error), hint=_STOP_PROGRAMS
            ) from error
    left = [suffix for suffix in COMPANIONS if Path(f"{file}{suffix}").exists()]
    if left:  # the last connection to close removes them: somebody else is connected
        raise DecisionNeeded(f"another program has {file} open", found=f"{file.name}{left[0]}", hint=_STOP_PROGRAMS)
    yield


def _refuse_damage_with_a_log(file: Path) -> None:
    """Refuse a damaged file whose log still holds something: opening it for writing would mix the two for good."""
    if not any(has_bytes(Path(f"{file}{suffix}")) for suffix in ("-wal", "-journal")):
        return
    try:
        with closing(connect_read_only(file, busy_timeout_seconds=_PATIENCE_SECONDS)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except FOREIGN as error:
        if primary_code(error) in _DAMAGE:
            hint = f"move {file.name} and the files {', '.join(COMPANIONS)} beside it away together: both may be needed to save what is in them"
            raise DecisionNeeded(
                f"{file} is damaged and has a log", found=what_sqlite_said(error), hint=hint
            ) from error


def has_bytes(path: Path) -> bool:
    """Tell whether there is a file that is not empty."""
    return path.exists() and path.stat().st_size > 0


def _keep_under_another_name(file: Path, name: str) -> Path:
    for number in range(1, 1000):
        kept = file.with_name(name if number == 1 else f"{name}_{number}")
        try:
            os.link(file, kept)
        except FileExistsError:
            continue
        except OSError:  # a file system without hard links
            if kept.exists():
                continue
            shutil.copy2(file, kept)
            sync(kept)
        return kept
    raise DecisionNeeded(f"{file} was kept aside a thousand times in this minute", hint="remove some of them")


def _take_over_mode_and_owner(old: Path, new: Path) -> None:
    status = old.stat()
    new.chmod(status.st_mode & 0o777)
    if (status.st_uid, status.st_gid) != (new.stat().st_uid, new.stat().st_gid):
        os.chown(new, status.st_uid, status.st_gid)

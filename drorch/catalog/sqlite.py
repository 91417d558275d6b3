"""The catalog in a SQLite file of its own: the default."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from drorch.catalog.complaints import translated
from drorch.catalog.database import WRITING, disposed_on_error
from drorch.catalog.schema import SHIPPED, Revisions, bring_up, refuse_newer, revision_of
from drorch.catalog.sql import SqlCatalog
from drorch.errors import CatalogError
from drorch.quantities import counted

if TYPE_CHECKING:
    import sqlite3

PATIENCE_SECONDS = 30.0  # how long a call waits for another writer; each writes for milliseconds


def open_sqlite(
    path: Path, *, patience_seconds: float = PATIENCE_SECONDS, revisions: Revisions = SHIPPED
) -> SqlCatalog:
    """Open the catalog file, making it (mode 0600, its folder 0700) or migrating it where needed.

    Before a migration the file is copied to ``NAME.before-REVISION``; a migration that fails changes nothing.
    Raises ``CatalogTooNew``, or ``CatalogError`` when the file cannot be used or is not a catalog.
    """
    address = str(path)
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=address),
        connect_args={"timeout": patience_seconds, "check_same_thread": False},
        poolclass=QueuePool,
        max_overflow=-1,
        hide_parameters=True,
    )
    _configure(engine)
    with disposed_on_error(engine), translated(address), _locked_folder(path.parent):
        _prepare_file(path)
        _bring_up(engine, path, revisions)
    return SqlCatalog(engine, address)


def _configure(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _make_durable_and_strict(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we begin and end transactions, not the driver
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # a transaction that reads first and asks for the lock later can be refused at once, without any waiting
        is_writing = connection.get_execution_options().get(WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    """Make the folder, and let one process at a time open a catalog in it: the first makes or migrates the file."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _prepare_file(path: Path) -> None:
    """Make the file, or take other people's rights from it.

    An existing file is not opened here: closing it again would drop the locks that SQLite, in this process, holds on it.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        return
    if not stat.S_ISREG(found.st_mode):
        raise CatalogError(f"the catalog is not a file: {path}", hint="see `catalog:` and `state:` in drorch.yaml")
    if found.st_mode & 0o077 and found.st_uid == os.geteuid():
        path.chmod(stat.S_IMODE(found.st_mode) & ~0o077)


def _bring_up(engine: Engine, path: Path, revisions: Revisions) -> None:
    address = str(path)
    with engine.connect() as connection:
        revision = revision_of(connection, address)
    if revision == revisions.head:
        return
    if revision is not None:
        refuse_newer(revision, revisions, address)
    with engine.connect() as connection:
        # a migration may replace a table that others point to; the pragma counts only outside a transaction
        _driver(connection).execute("PRAGMA foreign_keys = OFF")
        connection.execution_options(**{WRITING: True})
        with connection.begin():
            if revision is not None:
                _copy_aside(engine, path.with_name(f"{path.name}.before-{revisions.head}"))
            bring_up(connection, revision, revisions)
            _check_references(connection, address)
    engine.dispose()  # that connection does not check foreign keys


def _copy_aside(engine: Engine, copy: Path) -> None:
    """Copy the catalog, mode 0600; whoever holds the lock for writing lets it be read."""
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        with engine.connect() as connection:
            _driver(connection).execute("VACUUM INTO ?", (str(unfinished),))  # it takes a file that is empty
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    unfinished.replace(copy)


def _check_references(connection: Connection, address: str) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise CatalogError(
            f"the catalog cannot be migrated: {address}",
            found=f"{counted(len(broken), 'row')} that lead nowhere, the first in {broken[0][0]}",
            hint="move the file away, then `drorch catalog rebuild` (history is lost)",
        )


def _driver(connection: Connection) -> sqlite3.Connection:
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return driver

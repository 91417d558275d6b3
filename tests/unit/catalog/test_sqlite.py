"""The catalog's file: how it is made, who may read it, and what is said when it cannot be used."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from drorch.catalog.interface import Catalog
from drorch.catalog.sql import SqlCatalog
from drorch.catalog.sqlite import open_sqlite
from drorch.catalog.tables import HEAD
from drorch.errors import CatalogError, CatalogTooNew
from tests.support.catalogs import START, a_copy, a_run, a_snapshot

LONG_NAME = "CANARY" + "x" * 994


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "catalog.db"


@pytest.fixture
def catalog(path: Path) -> Iterator[SqlCatalog]:
    opened = open_sqlite(path)
    yield opened
    opened.close()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestTheFile:
    @pytest.mark.parametrize("umask", [0, 0o022, 0o077])
    def test_nobody_else_may_read_it(self, path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            catalog = open_sqlite(path)
            catalog.begin_run(a_run())
            modes = {entry.name: mode_of(entry) for entry in path.parent.iterdir()}
            catalog.close()
        finally:
            os.umask(before)
        assert modes == {"catalog.db": 0o600, "catalog.db-wal": 0o600, "catalog.db-shm": 0o600}
        assert mode_of(path.parent) == 0o700

    def test_rights_of_others_are_taken_away(self, path: Path) -> None:
        open_sqlite(path).close()
        path.chmod(0o664)
        open_sqlite(path).close()
        assert mode_of(path) == 0o600

    def test_a_folder_that_was_there_keeps_its_mode(self, path: Path) -> None:
        path.parent.mkdir(mode=0o750)
        open_sqlite(path).close()
        assert mode_of(path.parent) == 0o750

    def test_every_connection_is_durable_and_strict(self, catalog: SqlCatalog) -> None:
        with catalog.reading() as first, catalog.reading() as second:
            for connection in (first, second):
                found = {
                    name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                    for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
                }
                assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}

    def test_a_name_that_sqlite_could_misread(self, tmp_path: Path) -> None:
        path = tmp_path / "a?mode=memory&b #%20 đất" / "file:x.db"
        catalog = open_sqlite(path)
        catalog.begin_run(a_run())
        catalog.close()
        assert path.stat().st_size > 0

    def test_text_lies_readably_in_it(self, path: Path, catalog: SqlCatalog) -> None:
        catalog.begin_run(a_run(source="hộ-tịch", started_at=START))
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT source, started_at_ms, state FROM runs").fetchall() == [
                ("hộ-tịch", 1_795_309_451_250, "running")
            ]
        connection.close()


class TestRefusals:
    """Each refusal names the file and what to do, and changes nothing."""

    def test_a_file_of_something_else(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("# /etc/drorch/drorch.yaml\nversion: 1\n" * 100)
        before = path.read_bytes()
        with pytest.raises(CatalogError, match="is no catalog") as refusal:
            open_sqlite(path)
        assert str(path) in refusal.value.message
        assert "drorch catalog rebuild" in refusal.value.hint
        assert path.read_bytes() == before

    def test_a_database_of_something_else(self, path: Path) -> None:
        path.parent.mkdir()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE parcel (id)")
        connection.close()
        with pytest.raises(CatalogError, match="not a catalog") as refusal:
            open_sqlite(path)
        assert refusal.value.found == "tables parcel"

    def test_a_catalog_of_a_newer_drorch(self, path: Path) -> None:
        open_sqlite(path).close()
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE catalog_version SET version_num = '0999'")
        connection.close()
        with pytest.raises(CatalogTooNew, match="newer drorch") as refusal:
            open_sqlite(path)
        assert (refusal.value.expected, refusal.value.found) == (f"revision {HEAD} or older", "revision 0999")
        assert "use the newer drorch" in refusal.value.hint
        assert [entry.name for entry in path.parent.iterdir()] == ["catalog.db"]

    @pytest.mark.parametrize("revisions", [[], ["0001", "0002"], ["banana"], [""]])
    def test_a_revision_that_cannot_be_read(self, path: Path, revisions: list[str]) -> None:
        open_sqlite(path).close()
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM catalog_version")
            connection.executemany("INSERT INTO catalog_version VALUES (?)", [(text,) for text in revisions])
        connection.close()
        with pytest.raises(CatalogError, match="no revision that can be read"):
            open_sqlite(path)

    def test_a_folder_in_its_place(self, path: Path) -> None:
        path.mkdir(parents=True)
        with pytest.raises(CatalogError, match="not a file"):
            open_sqlite(path)

    def test_a_file_in_its_folders_place(self, path: Path) -> None:
        path.parent.write_text("x")
        with pytest.raises(CatalogError, match="cannot be opened"):
            open_sqlite(path)

    def test_a_damaged_file(self, path: Path) -> None:
        catalog = open_sqlite(path)
        for _ in range(40):
            snapshot = a_snapshot()
            catalog.record_snapshot(snapshot, [a_copy(snapshot)])
        catalog.close()
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (path.stat().st_size - 4096))
        with pytest.raises(CatalogError, match="damaged") as refusal:
            use(path)
        assert "drorch catalog rebuild" in refusal.value.hint

    def test_a_value_that_drorch_does_not_write(self, path: Path, catalog: SqlCatalog) -> None:
        run = a_run()
        catalog.begin_run(run)
        for column, value in [("state", "'banana'"), ("started_at_ms", "9e17"), ("source", "x'ff'")]:
            with sqlite3.connect(path) as connection:
                connection.execute(f"UPDATE runs SET {column} = CAST({value} AS TEXT)")
            connection.close()
            with pytest.raises(CatalogError):
                catalog.runs()


def use(path: Path) -> None:
    catalog = open_sqlite(path)
    try:
        catalog.snapshots()
        catalog.record_snapshot(a_snapshot())
    finally:
        catalog.close()


class TestTheWorldsFaults:
    """Real errors of SQLite, made without filling a disk."""

    def test_a_full_disk_loses_nothing_that_was_recorded(self, catalog: SqlCatalog) -> None:
        kept = a_run()
        catalog.begin_run(kept)
        pragma(catalog, "max_page_count = 1")  # SQLite takes the present size for the least
        with pytest.raises(CatalogError, match="no room") as refusal:
            begin_runs_for_ever(catalog)
        assert "free space" in refusal.value.hint
        assert "CANARY" not in "".join(traceback.format_exception(refusal.value))
        assert kept in catalog.runs()
        pragma(catalog, "max_page_count = 1000000")
        catalog.begin_run(a_run())

    def test_a_file_that_may_not_be_written(self, catalog: SqlCatalog) -> None:
        pragma(catalog, "query_only = ON")
        with pytest.raises(CatalogError, match="may not be written") as refusal:
            catalog.begin_run(a_run())
        assert "belong to the account" in refusal.value.hint
        assert catalog.runs() == ()

    def test_a_lock_that_is_not_given_up(self, path: Path) -> None:
        catalog = open_sqlite(path, patience_seconds=0.05)
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(CatalogError, match="locked by another process") as refusal:
                catalog.begin_run(a_run())
            assert "fuser" in refusal.value.hint
            assert catalog.runs() == ()
            holder.execute("ROLLBACK")
            catalog.begin_run(a_run())
        finally:
            holder.close()
            catalog.close()


def begin_runs_for_ever(catalog: SqlCatalog) -> None:
    while True:
        catalog.begin_run(a_run(source=LONG_NAME))


def pragma(catalog: SqlCatalog, statement: str) -> None:
    """Run a pragma on every connection that the catalog uses from now on."""
    catalog._engine.dispose()
    event.listen(catalog._engine, "connect", lambda connection, _record: connection.execute(f"PRAGMA {statement}"))


@contextmanager
def without_roots_rights() -> Iterator[Path]:
    """Yield a folder of an ordinary account, and be that account."""
    with tempfile.TemporaryDirectory(prefix="drorch-", dir="/tmp") as folder:
        before = os.geteuid()
        if before == 0:
            shutil.chown(folder, "nobody")
            os.seteuid(pwd.getpwnam("nobody").pw_uid)
        try:
            yield Path(folder)
        finally:
            os.seteuid(before)


def test_a_file_that_the_account_may_only_read() -> None:
    with without_roots_rights() as folder:
        path = folder / "catalog.db"
        open_sqlite(path).close()
        path.chmod(0o400)
        with pytest.raises(CatalogError, match="may not be written"):
            use(path)


def test_a_folder_that_the_account_may_not_enter() -> None:
    with without_roots_rights() as folder:
        folder.chmod(0)
        with pytest.raises(CatalogError, match="cannot be opened") as refusal:
            open_sqlite(folder / "state" / "catalog.db")
        folder.chmod(0o700)
        assert "Permission denied" in refusal.value.found


def test_opening_a_current_catalog_imports_neither_alembic_nor_a_driver_of_another_database(path: Path) -> None:
    open_sqlite(path).close()
    script = (
        "import sys; from pathlib import Path; from drorch.catalog.sqlite import open_sqlite; "
        "catalog = open_sqlite(Path(sys.argv[1])); catalog.newest_good_by_source(); catalog.close(); "
        "print(sorted({'alembic', 'psycopg', 'sqlalchemy.orm', 'sqlalchemy.dialects.postgresql'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_making_a_catalog_does_not_import_alembic_either(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from drorch.catalog.sqlite import open_sqlite; "
        "open_sqlite(Path(sys.argv[1])).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_what_opens_is_a_catalog(catalog: SqlCatalog) -> None:
    as_declared: Catalog = catalog  # mypy compares every signature with the protocol
    assert as_declared.runs() == ()


INTERRUPTED_WHILE_IT_CLOSES = """
import sys
from pathlib import Path
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from drorch.catalog.sqlite import open_sqlite

def interrupted(self, connection):
    raise KeyboardInterrupt

SQLiteDialect_pysqlite.do_close = interrupted
try:
    open_sqlite(Path(sys.argv[1])).close()
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_while_a_connection_is_closed_prints_no_traceback(tmp_path: Path) -> None:
    words = [sys.executable, "-c", INTERRUPTED_WHILE_IT_CLOSES, str(tmp_path / "catalog.sqlite")]
    told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (told.stdout, told.stderr) == ("interrupted\n", "")

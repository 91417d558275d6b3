"""Migrations: they end where the tables are, keep what was recorded, and change nothing when they fail."""

from __future__ import annotations

import re
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, inspect

from drorch.catalog.interface import LogLine
from drorch.catalog.postgresql import open_postgresql
from drorch.catalog.schema import SHIPPED, Revisions, migrate
from drorch.catalog.sqlite import open_sqlite
from drorch.catalog.tables import HEAD, metadata
from drorch.errors import CatalogError, CatalogTooNew
from tests.support.catalogs import START, a_run, execute, new_database, new_schema

NEXT = f"{int(HEAD) + 1:04d}"
GROWS = f"""
revision = "{NEXT}"
down_revision = "{HEAD}"
import sqlalchemy as sa
from alembic import op


def upgrade():
    with op.batch_alter_table("runs") as runs:  # replaces the table that log_lines point to
        runs.add_column(sa.Column("note", sa.Text(), nullable=False, server_default="none"))
        runs.alter_column("hint", new_column_name="advice")
"""
FAILS = (
    GROWS
    + """
    op.execute("INSERT INTO nowhere VALUES (1)")
"""
)
BREAKS_REFERENCES = (
    GROWS
    + """
    op.execute("DELETE FROM runs")
"""
)


def next_revisions(folder: Path, source: str) -> Revisions:
    """Return the shipped migrations and one more."""
    migrations = folder / "100% migrations"
    shutil.copytree(SHIPPED.folder, migrations)
    (migrations / "versions" / f"v{NEXT}_next.py").write_text(source)
    return Revisions(head=NEXT, folder=migrations)


def description(connection: Connection) -> dict[str, Any]:
    """Return everything that the database says of its tables."""
    inspector = inspect(connection)
    return {
        name: (
            [{**column, "type": str(column["type"])} for column in inspector.get_columns(name)],
            inspector.get_pk_constraint(name),
            sorted(inspector.get_foreign_keys(name), key=str),
            sorted(inspector.get_indexes(name), key=str),
            sorted(inspector.get_unique_constraints(name), key=str),
        )
        for name in inspector.get_table_names()
    }


def statements(connection: Connection) -> list[tuple[str, list[str]]]:
    """Return the words of every definition; SQLite writes an added column behind the constraints, so their order may differ."""
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master ORDER BY name")
    return [(name, sorted(re.findall(r"[^\s,()]+", sql or ""))) for name, sql in rows]


class TestFreshEqualsMigrated:
    def test_in_sqlite(self, tmp_path: Path) -> None:
        catalog = open_sqlite(tmp_path / "fresh.db")
        engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
        with engine.begin() as connection:
            migrate(connection, SHIPPED)
        with catalog.reading() as fresh, engine.begin() as migrated:
            assert statements(fresh) == statements(migrated)
            assert description(fresh) == description(migrated)
            assert set(description(fresh)) == set(metadata.tables)
        catalog.close()
        engine.dispose()

    def test_in_postgresql(self, catalog_server: str) -> None:
        place = new_schema(catalog_server)
        catalog = open_postgresql(place)
        schema = place.rpartition("%3D")[2]
        with catalog.writing() as connection:
            fresh = description(connection)
            connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
            migrate(connection, SHIPPED)
            assert description(connection) == fresh
            assert set(fresh) == set(metadata.tables)
        catalog.close()

    def test_the_head_is_the_newest_file(self) -> None:
        files = sorted((SHIPPED.folder / "versions").glob("v*.py"))
        assert [path.name[1:5] for path in files] == [f"{number:04d}" for number in range(1, len(files) + 1)]
        assert files[-1].name[1:5] == HEAD == SHIPPED.head


class TestUpgradeOfSqlite:
    def test_what_was_recorded_stays_and_a_copy_of_before_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "catalog.db"
        old = open_sqlite(path)
        run = a_run()
        old.begin_run(run)
        old.append_log(run.run_id, [LogLine(at=START, text="before")])
        old.close()

        new = open_sqlite(path, revisions=next_revisions(tmp_path, GROWS))
        with new.reading() as connection:
            assert connection.exec_driver_sql("SELECT run_id, note FROM runs").all() == [(run.run_id, "none")]
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
            assert connection.exec_driver_sql("SELECT version_num FROM catalog_version").all() == [(NEXT,)]
        assert [line.text for line in new.log_lines(run.run_id)] == ["before"]
        new.close()

        copy = path.with_name(f"catalog.db.before-{NEXT}")
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        before = open_sqlite(copy)
        assert before.runs() == (run,)
        before.close()
        names = {entry.name for entry in tmp_path.iterdir() if entry.is_file()}
        assert names == {"catalog.db", f"catalog.db.before-{NEXT}"}

    def test_the_old_program_refuses_the_new_catalog(self, tmp_path: Path) -> None:
        path = tmp_path / "catalog.db"
        open_sqlite(path, revisions=next_revisions(tmp_path, GROWS)).close()
        with pytest.raises(CatalogTooNew):
            open_sqlite(path)

    @pytest.mark.parametrize("source", [FAILS, BREAKS_REFERENCES])
    def test_a_migration_that_fails_changes_nothing(self, tmp_path: Path, source: str) -> None:
        path = tmp_path / "catalog.db"
        old = open_sqlite(path)
        run = a_run()
        old.begin_run(run)
        old.append_log(run.run_id, [LogLine(at=START, text="before")])
        with old.reading() as connection:
            before = statements(connection)
        old.close()
        revisions = next_revisions(tmp_path, source)
        for _attempt in range(2):
            with pytest.raises(CatalogError):
                open_sqlite(path, revisions=revisions)
        again = open_sqlite(path)
        with again.reading() as connection:
            assert statements(connection) == before
        assert again.runs() == (run,)
        again.close()


class TestUpgradeOfPostgresql:
    def test_only_when_asked_for(self, catalog_server: str, tmp_path: Path) -> None:
        address = new_schema(catalog_server)
        old = open_postgresql(address)
        run = a_run()
        old.begin_run(run)
        old.close()
        revisions = next_revisions(tmp_path, GROWS)
        with pytest.raises(CatalogError, match="older drorch") as refusal:
            open_postgresql(address, revisions=revisions)
        assert "drorch catalog upgrade" in refusal.value.hint
        new = open_postgresql(address, revisions=revisions, upgrade=True)
        with new.reading() as connection:
            assert connection.exec_driver_sql("SELECT run_id, note FROM runs").all() == [(run.run_id, "none")]
        new.close()
        with pytest.raises(CatalogTooNew):
            open_postgresql(address)

    def test_a_migration_that_fails_changes_nothing(self, catalog_server: str, tmp_path: Path) -> None:
        address = new_schema(catalog_server)
        old = open_postgresql(address)
        with old.reading() as connection:
            before = description(connection)
        old.close()
        with pytest.raises(CatalogError):
            open_postgresql(address, revisions=next_revisions(tmp_path, FAILS), upgrade=True)
        again = open_postgresql(address)
        with again.reading() as connection:
            assert description(connection) == before
        again.close()


class TestPostgresqlsFaults:
    def test_a_server_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(CatalogError, match="no connection") as refusal:
            open_postgresql(f"postgresql://drorch@/catalog?host={tmp_path}", password="CANARY")
        assert "CANARY" not in f"{refusal.value.message}{refusal.value.found}{refusal.value.hint}"

    def test_a_password_in_the_address_is_not_shown(self, tmp_path: Path) -> None:
        for address in (
            f"postgresql://drorch:CANARY@/catalog?host={tmp_path}",
            f"postgresql://drorch@/catalog?host={tmp_path}&password=CANARY",
        ):
            with pytest.raises(CatalogError) as refusal:
                open_postgresql(address)
            assert "CANARY" not in f"{refusal.value.message}{refusal.value.found}"
            assert "drorch" in refusal.value.message

    def test_a_database_that_is_not_there(self, catalog_server: str) -> None:
        with pytest.raises(CatalogError, match="no connection") as refusal:
            open_postgresql(catalog_server.replace("/postgres?", "/nowhere?"))
        assert 'database "nowhere" does not exist' in refusal.value.found
        assert "createdb" in refusal.value.hint

    def test_an_address_that_is_none(self) -> None:
        with pytest.raises(CatalogError):
            open_postgresql("postgresql://db0.example/drorch?nonsense=1")

    def test_a_database_that_cannot_keep_vietnamese(self, catalog_server: str) -> None:
        address = new_database(catalog_server, "TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'")
        with pytest.raises(CatalogError, match="Vietnamese") as refusal:
            open_postgresql(address)
        assert refusal.value.found == "encoding LATIN1"

    def test_a_database_of_something_else(self, catalog_server: str) -> None:
        address = new_schema(catalog_server)
        execute(address, "CREATE TABLE parcel (id int)")
        with pytest.raises(CatalogError, match="not a catalog"):
            open_postgresql(address)

    def test_a_server_that_may_not_be_written(self, catalog_server: str) -> None:
        address = new_schema(catalog_server)
        catalog = open_postgresql(address)
        catalog.close()
        read_only = open_postgresql(f"{address}%20-cdefault_transaction_read_only%3Don")
        with pytest.raises(CatalogError, match="may not be written"):
            read_only.begin_run(a_run())
        assert read_only.runs() == ()
        read_only.close()

    def test_connections_that_the_server_ended_are_made_again(self, catalog_server: str) -> None:
        catalog = open_postgresql(new_schema(catalog_server))
        catalog.begin_run(a_run())
        execute(
            catalog_server,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'drorch catalog'",
        )
        catalog.begin_run(a_run())
        assert len(catalog.runs()) == 2
        catalog.close()

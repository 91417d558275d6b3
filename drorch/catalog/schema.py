"""Which revision a catalog is of, and how a new or an older one is brought to this program's.

Alembic is imported only when something must be migrated: starting quickly is a promise of the command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select

from drorch.catalog.tables import HEAD, VERSION_TABLE, metadata, version
from drorch.errors import CatalogError, CatalogTooNew


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """A folder of migrations and the newest of them. Revisions are numbers of four digits, one after the other."""

    head: str
    folder: Path


SHIPPED = Revisions(head=HEAD, folder=Path(__file__).parent / "migrations")


def revision_of(connection: Connection, address: str) -> str | None:
    """Return the catalog's revision, ``None`` when the database is empty; raise ``CatalogError`` if it is another's."""
    tables = inspect(connection).get_table_names()  # asked once: another process may be making them
    if VERSION_TABLE in tables:
        found: list[str] = list(connection.scalars(select(version.c.version_num)))
        if len(found) == 1 and found[0].isdigit():
            return found[0]
        raise CatalogError(f"no revision that can be read in {address}", found=", ".join(found)[:80])
    if not tables:
        return None
    raise CatalogError(
        f"the database is not a catalog: {address}",
        expected="an empty database, or one that drorch made",
        found=f"tables {', '.join(sorted(tables))[:80]}",
        hint="give drorch a file or database of its own (`catalog:` in drorch.yaml)",
    )


def refuse_newer(revision: str, revisions: Revisions, address: str) -> None:
    """Raise ``CatalogTooNew`` when the catalog is of a later revision than this program's."""
    if int(revision) > int(revisions.head):
        raise CatalogTooNew(
            f"the catalog was written by a newer drorch: {address}",
            expected=f"revision {revisions.head} or older",
            found=f"revision {revision}",
            hint="use the newer drorch; or move the catalog away, then `drorch catalog rebuild` (history is lost)",
        )


def bring_up(connection: Connection, revision: str | None, revisions: Revisions) -> None:
    """Make the tables in an empty database (``revision`` is ``None``), or migrate them, in the connection's transaction."""
    if revision is None:
        metadata.create_all(connection)
        connection.execute(insert(version).values(version_num=HEAD))
        revision = HEAD
    if revision != revisions.head:
        migrate(connection, revisions)


def migrate(connection: Connection, revisions: Revisions) -> None:
    """Run every migration up to ``revisions.head``, in the connection's transaction; an empty database has none behind it."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(revisions.folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revisions.head)

"""The catalog in a PostgreSQL database, for several machines that share one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, create_engine, text

from drorch.catalog.complaints import translated
from drorch.catalog.database import disposed_on_error
from drorch.catalog.schema import SHIPPED, Revisions, bring_up, refuse_newer, revision_of
from drorch.catalog.sql import SqlCatalog
from drorch.errors import CatalogError

if TYPE_CHECKING:
    import psycopg

CONNECT_TIMEOUT_SECONDS = 10  # field.md
LOCK_TIMEOUT_SECONDS = 30  # each transaction writes for milliseconds
_BEING_MADE = 0x64726F726368  # "drorch": the advisory lock of whoever makes or migrates the tables
_PASSWORD = re.compile(r"(?<=//)(?P<user>[^:@/]*):[^?]*@|(?<=password=)[^&\s]*")


def open_postgresql(
    address: str, *, password: str | None = None, upgrade: bool = False, revisions: Revisions = SHIPPED
) -> SqlCatalog:
    """Open the catalog in the database that the libpq ``address`` names, making its tables where there are none.

    An older catalog is migrated only with ``upgrade``: other machines may still run the older program.
    Raises ``CatalogTooNew``, or ``CatalogError`` when the database cannot be used or is not a catalog.
    """
    shown = without_password(address)
    engine = create_engine(
        "postgresql+psycopg://",
        creator=_connector(address, password),
        pool_pre_ping=True,  # a daemon's connections outlive restarts of the server
        max_overflow=-1,
        hide_parameters=True,
    )
    with disposed_on_error(engine), translated(shown), engine.begin() as connection:
        _bring_up(connection, shown, revisions, upgrade=upgrade)
    return SqlCatalog(engine, shown)


def without_password(address: str) -> str:
    """Return the address as people may see it, also one whose password was not escaped as it should be."""
    return _PASSWORD.sub(lambda found: "***" if found["user"] is None else f"{found['user']}:***@", address)


def _connector(address: str, password: str | None) -> Callable[[], psycopg.Connection[Any]]:
    try:
        import psycopg
    except ImportError as error:
        raise CatalogError("a catalog in PostgreSQL needs psycopg", hint="pip install 'drorch[postgresql]'") from error

    def connect() -> psycopg.Connection[Any]:
        given = psycopg.conninfo.conninfo_to_dict(address)
        own: dict[str, Any] = {
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": "drorch catalog",
            "client_encoding": "UTF8",
            "options": f"{given.get('options', '')} -c lock_timeout={LOCK_TIMEOUT_SECONDS}s",
        }
        if password is not None:
            own["password"] = password
        return psycopg.connect(address, **own)

    return connect


def _bring_up(connection: Connection, shown: str, revisions: Revisions, *, upgrade: bool) -> None:
    if revision_of(connection, shown) == revisions.head:
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _BEING_MADE})
    revision = revision_of(connection, shown)  # another may have been quicker
    if revision is None:
        _check_encoding(connection, shown)
    else:
        refuse_newer(revision, revisions, shown)
        if revision != revisions.head and not upgrade:
            raise CatalogError(
                f"the catalog is of an older drorch: {shown}",
                expected=f"revision {revisions.head}",
                found=f"revision {revision}",
                hint="when every machine that shares it has the new drorch: `drorch catalog upgrade`",
            )
    bring_up(connection, revision, revisions)


def _check_encoding(connection: Connection, shown: str) -> None:
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise CatalogError(
            f"the catalog's database cannot keep Vietnamese text: {shown}",
            expected="encoding UTF8",
            found=f"encoding {encoding}",
            hint="createdb -E UTF8 -T template0 NAME",
        )

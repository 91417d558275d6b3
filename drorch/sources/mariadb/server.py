"""A MariaDB server that is asked which databases it has."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from urllib.parse import quote

from drorch.errors import SourceRightsMissing
from drorch.sources.mariadb.databases import MARKER
from drorch.sources.mariadb.failures import mapped
from drorch.sources.mariadb.location import MariadbLocation
from drorch.sources.mariadb.options import reading_settings
from drorch.sources.mariadb.quoting import literal
from drorch.sources.mariadb.rights import held_globally
from drorch.sources.mariadb.session import connect
from drorch.sources.mariadb.source import require_version

_OF_THE_ENGINE = ("information_schema", "mysql", "performance_schema", "sys")
_SECONDS = 30


class MariadbServer:
    """See ``DatabaseServer``. The location's database means nothing here."""

    def __init__(self, location: MariadbLocation, *, connect_timeout_seconds: int = 10) -> None:
        self._location = location.of_database("").with_one_question()
        self._connect_timeout_seconds = connect_timeout_seconds

    @property
    def address(self) -> str:
        """See ``DatabaseServer``."""
        return self._location.address

    def databases(self) -> Sequence[str]:
        """See ``DatabaseServer``; side databases of unfinished restores are left out."""
        with (
            mapped(f"asking {quote(self.address, safe=':/?=')} for its databases"),
            closing(
                connect(
                    self._location,
                    settings=reading_settings(_SECONDS),
                    connect_timeout_seconds=self._connect_timeout_seconds,
                    stall_timeout_seconds=_SECONDS,
                )
            ) as session,
        ):
            require_version(session.server_version)
            if not held_globally(session) & {"SHOW DATABASES", "ALL PRIVILEGES"}:
                raise SourceRightsMissing(
                    "the account sees only the databases that it may read",
                    expected="SHOW DATABASES, so that a new database is noticed",
                    hint="`drorch policy grants POLICY` prints the SQL that gives it",
                )
            rows = session.texts(
                f"SELECT schema_name FROM information_schema.schemata WHERE schema_comment <> {literal(MARKER)}"
            )
        return sorted(name for (name,) in rows if name.lower() not in _OF_THE_ENGINE)

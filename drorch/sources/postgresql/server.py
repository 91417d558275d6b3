"""A PostgreSQL server that is asked which databases it has."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from drorch.clock import Clock
from drorch.errors import SourceError, SourceMissing, SourceRightsMissing
from drorch.sources.postgresql.border import mapped
from drorch.sources.postgresql.connecting import connect
from drorch.sources.postgresql.encoding import printable
from drorch.sources.postgresql.inventory import USER_SCHEMAS
from drorch.sources.postgresql.lifeline import Lifeline
from drorch.sources.postgresql.location import PostgresqlLocation
from drorch.sources.postgresql.options import CaptureOptions
from drorch.sources.postgresql.session import Session

# Every server has them unless somebody dropped one or took the right to connect from everybody.
_MEETING_PLACES = ("postgres", "template1")
_DATABASES = """
    select datname from pg_catalog.pg_database
    where not datistemplate and datallowconn and datname <> $1 order by datname"""
_HAS_TABLES = f"""
    select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm') and {USER_SCHEMAS} and not exists (
      select 1 from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
    limit 1"""


class PostgresqlServer:
    """See ``DatabaseServer``. The database that ``location`` names is not used."""

    def __init__(self, location: PostgresqlLocation, options: CaptureOptions, clock: Clock) -> None:
        self._location = location.with_one_question()
        self._options = options
        self._clock = clock

    @property
    def address(self) -> str:
        """See ``DatabaseServer``."""
        return self._location.of_database("").address

    def databases(self) -> Sequence[str]:
        """See ``DatabaseServer``. The database ``postgres`` is named only when somebody keeps tables in it."""
        refused: SourceError | None = None
        for place in _MEETING_PLACES:
            try:
                return self._ask(place)
            except (SourceMissing, SourceRightsMissing) as error:
                refused = refused or error
        assert refused is not None
        refused.hint = refused.hint or "the account needs the right to connect to the database postgres or template1"
        raise refused

    def _ask(self, place: str) -> Sequence[str]:
        with mapped(f"asking {self.address} for its databases"), contextlib.closing(self._connect(place)) as session:
            session.run("set statement_timeout = '60s'; set search_path = ''")
            found = [printable(name or "") for (name,) in session.run(_DATABASES, _MEETING_PLACES[0])]
            if place == _MEETING_PLACES[0] and session.value(_HAS_TABLES) is not None:
                found.append(place)
        return sorted(found)

    def _connect(self, place: str) -> Session:
        return connect(
            self._location.of_database(place),
            application=self._options.application,
            connect_timeout_seconds=self._options.connect_timeout_seconds,
            clock=self._clock,
            lifeline=Lifeline(),
            stall_seconds=self._options.connect_timeout_seconds,
        )

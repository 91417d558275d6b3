"""Databases of a server: what is in them, the names that a restore gives, and the comment by which drorch knows its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from drorch.errors import TargetRefused
from drorch.sources.mariadb.definitions import Schema
from drorch.sources.mariadb.inventory import read_names
from drorch.sources.mariadb.quoting import identifier, literal
from drorch.sources.mariadb.session import Session

MARKER = "drorch: a restore that is not finished; it can be dropped"
_LONGEST_NAME = 64
_COUNTS = (
    "(SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = {0})"
    " + (SELECT COUNT(*) FROM information_schema.events WHERE event_schema = {0})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupation:
    """What stands under a name. ``names`` are its tables and views; ``programs`` counts routines and events."""

    exists: bool
    names: tuple[str, ...] = ()
    programs: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it."""
        return not self.names and not self.programs


def occupation(session: Session, database: str) -> Occupation:
    """Return what stands under the name; raise what a session raises."""
    quoted = literal(database)
    if not session.run(f"SELECT 1 FROM information_schema.schemata WHERE schema_name = {quoted}"):
        return Occupation(exists=False)
    return Occupation(
        exists=True,
        names=tuple(name for name, _, _ in read_names(session, database)),
        programs=int(session.value(f"SELECT {_COUNTS.format(quoted)}")),
    )


def side_name(name: str, short_id: str) -> str:
    """Return ``NAME__drorch_ID``."""
    return _with_suffix(name, f"__drorch_{short_id}")


def before_name(name: str, moment: datetime) -> str:
    """Return ``NAME__before_YYYYMMDD_HHMM``."""
    return _with_suffix(name, f"__before_{moment:%Y%m%d_%H%M}")


def free_name(session: Session, wanted: str) -> str:
    """Return the name, with a number behind it if it is taken; raise what a session raises."""
    for number in range(1, 100):
        name = wanted if number == 1 else _with_suffix(wanted, f"_{number}")
        if not occupation(session, name).exists:
            return name
    raise TargetRefused(f"a hundred databases are called {wanted}", hint="drop those that nobody needs")


def _with_suffix(name: str, suffix: str) -> str:
    return name[: _LONGEST_NAME - len(suffix)] + suffix


def create_side(session: Session, name: str, schema: Schema) -> None:
    """Make a side database with the character set of the source, marked as ours; raise what a session raises."""
    session.run(
        f"CREATE DATABASE {identifier(name)} CHARACTER SET {schema.charset} COLLATE {schema.collation}"
        f" COMMENT {literal(MARKER)}"
    )


def our_leftovers(session: Session, name: str) -> list[str]:
    """Return side databases of ``name`` that an earlier restore left, known by their comment; raise what a session raises."""
    prefix = side_name(name, "x" * 8)[:-8]
    rows = session.texts(
        f"SELECT schema_name FROM information_schema.schemata WHERE schema_comment = {literal(MARKER)} ORDER BY 1"
    )
    return [found for (found,) in rows if found.startswith(prefix)]


def drop_marked(session: Session, name: str) -> None:
    """Drop a side database, if its comment still says that it is ours; raise what a session raises."""
    told = session.value(f"SELECT schema_comment FROM information_schema.schemata WHERE schema_name = {literal(name)}")
    if told == MARKER:
        session.run(f"DROP DATABASE {identifier(name)}")


def take_settings(session: Session, name: str, schema: Schema) -> None:
    """Give a database the character set and comment of the source; raise what a session raises."""
    session.run(
        f"ALTER DATABASE {identifier(name)} CHARACTER SET {schema.charset} COLLATE {schema.collation}"
        f" COMMENT {literal(schema.comment)}"
    )


def end_sessions(session: Session, database: str) -> None:
    """End every other session that uses the database; raise what a session raises."""
    rows = session.texts(f"SELECT id FROM information_schema.processlist WHERE db = {literal(database)}")
    for (number,) in rows:
        if int(number) != session.identifier:
            session.run(f"KILL {int(number)}")

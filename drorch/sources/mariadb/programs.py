"""Making views, routines, triggers and events, each under the settings under which its text means what it means."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from drorch.sources.mariadb.definitions import QUOTED, Definition, Kind
from drorch.sources.mariadb.failures import ServerRefused
from drorch.sources.mariadb.options import LOADING_MODE
from drorch.sources.mariadb.quoting import identifier, literal
from drorch.sources.mariadb.session import Session

Definer = Callable[[str], str | None]
_NOT_THERE = (1146, 1356, 1054, 1305, 1449, 1049, 1143, 1142)  # what a view that is broken at the source complains of
_EVENT = re.compile(
    rf"\A(CREATE (?:DEFINER={QUOTED}(?:@{QUOTED})? )?EVENT {QUOTED} ON SCHEDULE .*? ON COMPLETION (?:NOT )?PRESERVE )"
    r"(?:ENABLE|DISABLE ON SLAVE|DISABLE)",
    re.DOTALL,
)
_VIEW_SECURITY = re.compile(r"\A(CREATE (?:ALGORITHM=\w+ )?)SQL SECURITY DEFINER ")
_CREATE = re.compile(r"\A\s*CREATE\s+(?:OR\s+REPLACE\s+)?", re.IGNORECASE)
_RESET = (
    "SET character_set_client = utf8mb4, collation_connection = utf8mb4_general_ci, time_zone = '+00:00',"
    f" sql_mode = '{LOADING_MODE}'"
)


@dataclass(slots=True)
class Made:
    """What was done, and what could not be: kind, name and why."""

    statements: int = 0
    refused: list[tuple[Definition, str]] = field(default_factory=list)


def make_programs(
    session: Session, database: str, definitions: Sequence[Definition], definer: Definer, *, lenient: bool = False
) -> Made:
    """Make ``definitions`` in ``database`` in their order, over what has the same name there; views as often as it takes.

    A view that asks for what is not there was broken at the source and is listed. Anything else raises ``ServerRefused``,
    unless ``lenient``: then it is listed too.
    """
    made = Made()
    session.run(f"USE {identifier(database)}")
    waiting = list(definitions)
    while waiting:
        later: list[tuple[Definition, ServerRefused]] = []
        for definition in waiting:
            try:
                make_program(session, definition, definer)
                made.statements += 1
            except ServerRefused as error:
                if not lenient and (definition.kind is not Kind.VIEW or error.number not in _NOT_THERE):
                    raise
                later.append((definition, error))
        if len(later) == len(waiting):
            made.refused += [(definition, str(error)) for definition, error in later]
            break
        waiting = [definition for definition, _ in later]
    made.refused += _vanished_events(session, database, definitions)
    return made


def _vanished_events(
    session: Session, database: str, definitions: Sequence[Definition]
) -> list[tuple[Definition, str]]:
    """Return events that the server took and threw away at once: their time is over."""
    wanted = [one for one in definitions if one.kind is Kind.EVENT]
    if not wanted:
        return []
    rows = session.texts(f"SELECT event_name FROM information_schema.events WHERE event_schema = {literal(database)}")
    there = {row[0] for row in rows}
    return [(one, "its time is over") for one in wanted if one.name not in there]


def make_program(session: Session, definition: Definition, definer: Definer) -> None:
    """Run one definition in the database that the session uses; raise ``ServerRefused``.

    What loses its definer must not run with the rights of whoever restores: views and routines then ask with their caller's.
    """
    old = definition.definer
    new = None if old is None else definer(old)
    sql = definition.sql if old is None else definition.with_definer(new)
    if old is not None and new is None and definition.kind is Kind.VIEW:
        sql = _VIEW_SECURITY.sub(r"\1SQL SECURITY INVOKER ", sql, count=1)
    if definition.kind is Kind.EVENT:
        sql = _EVENT.sub(lambda found: found[1] + "DISABLE", sql, count=1)
    sql = _CREATE.sub("CREATE OR REPLACE ", sql, count=1)
    settings = [f"sql_mode = '{definition.sql_mode}'"]
    if definition.client:
        settings.append(f"character_set_client = {definition.client}")
    if definition.connection:
        settings.append(f"collation_connection = {definition.connection}")
    if definition.time_zone:
        settings.append(f"time_zone = '{definition.time_zone}'")
    try:
        session.run("SET " + ", ".join(settings))
        session.run(sql)
        if old is not None and new is None and definition.kind in (Kind.FUNCTION, Kind.PROCEDURE):
            session.run(f"ALTER {definition.kind.value} {identifier(definition.name)} SQL SECURITY INVOKER")
    finally:
        session.run(_RESET)


def drop_statement(definition: Definition) -> str:
    """Return the statement that drops a program of the database that the session uses."""
    return f"DROP {definition.kind.value.upper()} IF EXISTS {identifier(definition.name)}"

"""Asking a server for the definitions of a database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from drorch.errors import SourceRightsMissing
from drorch.sources.mariadb.defaults import without_database
from drorch.sources.mariadb.definitions import Definition, Kind, Schema, in_order, plain_trigger
from drorch.sources.mariadb.inventory import Table, read_names
from drorch.sources.mariadb.quoting import identifier, literal
from drorch.sources.mariadb.session import Session

_CONNECTION = re.compile(r"(\bCONNECTION=')((?:[^'\\]|\\.|'')*)(')", re.DOTALL)
_PASSWORD = re.compile(r"(://[^:@/]*:)[^@]*@|(password\s+[\"'])[^\"']*", re.IGNORECASE)
BLANK = "drorch-left-out"


def read_schema(session: Session, database: str, tables: Sequence[Table]) -> Schema:
    """Return everything but rows; the session uses ``database`` and no other; raise what a session raises.

    Raises:
        SourceRightsMissing: the server shows an object and hides its text.
    """
    charset, collation, comment = session.texts(
        "SELECT default_character_set_name, default_collation_name, schema_comment FROM information_schema.schemata"
        f" WHERE schema_name = {literal(database)}"
    )[0]
    definitions = [*(_table(session, table, database) for table in tables), *read_programs(session, database)]
    return Schema(
        database=database, charset=charset, collation=collation, comment=comment, definitions=in_order(definitions)
    )


def _table(session: Session, table: Table, database: str) -> Definition:
    name = identifier(table.name)
    if table.is_sequence:
        values = ",".join(session.texts(f"SELECT * FROM {name}")[0])
        sql = session.texts(f"SHOW CREATE SEQUENCE {name}")[0][1]
        return Definition(kind=Kind.SEQUENCE, name=table.name, sql=sql, values=values)
    sql = session.texts(f"SHOW CREATE TABLE {name}")[0][1]
    if table.is_remote:
        return Definition(kind=Kind.REMOTE_TABLE, name=table.name, sql=_blanked(sql))
    return Definition(kind=Kind.TABLE, name=table.name, sql=without_database(sql, database))


def _blanked(sql: str) -> str:
    """Return the definition of a remote table without the password that the server writes into it in clear."""

    def blank(found: re.Match[str]) -> str:
        inside = _PASSWORD.sub(lambda part: (part[1] or part[2]) + BLANK + ("@" if part[1] else ""), found[2])
        return found[1] + inside + found[3]

    return _CONNECTION.sub(blank, sql)


def read_programs(session: Session, database: str) -> Iterator[Definition]:
    """Yield views, routines, triggers and events; see ``read_schema``."""
    yield from _routines(session, database)
    for name, kind, _ in read_names(session, database):
        if kind == "VIEW":
            _, sql, client, connection = session.texts(f"SHOW CREATE VIEW {identifier(name)}")[0]
            yield Definition(kind=Kind.VIEW, name=name, sql=sql, client=client, connection=connection)
    yield from _triggers(session, database)
    yield from _events(session, database)


def _routines(session: Session, database: str) -> Iterator[Definition]:
    for name, kind in session.texts(
        "SELECT routine_name, routine_type FROM information_schema.routines"
        f" WHERE routine_schema = {literal(database)} ORDER BY routine_type, CAST(routine_name AS BINARY)"
    ):
        _, mode, sql, client, connection, collation = session.texts(f"SHOW CREATE {kind} {identifier(name)}")[0]
        yield Definition(
            kind=Kind(kind.lower()),
            name=name,
            sql=_shown(sql, f"{kind.lower()} {name}"),
            sql_mode=mode,
            client=client,
            connection=connection,
            collation=collation,
        )


def _triggers(session: Session, database: str) -> Iterator[Definition]:
    for name, table in session.texts(
        "SELECT trigger_name, event_object_table FROM information_schema.triggers"
        f" WHERE trigger_schema = {literal(database)}"
        " ORDER BY CAST(event_object_table AS BINARY), event_manipulation, action_timing, action_order"
    ):
        _, mode, sql, client, connection, collation, *_ = session.texts(f"SHOW CREATE TRIGGER {identifier(name)}")[0]
        yield Definition(
            kind=Kind.TRIGGER,
            name=name,
            table=table,
            sql=plain_trigger(_shown(sql, f"trigger {name}")),
            sql_mode=mode,
            client=client,
            connection=connection,
            collation=collation,
        )


def _events(session: Session, database: str) -> Iterator[Definition]:
    for name, status in session.texts(
        "SELECT event_name, status FROM information_schema.events"
        f" WHERE event_schema = {literal(database)} ORDER BY CAST(event_name AS BINARY)"
    ):
        _, mode, zone, sql, client, connection, collation = session.texts(f"SHOW CREATE EVENT {identifier(name)}")[0]
        yield Definition(
            kind=Kind.EVENT,
            name=name,
            sql=_shown(sql, f"event {name}"),
            sql_mode=mode,
            client=client,
            connection=connection,
            collation=collation,
            time_zone=zone,
            was_enabled=status == "ENABLED",
        )


def _shown(sql: str, what: str) -> str:
    if not sql:
        raise SourceRightsMissing(
            f"the server hides the text of {what}",
            hint="`drorch policy grants POLICY` prints what shows it (SELECT on mysql.proc, or SHOW CREATE ROUTINE)",
        )
    return sql

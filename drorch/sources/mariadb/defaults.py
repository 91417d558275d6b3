"""Defaults that ask a sequence: the server keeps them with the name of the database, and does not change it when tables move."""

from __future__ import annotations

import re

from drorch.sources.mariadb.quoting import identifier, literal
from drorch.sources.mariadb.session import Session

_CALLS = r"\b(nextval|lastval|setval)\("


def without_database(sql: str, database: str) -> str:
    """Return a definition whose defaults ask the sequences of whatever database it is made in."""
    return re.sub(rf"{_CALLS}{re.escape(identifier(database))}\.", r"\1(", sql)


def point_defaults(session: Session, database: str, was: str) -> None:
    """Let the defaults of ``database`` that ask sequences of ``was`` ask its own; raise what a session raises."""
    asking = re.compile(rf"{_CALLS}{re.escape(identifier(was))}\.")
    rows = session.texts(
        "SELECT table_name, column_name, column_default FROM information_schema.columns"
        f" WHERE table_schema = {literal(database)} AND column_default LIKE '%val(%'"
    )
    for table, column, default in rows:
        mine = asking.sub(lambda found: f"{found[1]}({identifier(database)}.", default)
        if mine != default:
            session.run(
                f"ALTER TABLE {identifier(database)}.{identifier(table)} ALTER COLUMN {identifier(column)} SET DEFAULT ({mine})"
            )

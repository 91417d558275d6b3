"""What would talk to another server: found while definitions go by, kept from doing it, and told to people."""

from __future__ import annotations

from drorch.sources.postgresql.blanking import MARKER
from drorch.sources.postgresql.entries import Entry
from drorch.sources.postgresql.session import Row, Session

_CLIENTS = {"dblink", "file_fdw", "http", "mysql_fdw", "ogr_fdw", "oracle_fdw", "pgsql_http", "postgres_fdw", "tds_fdw"}
_CALLS_OUT = ("dblink", "http_get", "http_post")  # in the text of a function, which the server does not look into
_PASSED_ON = {"AGGREGATE", "FUNCTION", "MATERIALIZED VIEW", "PROCEDURE", "VIEW"}


class Reach:
    """Which definitions reach another server when they are evaluated: foreign tables, and what is built on them."""

    def __init__(self) -> None:
        self._tables: set[int] = set()
        self._reaching: set[int] = set()
        self._edges: dict[int, list[int]] = {}

    def note(self, entry: Entry) -> None:
        """Remember what matters of ``entry``."""
        if entry.kind == "TABLE":
            self._tables.add(entry.number)
        elif entry.kind == "FOREIGN TABLE" or (entry.kind == "EXTENSION" and entry.name in _CLIENTS):
            self._reaching.add(entry.number)
        if entry.kind in ("TABLE", "FOREIGN TABLE"):  # a parent is read with its children
            for parent in self._tables.intersection(entry.depends):
                self._edges.setdefault(parent, []).append(entry.number)
        elif entry.kind == "TABLE ATTACH":
            pair = [one for one in entry.depends if one in self._tables or one in self._reaching]
            for one in pair:
                self._edges.setdefault(one, []).extend(other for other in pair if other != one)
        elif entry.kind in _PASSED_ON:
            self._edges.setdefault(entry.number, []).extend(entry.depends)
            if entry.kind in ("FUNCTION", "PROCEDURE") and any(word in entry.sql for word in _CALLS_OUT):
                self._reaching.add(entry.number)

    def reaches(self, number: int) -> bool:
        """Whether evaluating definition ``number`` may ask another server."""
        seen: set[int] = set()
        waiting = [number]
        while waiting:
            one = waiting.pop()
            if one in self._reaching:
                return True
            if one not in seen:
                seen.add(one)
                waiting.extend(self._edges.get(one, ()))
        return False


def switched_off(entry: Entry) -> str:
    """Return what is told of a definition that comes back switched off or without its secret, or that acts by itself; else empty."""
    if entry.kind == "SUBSCRIPTION":
        return (
            f"subscription {entry.name}: disabled, without slot and password: ALTER SUBSCRIPTION ... CONNECTION, "
            "SET (slot_name = ...), ENABLE"
        )
    if entry.kind == "EVENT TRIGGER" and " DISABLE" not in entry.sql:
        return f"event trigger {entry.name}: on as at backup, runs when a definition changes: ALTER EVENT TRIGGER ... DISABLE"
    if entry.kind == "EXTENSION" and entry.name == "pg_cron":
        return "jobs of pg_cron: on as at backup, run where its settings name this database: UPDATE cron.job SET active"
    if MARKER not in entry.sql:
        return ""
    if entry.kind == "USER MAPPING":
        return f"{_mapping(entry.name)}: without its password: ALTER USER MAPPING ... OPTIONS (SET password '...')"
    if entry.kind in ("SERVER", "FOREIGN DATA WRAPPER", "FOREIGN TABLE"):
        return f"{entry.kind.lower()} {entry.name}: without its secret option"
    return ""


def _mapping(name: str) -> str:
    return "user mapping " + name.removeprefix("USER MAPPING ")


def analyzed_relations(session: Session) -> list[Row]:
    """Return schema, name and bytes of what is to be analyzed: not parents of foreign tables, whose rows would be asked for."""
    return session.run(
        """with recursive reaching (oid) as (
          select i.inhparent from pg_catalog.pg_inherits i join pg_catalog.pg_class f on f.oid = i.inhrelid where f.relkind = 'f'
          union select i.inhparent from pg_catalog.pg_inherits i join reaching r on r.oid = i.inhrelid)
        select n.nspname, c.relname, pg_catalog.pg_relation_size(c.oid) from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.oid >= 16384 and (c.relkind = 'r' or c.relkind = 'm' and c.relispopulated or c.relkind = 'p')
          and c.relpersistence <> 't' and n.nspname !~ '^pg_' and c.oid not in (select oid from reaching)"""
    )

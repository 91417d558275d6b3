"""The statements that make the account of a PostgreSQL source, for the versions 11 to 18."""

from __future__ import annotations

import re
from dataclasses import dataclass

from drorch.policy.model import PostgresqlSource

USUAL_ACCOUNT = "drorch_backup"
_MOST_SHOWN = 10
_MOST_LARGE_OBJECTS_BY_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresqlFacts:
    """What a server told about one database.

    ``server_version`` is the major version. ``schemas`` are those of users, ``row_security_tables`` are
    ``schema.table`` names with row security, ``large_objects`` the numbers of those that the account may not read,
    ``object_owners`` the roles that create tables and sequences; ``account_exists`` says whether the role need not be made.
    """

    server_version: int
    database: str
    schemas: tuple[str, ...] = ()
    row_security_tables: tuple[str, ...] = ()
    large_objects: tuple[int, ...] = ()
    object_owners: tuple[str, ...] = ()
    account_exists: bool = False


def quoted_identifier(name: str) -> str:
    """Return ``name`` as an SQL identifier: quoted unless it is plain."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name) else '"' + name.replace('"', '""') + '"'


def _remark(text: str) -> str:
    """Return ``text`` for a comment: a name with a line end in it would begin a statement, run by a superuser."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def postgresql_grants(source: PostgresqlSource, facts: PostgresqlFacts | None) -> list[str]:
    """Return the lines of a script for psql; without ``facts`` one that covers every version."""
    account = source.user or USUAL_ACCOUNT
    role = quoted_identifier(account)
    name = facts.database if facts else source.database
    lines = [
        f"-- run as a superuser, in the database {_remark(name or 'itself')}",
        "",
        f"-- the role {_remark(account)} exists" if facts and facts.account_exists else f"CREATE ROLE {role} LOGIN;",
        f"-- its password, typed and not written:  \\password {_remark(account)}",
        f"GRANT CONNECT ON DATABASE {quoted_identifier(name) if name else 'DATABASE_NAME'} TO {role};",
    ]
    if facts is None and source.databases is not None:
        lines.append(f"-- and so for every database that matches {_remark(', '.join(source.databases.match))}")
    lines += _reading(role, facts)
    lines += _row_security(role, facts)
    lines += _large_objects(account, facts)
    if source.roles == "with_passwords":
        lines += [
            "",
            "-- hashes of passwords (`roles: with_passwords`)",
            f"GRANT SELECT ON pg_catalog.pg_authid TO {role};",
        ]
    return lines


def _reading(role: str, facts: PostgresqlFacts | None) -> list[str]:
    everything = f"GRANT pg_read_all_data TO {role};"
    if facts is None:
        return [
            "",
            "-- PostgreSQL 14 and later:",
            everything,
            "",
            "-- PostgreSQL 11 to 13, instead of that:",
            *[f"-- {line}" for line in _explicit_grants(role, None)],
        ]
    return ["", everything] if facts.server_version >= 14 else ["", *_explicit_grants(role, facts)]


def _explicit_grants(role: str, facts: PostgresqlFacts | None) -> list[str]:
    """Return the grants of a server without pg_read_all_data: on what exists, and on what will be created."""
    schemas = facts.schemas if facts else ("public",)
    owners = [quoted_identifier(owner) for owner in facts.object_owners] if facts else ["OWNER"]
    lines = [] if facts else ["again for every schema (\\dn) and every OWNER of tables (\\dt)"]
    for schema in (quoted_identifier(name) for name in schemas):
        lines += [
            f"GRANT USAGE ON SCHEMA {schema} TO {role};",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};",
            f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role};",
        ]
    for owner in owners:
        lines += _default_privileges(owner, role, ("USAGE ON SCHEMAS", "SELECT ON TABLES", "SELECT ON SEQUENCES"))
    return lines


def _default_privileges(owner: str, role: str, privileges: tuple[str, ...]) -> list[str]:
    return [
        line
        for privilege in privileges
        for line in (f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner}", f"  GRANT {privilege} TO {role};")
    ]


def _row_security(role: str, facts: PostgresqlFacts | None) -> list[str]:
    if facts is None:
        return [
            "",
            "-- only if a table has row security, which would hide rows:",
            "--   SELECT oid::regclass FROM pg_class WHERE relrowsecurity;",
            f"-- ALTER ROLE {role} BYPASSRLS;",
        ]
    if not facts.row_security_tables:
        return []
    more = len(facts.row_security_tables) - _MOST_SHOWN
    return [
        "",
        "-- these tables have row security, which would hide rows:",
        *[f"--   {_remark(table)}" for table in facts.row_security_tables[:_MOST_SHOWN]],
        *([f"--   and {more} more"] if more > 0 else []),
        f"ALTER ROLE {role} BYPASSRLS;",
    ]


def _large_objects(account: str, facts: PostgresqlFacts | None) -> list[str]:
    """Return the grants of large objects, which no predefined role gives."""
    role = quoted_identifier(account)
    name = account.replace("'", "''")
    loop = [
        "DO $$ DECLARE number oid; BEGIN",
        "  FOR number IN SELECT oid FROM pg_largeobject_metadata LOOP",
        "    EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO %I',",
        f"                   number, '{name}');",
        "  END LOOP;",
        "END $$;",
    ]
    if facts is None:
        return ["", "-- only if there are large objects; again after new ones:", *[f"-- {line}" for line in loop]]
    if not facts.large_objects:
        return []
    by_name = [f"GRANT SELECT ON LARGE OBJECT {number} TO {role};" for number in facts.large_objects]
    is_short = len(by_name) <= _MOST_LARGE_OBJECTS_BY_NAME
    lines = ["", "-- large objects", *(by_name if is_short else loop)]
    if facts.server_version < 18:
        return [*lines, "-- again after new ones: before PostgreSQL 18 nothing grants them ahead"]
    for owner in facts.object_owners:
        lines += _default_privileges(quoted_identifier(owner), role, ("SELECT ON LARGE OBJECTS",))
    return lines

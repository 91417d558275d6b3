"""What is known of a database to whoever writes the SQL that makes the backup account."""

from __future__ import annotations

from drorch.sources.interface import Json
from drorch.sources.postgresql.checks import unreadable_large_objects
from drorch.sources.postgresql.encoding import printable
from drorch.sources.postgresql.inventory import USER_SCHEMAS, display_name
from drorch.sources.postgresql.session import Session


def account_facts(session: Session) -> dict[str, Json]:
    """Return what ``drorch.policy.grants`` needs, in its words; the session may be the account's or an administrator's."""
    return {
        "server_version": session.server_version // 10_000,
        "database": printable(session.value("select pg_catalog.current_database()") or ""),
        "schemas": _names(session, f"select n.nspname from pg_catalog.pg_namespace n where {USER_SCHEMAS}"),
        "row_security_tables": [
            display_name(schema or "", name or "")
            for schema, name in session.run(
                f"""select n.nspname, c.relname from pg_catalog.pg_class c
                join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where c.relrowsecurity and {USER_SCHEMAS} order by 1, 2"""
            )
        ],
        "large_objects": [int(text.rpartition(" ")[2]) for text in unreadable_large_objects(session)],
        "object_owners": _names(
            session,
            f"""select pg_catalog.pg_get_userbyid(c.relowner) from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'S') and {USER_SCHEMAS}
            union select pg_catalog.pg_get_userbyid(lomowner) from pg_catalog.pg_largeobject_metadata""",
        ),
    }


def _names(session: Session, sql: str) -> list[Json]:
    return [*sorted({printable(row[0] or "") for row in session.run(sql)})]

"""What is known of a database to whoever writes the SQL that makes the backup account."""

from __future__ import annotations

from drorch.sources.interface import Json
from drorch.sources.postgresql.checks import unreadable_large_objects
from drorch.sources.postgresql.encoding import printable
from drorch.sources.postgresql.inventory import USER_SCHEMAS, display_name
from drorch.sources.postgresql.session import Session


def account_facts(session: Session, account: str | None = None) -> dict[str, Json]:
    """Return what ``drorch.policy.grants`` needs, in its words.

    ``account`` is the one that grants are meant for, which need not exist yet; ``None`` is the session's own. The session may be an administrator's.
    """
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
        "account_exists": account is None or _exists(session, account),
        "large_objects": _large_objects(session, account),
        "object_owners": _names(
            session,
            f"""select pg_catalog.pg_get_userbyid(c.relowner) from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'S') and {USER_SCHEMAS}
            union select pg_catalog.pg_get_userbyid(lomowner) from pg_catalog.pg_largeobject_metadata""",
        ),
    }


def _exists(session: Session, account: str) -> bool:
    return session.value("select 1 from pg_catalog.pg_roles where rolname = $1", account) is not None


def _large_objects(session: Session, account: str | None) -> list[Json]:
    """Return the numbers of large objects that must be granted one by one."""
    if account is None or session.value("select current_user") == account:
        return [int(text.rpartition(" ")[2]) for text in unreadable_large_objects(session)]
    if session.server_version >= 140_000:
        return []  # pg_read_all_data, which the account will have, reads all of them
    rows = session.run(
        """select l.oid from pg_catalog.pg_largeobject_metadata l where not exists (
          select 1 from pg_catalog.pg_roles r where r.rolname = $1 and (pg_catalog.pg_has_role(r.oid, l.lomowner, 'USAGE')
            or exists (select 1 from pg_catalog.aclexplode(l.lomacl) a where a.privilege_type = 'SELECT'
              and (a.grantee = 0 or pg_catalog.pg_has_role(r.oid, a.grantee, 'USAGE'))))) order by 1""",
        account,
    )
    return [int(number or 0) for (number,) in rows]


def _names(session: Session, sql: str) -> list[Json]:
    return [*sorted({printable(row[0] or "") for row in session.run(sql)})]

"""What is remembered of a database beside its content; sealed with the snapshot, asked by every preflight."""

from __future__ import annotations

from collections.abc import Sequence

from drorch.sources.interface import Json
from drorch.sources.postgresql.encoding import printable
from drorch.sources.postgresql.inventory import USER_SCHEMAS, Table, display_name
from drorch.sources.postgresql.session import Session

ENGINE = "postgresql"
_THIS_DATABASE = "(select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())"
_DEFAULT_TABLESPACE = """select t.spcname from pg_catalog.pg_tablespace t join pg_catalog.pg_database d on d.dattablespace = t.oid
    where d.datname = pg_catalog.current_database()"""
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


def database_facts(session: Session) -> dict[str, Json]:
    """Return version, encoding, locale, extensions, roles and sizes, as the session's snapshot shows them."""
    version = session.server_version
    return {
        "engine": ENGINE,
        "server_version": session.parameter("server_version").split(" ")[0],
        "server_version_num": version,
        "database": printable(session.value("select pg_catalog.current_database()") or ""),
        "account": printable(session.value("select current_user") or ""),
        "system_identifier": _system_identifier(session),
        "encrypted_connection": session.is_encrypted,
        **_locale(session, version),
        "owner": printable(
            session.value(
                "select pg_catalog.pg_get_userbyid(datdba) from pg_catalog.pg_database where datname = pg_catalog.current_database()"
            )
            or ""
        ),
        "size_bytes": int(session.value("select pg_catalog.pg_database_size(pg_catalog.current_database())") or 0),
        "block_size": int(session.value("show block_size") or 0),
        "extensions": _extensions(session),
        "roles": _roles(session),
        "tablespaces": _tablespaces(session),
        "tablespace": printable(session.value(_DEFAULT_TABLESPACE) or ""),
        "collations": _collations(session),
        "switched_off": switched_off(session),
        "has_public_schema": session.value("select 1 from pg_catalog.pg_namespace where nspname = 'public'")
        is not None,
        "row_security": session.value("select pg_catalog.bool_or(relrowsecurity) from pg_catalog.pg_class") == "t",
    }


def _system_identifier(session: Session) -> str:
    """Return what tells this cluster from every other, where the account may know it: no drill may be made on it."""
    if session.value("select pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute')") != "t":
        return ""
    return session.value("select system_identifier from pg_catalog.pg_control_system()") or ""


def _locale(session: Session, version: int) -> dict[str, Json]:
    columns = ["pg_catalog.pg_encoding_to_char(encoding)", "datcollate", "datctype"]
    columns += ["datlocprovider", "datcollversion"] if version >= 150_000 else ["'c'", "null"]
    columns += ["datlocale"] if version >= 170_000 else ["daticulocale"] if version >= 150_000 else ["null"]
    columns += ["daticurules"] if version >= 160_000 else ["null"]
    row = session.run(
        f"select {', '.join(columns)} from pg_catalog.pg_database where datname = pg_catalog.current_database()"
    )[0]
    encoding, collate, ctype, provider, collation_version, locale, rules = row
    return {
        "encoding": encoding,
        "collate": collate,
        "ctype": ctype,
        "locale_provider": _PROVIDERS.get(provider or "c", provider or ""),
        "collation_version": collation_version,
        "locale": locale,
        "icu_rules": rules,
    }


def _extensions(session: Session) -> list[Json]:
    return [
        {"name": printable(name or ""), "version": version or "", "schema": printable(schema or "")}
        for name, version, schema in session.run(
            """select e.extname, e.extversion, n.nspname from pg_catalog.pg_extension e
            join pg_catalog.pg_namespace n on n.oid = e.extnamespace order by 1"""
        )
    ]


def _roles(session: Session) -> list[Json]:
    """Return the roles that own something, hold a right, or are named by a policy or a setting."""
    rows = session.run(
        """select distinct r.rolname from pg_catalog.pg_roles r where r.oid in (
            select s.refobjid from pg_catalog.pg_shdepend s join pg_catalog.pg_database d on d.datname = pg_catalog.current_database()
            where s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
              and (s.dbid = d.oid or (s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass and s.objid = d.oid)))
          or r.oid in (select s.setrole from pg_catalog.pg_db_role_setting s join pg_catalog.pg_database d on d.oid = s.setdatabase
            where d.datname = pg_catalog.current_database())
          or r.oid in (select datdba from pg_catalog.pg_database where datname = pg_catalog.current_database())
          or r.oid = 10 and (
               exists (select 1 from pg_catalog.pg_class where relowner = 10 and oid >= 16384)
            or exists (select 1 from pg_catalog.pg_proc where proowner = 10 and oid >= 16384)
            or exists (select 1 from pg_catalog.pg_type where typowner = 10 and oid >= 16384)
            or exists (select 1 from pg_catalog.pg_namespace where nspowner = 10 and oid >= 16384)
            or exists (select 1 from pg_catalog.pg_foreign_server where srvowner = 10)
            or exists (select 1 from pg_catalog.pg_event_trigger where evtowner = 10)
            or exists (select 1 from pg_catalog.pg_publication where pubowner = 10)
            or exists (select 1 from pg_catalog.pg_largeobject_metadata where lomowner = 10))"""
    )
    return [name for name in sorted(printable(name or "") for (name,) in rows) if not name.startswith("pg_")]


def _tablespaces(session: Session) -> list[Json]:
    rows = session.run(
        """select spcname from pg_catalog.pg_tablespace where oid in (select reltablespace from pg_catalog.pg_class)
        and spcname not in ('pg_default', 'pg_global') order by 1"""
    )
    return [printable(name or "") for (name,) in rows]


def _collations(session: Session) -> list[Json]:
    """Return the collations that the database's own objects use, with the version that they were built with."""
    rows = session.run(
        """select n.nspname, c.collname, c.collprovider, c.collversion from pg_catalog.pg_collation c
        join pg_catalog.pg_namespace n on n.oid = c.collnamespace
        where c.collname not in ('default', 'C', 'POSIX', 'ucs_basic') and (c.oid >= 16384 or c.oid in (
          select attcollation from pg_catalog.pg_attribute where attrelid >= 16384
          union select pg_catalog.unnest(indcollation) from pg_catalog.pg_index where indrelid >= 16384)) order by 1, 2"""
    )
    return [
        {
            "name": display_name(schema or "", name or ""),
            "provider": _PROVIDERS.get(provider or "", "default"),
            "version": version_,
        }
        for schema, name, provider, version_ in rows
    ]


def switched_off(session: Session) -> list[Json]:
    """Return what a restore leaves for people to switch on: it would reach out, or its secret is not stored."""
    found = [
        *session.run(
            f"select 'subscription', subname from pg_catalog.pg_subscription where subdbid = {_THIS_DATABASE}"
        ),
        *session.run("select 'user mapping of ' || usename, srvname from pg_catalog.pg_user_mappings"),
    ]
    return [*sorted(f"{printable(kind or '')} {printable(name or '')}" for kind, name in found)]


def table_facts(
    tables: Sequence[Table], excluded: Sequence[Table], unlogged_skipped: Sequence[Table]
) -> dict[str, Json]:
    """Return what is known of the tables as a whole, and which come without rows."""
    return {
        "tables": len(tables),
        "excluded_data": [display_name(table.schema, table.name) for table in excluded],
        "unlogged_without_data": [display_name(table.schema, table.name) for table in unlogged_skipped],
    }


def left_out(session: Session) -> list[Json]:
    """Return what the account cannot read and pg_dump therefore leaves out: a superuser's subscriptions and mappings."""
    if session.value("select rolsuper from pg_catalog.pg_roles where rolname = current_user") == "t":
        return []
    found = [
        *session.run(
            f"select 'subscription', subname from pg_catalog.pg_subscription where subdbid = {_THIS_DATABASE}"
        ),
        *session.run(
            """select 'the options of the user mapping of ' || usename || ' on', srvname
            from pg_catalog.pg_user_mappings where umoptions is null"""
        ),
    ]
    return [*sorted(f"{printable(kind or '')} {printable(name or '')}" for kind, name in found)]


def user_objects(session: Session) -> int:
    """Return how many relations, functions and types of users the database holds."""
    return int(
        session.value(
            f"""select (select pg_catalog.count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
              where {USER_SCHEMAS} and c.oid >= 16384)
            + (select pg_catalog.count(*) from pg_catalog.pg_proc c join pg_catalog.pg_namespace n on n.oid = c.pronamespace
              where {USER_SCHEMAS} and c.oid >= 16384)
            + (select pg_catalog.count(*) from pg_catalog.pg_type c join pg_catalog.pg_namespace n on n.oid = c.typnamespace
              where {USER_SCHEMAS} and c.oid >= 16384)
            + (select pg_catalog.count(*) from pg_catalog.pg_largeobject_metadata)
            + (select pg_catalog.count(*) from pg_catalog.pg_namespace where oid >= 16384 and nspname !~ '^pg_')"""
        )
        or 0
    )

"""The parts of a database that ``pg_dump --schema-only`` leaves out, as entries of ours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from drorch.sources.postgresql import entries
from drorch.sources.postgresql.entries import Entry
from drorch.sources.postgresql.inventory import USER_SCHEMAS
from drorch.sources.postgresql.quoting import literal, qualified
from drorch.sources.postgresql.session import Row, Session
from drorch.sources.postgresql.settings_sql import is_list_setting

_SEQUENCES_AT_ONCE = 100  # one statement holds so many locks, and gives them back at its end
_LARGE_OBJECTS_AT_ONCE = 1_000


def refresh_entries(session: Session, views: Iterable[Entry], first_number: int) -> Iterator[Entry]:
    """Yield ``REFRESH`` for each materialized view that holds rows, in the order of their dependencies."""
    populated = {
        (schema, name)
        for schema, name in session.run(
            """select n.nspname, c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where c.relkind = 'm' and c.relispopulated"""
        )
    }
    wanted = [view for view in views if (view.schema, view.name) in populated]
    for number, view in enumerate(wanted, first_number):
        yield Entry(
            number=number,
            section=entries.LAST,
            kind="MATERIALIZED VIEW DATA",
            schema=view.schema,
            name=view.name,
            sql=f"REFRESH MATERIALIZED VIEW {qualified(view.schema, view.name)};",
            depends=(view.number,),
        )


def sequence_entries(session: Session, first_number: int) -> Iterator[Entry]:
    """Yield the position of every sequence; never behind the rows of the snapshot, since it is read after it."""
    names = session.run(
        f"""select n.nspname, c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'S' and c.relpersistence <> 't' and {USER_SCHEMAS}
          and (not exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                 and d.objid = c.oid and d.deptype = 'e')
               or exists (select 1 from pg_catalog.pg_extension e where c.oid = any (e.extconfig)))"""
    )
    names.sort(key=lambda row: (row[0] or "", row[1] or ""))
    number = first_number
    for start in range(0, len(names), _SEQUENCES_AT_ONCE):
        some = names[start : start + _SEQUENCES_AT_ONCE]
        sql = " union all ".join(
            f"select {place}, last_value::text, is_called::text from {qualified(schema or '', name or '')}"
            for place, (schema, name) in enumerate(some)
        )
        for (schema, name), (_place, value, called) in zip(
            some, sorted(session.run(sql), key=lambda row: int(row[0] or 0)), strict=True
        ):
            sql_name = literal(qualified(schema or "", name or "")).strip()
            yield Entry(
                number=number,
                section=entries.DATA,
                kind="SEQUENCE SET",
                schema=schema or "",
                name=name or "",
                sql=f"SELECT pg_catalog.setval({sql_name}, {value}, {called});",
            )
            number += 1


def large_object_entries(session: Session, first_number: int) -> Iterator[Entry]:
    """Yield owners, rights and comments of large objects, those alike together."""
    owned = session.run(
        """select l.oid, pg_catalog.pg_get_userbyid(l.lomowner), l.lomacl::text,
             pg_catalog.obj_description(l.oid, 'pg_largeobject'),
             (select pg_catalog.json_agg(pg_catalog.json_build_array(case a.grantee when 0 then '' else pg_catalog.pg_get_userbyid(a.grantee) end,
                 a.privilege_type, a.is_grantable) order by a.grantee, a.privilege_type) from pg_catalog.aclexplode(l.lomacl) a)
           from pg_catalog.pg_largeobject_metadata l order by l.oid"""
    )
    groups: dict[tuple[str, str, str], list[int]] = {}
    for oid, owner, rights_text, comment, rights in owned:
        key = (owner or "", "" if rights_text is None else rights or "[]", comment or "")
        groups.setdefault(key, []).append(int(oid or 0))
    number = first_number
    for (owner, rights, comment), oids in sorted(groups.items(), key=lambda item: item[1][0]):
        for start in range(0, len(oids), _LARGE_OBJECTS_AT_ONCE):
            values = {"oids": oids[start : start + _LARGE_OBJECTS_AT_ONCE], "comment": comment}
            if rights:
                values["rights"] = json.loads(rights)
            yield Entry(number=number, section=entries.DATA, kind="LARGE OBJECTS", owner=owner, values=values)
            number += 1


def database_entries(session: Session, first_number: int) -> Iterator[Entry]:
    """Yield comment, rights, labels and settings of the database itself, none with its name in it."""
    found = [*_comment(session), *_labels(session), *_rights(session), *_settings(session)]
    for number, (kind, name, values) in enumerate(found, first_number):
        yield Entry(number=number, section=entries.DATABASE, kind=kind, name=name, values=values)


def _comment(session: Session) -> Iterator[tuple[str, str, dict[str, object]]]:
    comment = session.value(
        """select pg_catalog.shobj_description(oid, 'pg_database') from pg_catalog.pg_database
        where datname = pg_catalog.current_database()"""
    )
    if comment is not None:
        yield "DATABASE COMMENT", "", {"comment": comment}


def _labels(session: Session) -> Iterator[tuple[str, str, dict[str, object]]]:
    for provider, label in session.run(
        """select provider, label from pg_catalog.pg_shseclabel s join pg_catalog.pg_database d on d.oid = s.objoid
        where s.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass and d.datname = pg_catalog.current_database() order by 1"""
    ):
        yield "DATABASE LABEL", provider or "", {"label": label}


def _rights(session: Session) -> Iterator[tuple[str, str, dict[str, object]]]:
    acl, rights = session.run(
        """select d.datacl::text, (select pg_catalog.json_agg(pg_catalog.json_build_array(
             case a.grantee when 0 then '' else pg_catalog.pg_get_userbyid(a.grantee) end, a.privilege_type, a.is_grantable)
             order by pg_catalog.pg_get_userbyid(a.grantee), a.privilege_type) from pg_catalog.aclexplode(d.datacl) a)
           from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()"""
    )[0]
    if acl is not None:
        yield "DATABASE RIGHTS", "", {"rights": json.loads(rights or "[]")}


def _settings(session: Session) -> Iterator[tuple[str, str, dict[str, object]]]:
    for row in session.run(
        """select case s.setrole when 0 then '' else pg_catalog.pg_get_userbyid(s.setrole) end, u.assignment
           from pg_catalog.pg_db_role_setting s join pg_catalog.pg_database d on d.oid = s.setdatabase,
             lateral pg_catalog.unnest(s.setconfig) with ordinality u (assignment, place)
           where d.datname = pg_catalog.current_database() order by 1, u.place"""
    ):
        yield _setting(row)


def _setting(row: Row) -> tuple[str, str, dict[str, object]]:
    role, assignment = row[0] or "", row[1] or ""
    name, _, value = assignment.partition("=")
    values: dict[str, object] = {"value": value}
    if role:
        values["role"] = role
    if is_list_setting(name):
        values["is_list"] = True
    return "DATABASE SETTING", name, values

"""The roles of the server as JSON lines: what ``pg_dumpall --roles-only`` knows, without passwords unless asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from drorch.sources.postgresql.options import RolesChoice
from drorch.sources.postgresql.session import Session

_FLAGS = ("rolsuper", "rolinherit", "rolcreaterole", "rolcreatedb", "rolcanlogin", "rolreplication", "rolbypassrls")


def read_roles(session: Session, choice: RolesChoice) -> Iterator[bytes]:
    """Yield one line a role, then one a membership, then one a setting; sorted, nothing of ``pg_*`` roles but memberships."""
    for document in (*_roles(session, choice), *_memberships(session), *_settings(session)):
        yield json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def _roles(session: Session, choice: RolesChoice) -> Iterator[dict[str, Any]]:
    with_passwords = choice is RolesChoice.WITH_PASSWORDS
    source, password = ("pg_catalog.pg_authid", "r.rolpassword") if with_passwords else ("pg_catalog.pg_roles", "null")
    rows = session.run(
        f"""select r.rolname, {", ".join("r." + flag for flag in _FLAGS)}, r.rolconnlimit,
          extract(epoch from nullif(r.rolvaliduntil, 'infinity'))::text, {password}, pg_catalog.shobj_description(r.oid, 'pg_authid')
        from {source} r where r.rolname !~ '^pg_' order by 1"""
    )
    for name, *flags, limit, until, secret, comment in rows:
        document: dict[str, Any] = {
            "kind": "role",
            "name": name,
            "flags": [flag.removeprefix("rol") for flag, value in zip(_FLAGS, flags, strict=True) if value == "t"],
            "connection_limit": int(limit or -1),
        }
        optional = {"valid_until": until, "password": secret, "comment": comment}
        yield document | {key: value for key, value in optional.items() if value is not None}


def _memberships(session: Session) -> Iterator[dict[str, Any]]:
    newer = session.server_version >= 160_000
    options = "m.inherit_option, m.set_option" if newer else "null, null"
    for role, member, admin, inherit, settable in session.run(
        f"""select r.rolname, u.rolname, m.admin_option, {options} from pg_catalog.pg_auth_members m
        join pg_catalog.pg_roles r on r.oid = m.roleid join pg_catalog.pg_roles u on u.oid = m.member
        where u.rolname !~ '^pg_' order by 1, 2, 3, 4, 5"""
    ):
        document: dict[str, Any] = {"kind": "membership", "role": role, "member": member, "admin": admin == "t"}
        if newer:
            document |= {"inherit": inherit == "t", "set": settable == "t"}
        yield document


def _settings(session: Session) -> Iterator[dict[str, Any]]:
    for role, assignment in session.run(
        """select r.rolname, pg_catalog.unnest(s.setconfig) from pg_catalog.pg_db_role_setting s
        join pg_catalog.pg_roles r on r.oid = s.setrole where s.setdatabase = 0 and r.rolname !~ '^pg_' order by 1, 2"""
    ):
        name, _, value = (assignment or "").partition("=")
        yield {"kind": "setting", "role": role, "name": name, "value": value}

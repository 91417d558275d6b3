"""The accounts that a database needs, and what they may do in it, as JSON lines: the ``roles`` stream.

Only accounts that have to do with the database: those with rights in it, their roles and the members of those, and
those that its views and programs run as. What the whole server lets somebody do is the server's, not the database's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drorch.errors import ObjectCorrupt
from drorch.sources.contract.definitions import stored_lines
from drorch.sources.interface import Bytes
from drorch.sources.mariadb.options import RolesChoice
from drorch.sources.mariadb.quoting import account, identifier, literal, qualified
from drorch.sources.mariadb.session import Session

_PRIVILEGES = {
    "CREATE TMP TABLE": "CREATE TEMPORARY TABLES",
    "DELETE VERSIONING ROWS": "DELETE HISTORY",
}
_PRIVILEGE = re.compile(r"[A-Z ]+")
_PLUGIN = re.compile(r"[a-z0-9_]+")
_HASH = re.compile(r"[A-Za-z0-9*+/=$.]+")
_ROUTINES = ("FUNCTION", "PROCEDURE", "PACKAGE", "PACKAGE BODY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Rights of one account: on the database (``name`` empty), a table, some columns of it, or a routine."""

    to: str
    privileges: tuple[str, ...]
    name: str = ""
    routine: str = ""  # FUNCTION, PROCEDURE ...
    columns: tuple[str, ...] = ()
    is_grantable: bool = False

    def statement(self, database: str, to: str) -> str:
        """Return the statement that gives the same rights in ``database`` to ``to``."""
        listed = f" ({', '.join(map(identifier, self.columns))})" if self.columns else ""
        rights = ", ".join(right + listed for right in self.privileges) or "USAGE"
        place = qualified(database, self.name) if self.name else f"{identifier(escaped(database))}.*"
        option = " WITH GRANT OPTION" if self.is_grantable else ""
        return f"GRANT {rights} ON {f'{self.routine} ' if self.routine else ''}{place} TO {account(to)}{option}"


def escaped(database: str) -> str:
    """Return a database name as a pattern that means nothing else: ``_`` and ``%`` would match any letter in a GRANT."""
    return re.sub(r"([_%\\])", r"\\\1", database)


def read_accounts(
    session: Session, database: str, definers: Sequence[str], choice: RolesChoice
) -> tuple[list[dict[str, Any]], list[Grant]]:
    """Return accounts, memberships and grants as documents, and the grants; raise what a session raises."""
    grants = list(_grants(session, database))
    roles = [(role, _name(user, host), admin == "Y") for host, user, role, admin in session.texts(
        "SELECT Host, User, Role, Admin_option FROM mysql.roles_mapping ORDER BY 1, 2, 3"
    )]  # fmt: skip
    concerned = {grant.to for grant in grants} | set(definers)
    while True:  # a role brings its members, which may be roles
        members = {member for role, member, _ in roles if role in concerned} - concerned
        if not members:
            break
        concerned |= members
    documents: list[dict[str, Any]] = [one for one in _accounts(session, choice) if one["name"] in concerned]
    documents += [
        {"kind": "membership", "role": role, "member": member, "admin": admin}
        for role, member, admin in roles
        if role in concerned and member in concerned
    ]
    documents += [_document(grant) for grant in grants]
    return documents, grants


def _name(user: str, host: str) -> str:
    return f"{user}@{host}" if host else user


def _accounts(session: Session, choice: RolesChoice) -> Iterator[dict[str, Any]]:
    for host, user, is_role, plugin, ssl in session.texts(
        "SELECT Host, User, is_role, plugin, ssl_type FROM mysql.user ORDER BY 2, 1"
    ):
        yield {"kind": "account", "name": _name(user, host), "role": is_role == "Y", "plugin": plugin, "tls": ssl} | (
            {"secret": _secret(session, user, host)} if choice is RolesChoice.WITH_PASSWORDS else {}
        )


def _secret(session: Session, user: str, host: str) -> str:
    """Return the row of ``mysql.global_priv``, which holds the hash, without the moment of its last change."""
    return session.value(
        "SELECT JSON_REMOVE(Priv, '$.password_last_changed') FROM mysql.global_priv"
        f" WHERE User = {literal(user)} AND Host = {literal(host)}"
    )


def _grants(session: Session, database: str) -> Iterator[Grant]:
    named = literal(database)
    yield from _database_grants(session, named)
    for host, user, table, rights in session.texts(
        f"SELECT Host, User, Table_name, Table_priv FROM mysql.tables_priv WHERE Db = {named} AND Table_priv <> '' ORDER BY 1, 2, 3"
    ):
        listed = _listed(rights)
        yield Grant(to=_name(user, host), privileges=_without(listed), name=table, is_grantable="GRANT" in listed)
    columns: dict[tuple[str, str, str], list[str]] = {}
    for host, user, table, column, rights in session.texts(
        f"SELECT Host, User, Table_name, Column_name, Column_priv FROM mysql.columns_priv WHERE Db = {named} ORDER BY 1, 2, 3, 4"
    ):
        for right in _listed(rights):
            columns.setdefault((_name(user, host), table, right), []).append(column)
    for (to, table, right), some in columns.items():
        yield Grant(to=to, privileges=(right,), name=table, columns=tuple(some))
    for host, user, routine, kind, rights in session.texts(
        f"SELECT Host, User, Routine_name, Routine_type, Proc_priv FROM mysql.procs_priv WHERE Db = {named} ORDER BY 1, 2, 3, 4"
    ):
        listed = _listed(rights)
        yield Grant(
            to=_name(user, host),
            privileges=_without(listed),
            name=routine,
            routine=kind,
            is_grantable="GRANT" in listed,
        )


def _database_grants(session: Session, named: str) -> Iterator[Grant]:
    names = [name for (name,) in session.texts(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'mysql' AND table_name = 'db'"
        " AND column_name LIKE '%\\_priv' ORDER BY ordinal_position"
    )]  # fmt: skip
    found: dict[str, set[str]] = {}
    for host, user, *flags in session.texts(
        f"SELECT Host, User, {', '.join(map(identifier, names))} FROM mysql.db WHERE {named} LIKE Db ORDER BY 1, 2, Db"
    ):
        held = {_right(name.removesuffix("_priv")) for name, flag in zip(names, flags, strict=True) if flag == "Y"}
        found.setdefault(_name(user, host), set()).update(held)
    for to, held in found.items():
        yield Grant(to=to, privileges=tuple(sorted(held - {"GRANT"})), is_grantable="GRANT" in held)


def _right(name: str) -> str:
    told = name.replace("_", " ").upper()
    return _PRIVILEGES.get(told, told)


def _listed(rights: str) -> list[str]:
    return [_right(one) for one in rights.split(",") if one]


def _without(rights: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(rights) - {"GRANT"}))


def _document(grant: Grant) -> dict[str, Any]:
    found = {
        "kind": "grant",
        "to": grant.to,
        "privileges": list(grant.privileges),
        "name": grant.name,
        "routine": grant.routine,
        "columns": list(grant.columns),
        "grantable": grant.is_grantable,
    }
    return {key: value for key, value in found.items() if value not in ("", [], False) or key == "privileges"}


def encode_accounts(documents: Iterable[dict[str, Any]]) -> bytes:
    """Return the bytes of the ``roles`` stream."""
    return b"".join(json.dumps(one, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n" for one in documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """What the ``roles`` stream says. ``memberships`` are role, member and whether the member may pass it on.

    ``logins`` has the ``IDENTIFIED ...`` of accounts whose hash was kept.
    """

    roles: frozenset[str] = frozenset()
    logins: Mapping[str, str] = field(default_factory=dict)
    memberships: tuple[tuple[str, str, bool], ...] = ()
    grants: tuple[Grant, ...] = ()


def decode_accounts(pieces: Iterable[Bytes]) -> Accounts:
    """Return what the stream says; raise ``ObjectCorrupt`` if it is none."""
    try:
        lines = [json.loads(line) for line in stored_lines(pieces)]
        return Accounts(
            roles=frozenset(str(one["name"]) for one in lines if one["kind"] == "account" and one["role"]),
            logins=dict(_logins(lines)),
            memberships=tuple(
                (str(one["role"]), str(one["member"]), bool(one["admin"]))
                for one in lines
                if one["kind"] == "membership"
            ),
            grants=tuple(_grant(one) for one in lines if one["kind"] == "grant"),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ObjectCorrupt("the roles stream is not one of a MariaDB database") from error


def _logins(lines: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield what makes accounts log in as they did; one whose hash has no usual form is left out."""
    for line in lines:
        if line["kind"] != "account" or line["role"] or not line.get("secret"):
            continue
        secret = json.loads(line["secret"])
        plugin, hashed = str(secret.get("plugin", "")), str(secret.get("authentication_string", ""))
        if _PLUGIN.fullmatch(plugin) and _HASH.fullmatch(hashed):
            tls = {"ANY": " REQUIRE SSL", "X509": " REQUIRE X509"}.get(str(line.get("tls", "")), "")
            yield str(line["name"]), f"IDENTIFIED VIA {plugin} USING '{hashed}'{tls}"


def _grant(line: dict[str, Any]) -> Grant:
    rights = tuple(str(one) for one in line["privileges"])
    routine = str(line.get("routine", ""))
    if not all(_PRIVILEGE.fullmatch(right) for right in rights) or routine not in ("", *_ROUTINES):
        raise ValueError("an unknown right")
    return Grant(
        to=str(line["to"]),
        privileges=rights,
        name=str(line.get("name", "")),
        routine=routine,
        columns=tuple(str(one) for one in line.get("columns", [])),
        is_grantable=bool(line.get("grantable", False)),
    )

"""Makes the roles that a restore needs and the server does not have: what is made, and what is left to people.

``--create-roles`` makes the roles that own something or hold a right, and the roles that those are members of, none of which
can log in. ``--create-roles-with-logins`` also makes their members, and lets in whom the source let in, with the password
hash if the snapshot holds it. Neither touches a role that is there, neither gives a role power over the whole server.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from drorch.errors import ObjectCorrupt
from drorch.sources.contract.definitions import stored_lines
from drorch.sources.interface import Bytes, RestoreChoices
from drorch.sources.postgresql.failures import StatementRefused
from drorch.sources.postgresql.quoting import identifier, literal
from drorch.sources.postgresql.session import Session
from drorch.sources.postgresql.settings_sql import setting_assignment
from drorch.sources.postgresql.snapshot import moment_of

# Each is power over the server, not over a database: whoever restores one database does not give it away unasked.
_SERVER_POWERS = ("super", "createrole", "createdb", "replication", "bypassrls")
_WORDS = {"super": "superuser"}
_SHOWN = 8
_OF_THE_SERVER = "pg_"  # roles that PostgreSQL itself brings


@dataclass(frozen=True, slots=True, kw_only=True)
class RolesPlan:
    """What is to be done: ``created`` names, ``statements`` that must succeed, ``settings`` that may be refused, ``by_hand``."""

    created: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    statements: tuple[str, ...] = field(default=(), repr=False)  # may hold password hashes
    settings: tuple[tuple[str, str], ...] = ()  # what it is called, and its SQL
    by_hand: tuple[str, ...] = ()


def plan_roles(
    documents: Iterable[Mapping[str, Any]],
    needed: Collection[str],
    existing: Collection[str],
    choices: RestoreChoices,
    *,
    account_to_join: str | None,
) -> RolesPlan:
    """Decide. ``needed`` are the source's names, ``documents`` the lines of the roles stream (none: only names are known).

    ``account_to_join`` is the restoring account if it is no superuser: it must be a member of whom it gives objects to.
    """
    return _Planner(documents, needed, existing, choices, account_to_join).plan()


@dataclass(kw_only=True)
class _Known:
    """The roles stream, with the names that the roles have here."""

    roles: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    memberships: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)  # role, member
    settings: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)


class _Planner:
    def __init__(
        self,
        documents: Iterable[Mapping[str, Any]],
        needed: Collection[str],
        existing: Collection[str],
        choices: RestoreChoices,
        account_to_join: str | None,
    ) -> None:
        self._names = choices.map_roles
        self._known = self._read(documents)
        self._needed = {self._names.get(role, role) for role in needed}
        self._existing = set(existing)
        self._with_logins = choices.create_logins
        self._account = account_to_join
        self._by_hand: list[str] = []

    def _read(self, documents: Iterable[Mapping[str, Any]]) -> _Known:
        known = _Known()
        for document in documents:
            kind = document.get("kind")
            if kind == "role":
                known.roles[self._here(document["name"])] = document
            elif kind == "membership":
                known.memberships.append((self._here(document["role"]), self._here(document["member"]), document))
            elif kind == "setting":
                known.settings.append((self._here(document["role"]), document))
        return known

    def _here(self, role: str) -> str:
        return self._names.get(role, role)

    def plan(self) -> RolesPlan:
        wanted = self._wanted()
        created = sorted(role for role in wanted if role not in self._existing)
        statements = [self._create(role) for role in created]
        statements += self._comments(created)
        statements += self._grants(set(created))
        statements += self._joins(created)
        settings = self._settings(set(created))
        for role in created:
            self._tell_of(role)
        logins = tuple(role for role in created if self._may_log_in(role))
        return RolesPlan(
            created=tuple(created),
            logins=logins,
            statements=tuple(statements),
            settings=tuple(settings),
            by_hand=tuple(self._by_hand),
        )

    def _wanted(self) -> set[str]:
        """Return who is needed, whom they belong to, and with logins who belongs to them."""
        upwards: dict[str, set[str]] = {}
        downwards: dict[str, set[str]] = {}
        for role, member, _document in self._known.memberships:
            if not role.startswith(_OF_THE_SERVER):
                upwards.setdefault(member, set()).add(role)
                downwards.setdefault(role, set()).add(member)
        wanted = _closure(self._needed, upwards)
        return wanted | _closure(self._needed, downwards) if self._with_logins else wanted

    def _may_log_in(self, role: str) -> bool:
        return self._with_logins and "canlogin" in self._flags(role)

    def _flags(self, role: str) -> Collection[str]:
        flags: Collection[str] = self._known.roles.get(role, {}).get("flags", ())
        return flags

    def _create(self, role: str) -> str:
        known = self._known.roles.get(role)
        words = ["login" if self._may_log_in(role) else "nologin"]
        if known is not None:
            words.append("inherit" if "inherit" in self._flags(role) else "noinherit")
        if known is not None and self._may_log_in(role):
            words.append(f"connection limit {int(known.get('connection_limit', -1))}")
            if "valid_until" in known:
                words.append(f"valid until {literal(_moment(str(known['valid_until'])))}")
            if "password" in known:
                words.append(f"password {literal(str(known['password']))}")
        return f"create role {identifier(role)} {' '.join(words)}"

    def _comments(self, created: Iterable[str]) -> Iterator[str]:
        for role in created:
            comment = self._known.roles.get(role, {}).get("comment")
            if comment is not None:
                yield f"comment on role {identifier(role)} is {literal(str(comment))}"

    def _grants(self, created: set[str]) -> Iterator[str]:
        """Only a role that is made here becomes a member, and only of what the definitions need: nobody gains by surprise."""
        elsewhere: dict[str, list[str]] = {}
        here = self._existing | created
        for role, member, document in self._known.memberships:
            if not {role, member} & created:
                continue
            admin = " with admin option" if document.get("admin") else ""
            sql = f"grant {identifier(role)} to {identifier(member)}{admin}"
            if member in created and role in (self._needed | created):
                yield sql
            elif {role, member} <= here:
                self._by_hand.append(f"role {member} was a member of {role}: {sql};")
            else:
                elsewhere.setdefault(role if role in created else member, []).append(
                    member if role in created else role
                )
        for role, others in sorted(elsewhere.items()):
            more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
            self._by_hand.append(
                f"role {role} had memberships with roles that are not here: {', '.join(others[:_SHOWN])}{more}"
            )

    def _joins(self, created: Iterable[str]) -> Iterator[str]:
        if self._account is None:
            return
        for role in created:
            if role in self._needed:
                yield f"grant {identifier(role)} to {identifier(self._account)}"
                self._by_hand.append(
                    f"the account {self._account} became a member of {role}: "
                    f"revoke {identifier(role)} from {identifier(self._account)};"
                )

    def _settings(self, created: set[str]) -> Iterator[tuple[str, str]]:
        for role, document in self._known.settings:
            if role in created:
                name = str(document["name"])
                assignment = setting_assignment(name, str(document["value"]))
                yield f"setting {name} of role {role}", f"alter role {identifier(role)} set {assignment}"

    def _tell_of(self, role: str) -> None:
        powers = [_WORDS.get(flag, flag) for flag in _SERVER_POWERS if flag in self._flags(role)]
        if powers:
            words = " ".join(powers).upper()
            self._by_hand.append(f"role {role} had more rights: alter role {identifier(role)} {words};")
        if self._may_log_in(role):
            if "password" not in self._known.roles[role]:
                self._by_hand.append(f"role {role} has no password: alter role {identifier(role)} password '...';")
        elif "canlogin" in self._flags(role):
            self._by_hand.append(f"role {role} could log in: alter role {identifier(role)} login;")


def _closure(start: Collection[str], edges: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(edges.get(one, ()))
    return found


def _moment(epoch: str) -> str:
    """Return the text of a time that the source gave in seconds; ``-Infinity`` and far years are told as they are."""
    if "infinity" in epoch.lower():
        return epoch.lower()
    try:
        return moment_of(epoch).isoformat()
    except (ValueError, OverflowError, OSError):
        return "infinity"


def decode_roles(pieces: Iterable[Bytes]) -> Iterator[Mapping[str, Any]]:
    """Yield the documents of a roles stream; raise ``ObjectCorrupt``."""
    for line in stored_lines(pieces):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ObjectCorrupt("a line of the roles stream is not JSON") from error
        if not isinstance(document, dict):
            raise ObjectCorrupt("a line of the roles stream is not an object")
        yield document


def make_roles(server: Session, plan: RolesPlan) -> tuple[str, ...]:
    """Make them, all or none; return what is left to people. A refused setting of a role is told, for a restore goes on without."""
    told = list(plan.by_hand)
    if not plan.created:
        return tuple(told)
    server.run("begin")
    try:
        with contextlib.suppress(
            StatementRefused
        ):  # only a superuser may; a hash is no password, but the log need not have it
            server.run("savepoint quiet; set local log_statement = 'none'; set local log_min_error_statement = 'panic'")
        if server.is_failed:
            server.run("rollback to savepoint quiet")
        for sql in plan.statements:
            server.run(sql)
        for name, sql in plan.settings:
            server.run("savepoint setting")
            try:
                server.run(sql)
            except StatementRefused as error:
                server.run("rollback to savepoint setting")
                told.append(f"{name} was refused ({error.state}): set it by ALTER ROLE")
        server.run("commit")
    except BaseException:
        with contextlib.suppress(Exception):
            server.run("rollback")
        raise
    return tuple(told)
